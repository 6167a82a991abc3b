/** What both generators of products need: where a matrix lies, how its elements are addressed, and how text is put together. */
import type { Constants } from "../kernel.ts";

/** A matrix per run inside a buffer of `array<vec4f>`; all numbers count floats and are multiples of 4. */
export interface View {
  readonly buffer: string;
  /** From the run's start. */
  readonly offset: number;
  /** From one run to the next. */
  readonly runStride: number;
  /** From one row to the next. */
  readonly stride: number;
  readonly shape: string;
  /** What the code calls it, where that is given. */
  readonly as?: string;
}

/** Which operand is contiguous along which axis: "nn" is x · W, "nt" is dy · Wᵀ, "tn" is xᵀ · dy. */
export type Form = "nn" | "nt" | "tn";

/** C = A · B, [m, n] = [m, k] · [k, n], as far as its code depends on it. */
export interface Sizes {
  readonly form: Form;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** What a generator makes: the code, how long a part of the contraction is, and the grid's columns and rows of workgroups. */
export interface Generated {
  readonly code: string;
  readonly share: number;
  readonly grid: readonly [number, number];
}

/** What is multiplied. */
export interface Operands {
  readonly a: View;
  readonly b: View;
}

/** Statements that store the vec4f `value` at (`row`, 4 · `col4`) of part `r`. */
export type Store = (value: string, row: string, col4: string, r: string) => string;

export const range = (n: number) => Array.from({ length: n }, (_, i) => i);
export const lines = <T>(items: readonly T[], line: (item: T) => string) => items.map(line).join("\n");

/** The index of (row, 4 · col4) in run r of a view, whose numbers are constants named after the operand. */
export const at = (view: "a" | "b" | "c", r: string, row: string, col4: string) =>
  `${r} * u.${view}_run + (${row}) * u.${view}_row + u.${view}_at + (${col4})`;
export const numbers = (view: "a" | "b" | "c", { offset, runStride, stride }: View): Constants => ({
  [`${view}_at`]: offset / 4,
  [`${view}_row`]: stride / 4,
  [`${view}_run`]: runStride / 4,
});
/** Weights keep their name, because biases lie in the same buffer; other operands are called the same in all products. */
export const alias = (v: Pick<View, "buffer" | "as">, name: string) => v.as ?? (v.buffer === "params" ? "params" : name);

/** Rounds up to whole steps. */
export const up = (n: number, step: number) => step * Math.ceil(n / step);
