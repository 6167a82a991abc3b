/** Shortcuts to grokking against one tuned baseline: methods, published claims, experiments, and analysis of the runs. */
export * from "./experiments.ts";
export * from "./findings.ts";
export * from "./methods.ts";
