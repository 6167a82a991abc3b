/** Where tensors lie in the flat parameters, as rectangles with their padding: what operations on whole tensors go over. */
import { type Group, groupOf } from "./groups.ts";
import type { Layout } from "./layout.ts";

/**
 * rows × columns floats, the first at `offset`, a row `stride` floats after the one before. All are multiples of four, but rows of
 * vectors: 1.
 */
export interface Area {
  /** The tensor's. */
  readonly name: string;
  readonly group: Group;
  readonly offset: number;
  readonly rows: number;
  readonly columns: number;
  readonly stride: number;
}

/**
 * The areas of a layout, in its order. They don't overlap, and together they are all parameters: padding beside a tensor is zero, and
 * its.
 */
export function areas({ tensors, blocks }: Layout): Area[] {
  return [...blocks.values()].flatMap(({ offset, rows, stride }) => {
    const own = tensors.filter((tensor) => tensor.offset >= offset && tensor.offset < offset + rows * stride);
    // Tensors of a block stand side by side.
    return own.toSorted((a, b) => a.offset - b.offset).map(({ name, offset: from }, i, all): Area => {
      return { name, group: groupOf(name), offset: from, rows, columns: (all[i + 1]?.offset ?? offset + stride) - from, stride };
    });
  });
}
