/** The norm of the weights and grokking: initial scale, weight decay, width, held norms, and controls. */
export * from "./experiments.ts";
export * from "./findings.ts";
