/** Tensors as kernels go over them: four floats at a time, row after row. */
import type { Area } from "../../../run/areas.ts";
import type { Constants } from "./kernel.ts";

/** Where an area lies in a run's P parameters, in vec4s, for `IN_AREA`. */
export const inArea = ({ offset, rows, columns, stride }: Area, P: number): Constants => ({
  P4: P / 4,
  first: offset / 4,
  rows,
  columns: columns / 4,
  row: stride / 4,
});

/** WGSL: where the i-th vec4 of an area lies. */
export const IN_AREA = `
fn in_area(r: u32, i: u32) -> u32 { return r * u.P4 + u.first + (i / u.columns) * u.row + i % u.columns; }`;
