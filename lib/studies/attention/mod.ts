/** Attention through grokking: experiments, what is asked of the runs, and its tables and sentences. */
export * from "./experiments.ts";
export * from "./findings.ts";
export * from "./tables.ts";
export { type PatternClusters, patternClusters } from "../../analysis/attention/pattern_clusters.ts";
export type { AttentionGroup, AttentionRun } from "../../analysis/attention/runs.ts";
