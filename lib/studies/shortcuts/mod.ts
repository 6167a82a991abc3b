/** Shortcuts to grokking under one matched baseline: methods, what was published of them, experiments, and what is asked of the runs. */
export * from "./experiments.ts";
export * from "./findings.ts";
export * from "./methods.ts";
