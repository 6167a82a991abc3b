/** The weight norm and grokking: initial scale, weight decay, width, held norms, and controls. */
export * from "./experiments.ts";
export * from "./findings.ts";
