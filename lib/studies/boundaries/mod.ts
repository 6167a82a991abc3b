/** Width against weight decay: experiments in full and small size, published results, and analysis of the runs. */
export * from "./attention_start.ts";
export * from "./experiments.ts";
export * from "./findings.ts";
export * from "./in_small.ts";
export * from "./published.ts";
export * from "./stability.ts";
export { type CriticalRow, criticalRows } from "../../analysis/boundary/critical.ts";
export { type DelayRow, delayRows } from "../../analysis/boundary/delay.ts";
export { betweenModuli, moduliPlaces, powerOf } from "../../analysis/boundary/moduli.ts";
export { DECAY, RATIO } from "../../analysis/boundary/surface.ts";
