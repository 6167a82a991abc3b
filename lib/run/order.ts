/** The order of runs wherever they are shown or counted: their fields decide, and not when which of them was trained or imported. */
import { type Entry, PART_ENTRIES, valueAt } from "./fields.ts";
import type { RunSpec } from "./spec.ts";

/** How many steps a run does isn't part of what it is. */
const IDENTITY = PART_ENTRIES.filter(({ field }) => !field.extent);

/**
 * Whether a run comes before another (below 0) or after it: field by field in their order, the seed last. Numbers by size, and after them
 * words, in the order in which the field allows them.
 */
export function inOrder(a: RunSpec, b: RunSpec): number {
  for (const entry of IDENTITY) {
    const order = byValue(entry, a, b);
    if (order !== 0) return order;
  }
  return a.seed - b.seed;
}

function byValue(entry: Entry, a: RunSpec, b: RunSpec): number {
  const one = valueAt(a, entry), other = valueAt(b, entry);
  if (one === other) return 0;
  if (typeof one !== "string" || typeof other !== "string") {
    return typeof one === "string" ? 1 : typeof other === "string" ? -1 : one < other ? -1 : 1;
  }
  const { words = [] } = entry.field.kind, place = (word: string) => words.indexOf(word);
  return place(one) - place(other) || (one < other ? -1 : 1);
}
