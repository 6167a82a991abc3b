/**
 * One function for each operation of the kernels: its record, arguments in the order of the kernel's comment, with the ranges it reaches.
 */
export * from "./attention.ts";
export * from "./norm.ts";
export * from "./products.ts";
export * from "./rows.ts";
export * from "./run.ts";
export * from "./update.ts";
