/** Attention during grokking: experiments, analysis of the runs, and tables and sentences of the results. */
export * from "./experiments.ts";
export * from "./findings.ts";
export * from "./tables.ts";
export { type PatternClusters, patternClusters } from "../../analysis/attention/pattern_clusters.ts";
export type { AttentionGroup, AttentionRun } from "../../analysis/attention/runs.ts";
