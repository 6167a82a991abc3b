/** Depth, width, heads and grokking: experiments, published results, and analysis of the runs. */
export * from "./architectures.ts";
export * from "./experiments.ts";
export * from "./findings.ts";
export * from "./published.ts";
