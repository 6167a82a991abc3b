/** Depth, width and heads against grokking: experiments, what was published, and what is asked of the runs. */
export * from "./architectures.ts";
export * from "./experiments.ts";
export * from "./findings.ts";
export * from "./published.ts";
