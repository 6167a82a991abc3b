/** Packed pairs in WGSL, and the rows that they lead to. */
import type { RowsBy } from "../../op.ts";

/** WGSL: a, b and the answer of a pair, as `pack` in rows.ts puts them together. */
export const UNPACK = `
fn a_of(pair: u32) -> u32 { return pair & 1023u; }
fn b_of(pair: u32) -> u32 { return (pair >> 10u) & 1023u; }
fn target_of(pair: u32) -> u32 { return pair >> 20u; }`;

/** WGSL: what is counted from a row's base: index `i` itself, or a or b of the packed pair `pair`. */
export const within = ({ by }: Pick<RowsBy, "by">, i: string, pair: string) => (by === "index" ? i : `${by}_of(${pair})`);

/** WGSL: the row of index `i`. */
export const rowOf = (rows: RowsBy, i: string, pair: string) => `(${rows.base}u + ${within(rows, i, pair)})`;
