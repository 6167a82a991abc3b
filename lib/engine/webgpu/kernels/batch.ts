/** Which pairs an update trains on, which an evaluation looks at; and for each value of a and of b, the examples that have it. */
import { STREAM } from "../../../run/random.ts";
import { THREEFRY } from "./threefry.ts";
import type { Chunk, Lists, Sample } from "../../op.ts";
import { HYPER, hyper, STATE, state } from "./hyper.ts";
import { elementwise, type Kernel, read, write } from "./kernel.ts";
import { UNPACK } from "./pair.ts";

/** batch[i] = the next draw from the training pairs, or pair i where the batch is all of them. */
export function sample({ label, examples: B, batch, pairs, pairWords }: Sample): Kernel {
  return elementwise({
    label,
    count: B,
    bindings: [hyper, state, read.u32(pairs, "[R, pairs]", "pairs"), write.u32(batch, "[R, B]", "batch")],
    functions: HYPER + STATE + THREEFRY,
    constants: { pairs: pairWords },
    body: `
  let h = hyper[r];
  var at = i;
  if (h.full_batch == 0u) { at = threefry(vec2u(h.seed, ${STREAM.batch}u), vec2u(state[r].step, i)).x % h.train_pairs; }
  batch[r * u.count + i] = pairs[r * u.pairs + at];`,
    bytes: 8 * B,
  });
}

/** The next chunk of E pairs of the whole set; past its end, pair 0 stands in and is not counted. */
export function chunk({ label, examples: E, batch, pairs, pairWords }: Chunk): Kernel {
  return elementwise({
    label,
    count: E,
    bindings: [hyper, state, read.u32(pairs, "[R, pairs]", "pairs"), write.u32(batch, "[R, E]", "batch")],
    functions: HYPER + STATE,
    constants: { pairs: pairWords },
    body: `
  let at = state[r].chunk * u.count + i;
  batch[r * u.count + i] = pairs[r * u.pairs + select(0u, at, at < hyper[r].pairs)];`,
    bytes: 8 * E,
  });
}

/** Words of `lists` a run: starts and examples by a, then the same by b. */
export const listWords = (B: number, C: number) => 2 * (C + 1 + B);

/** WGSL: where the examples with value v begin in `lists`, which are those of a (side 0) or b (side 1); they lie in ascending order. */
export const LISTS = (B: number, C: number) => `
fn list_start(r: u32, side: u32, v: u32) -> u32 { return lists[r * ${listWords(B, C)}u + side * ${C + 1 + B}u + v]; }
fn list_at(r: u32, side: u32, k: u32) -> u32 { return lists[r * ${listWords(B, C)}u + side * ${C + 1 + B}u + ${C + 1}u + k]; }`;

/**
 * Sorts the batch by a and by b: one workgroup a side, each thread the values v, v + 256, …; count, prefix sum, fill. Its sizes stand in
 * the code, not among the constants: Mesa's software driver takes loops up to a constant for worth specialising, and compiled this kernel
 * anew, 1 MiB that it never freed, each time its turn came.
 */
export function lists({ label, batch, lists, B, C }: Lists): Kernel {
  const side = C + 1 + B;
  const code = `${UNPACK}
var<workgroup> counts: array<u32, 1024>;
fn value(side: u32, pair: u32) -> u32 { return select(b_of(pair), a_of(pair), side == 0u); }
@compute @workgroup_size(256) fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3u) {
  let r = group.z;
  let side = group.x;
  let start = r * ${2 * side}u + side * ${side}u;
  for (var v = thread; v < ${C}u; v += 256u) {
    var count = 0u;
    for (var i = 0u; i < ${B}u; i++) { count += select(0u, 1u, value(side, batch[r * ${B}u + i]) == v); }
    counts[v] = count;
  }
  workgroupBarrier();
  for (var v = thread; v < ${C}u; v += 256u) {
    var at = 0u;
    for (var w = 0u; w < v; w++) { at += counts[w]; }
    lists[start + v] = at;
    if (v == ${C - 1}u) { lists[start + ${C}u] = ${B}u; }
    for (var i = 0u; i < ${B}u; i++) {
      if (value(side, batch[r * ${B}u + i]) == v) { lists[start + ${C + 1}u + at] = i; at++; }
    }
  }
}`;
  return {
    label,
    code,
    bindings: [read.u32(batch, "[R, B]", "batch"), write.u32(lists, "[R, 2, C + 1 + B]", "lists")],
    grid: [2, 1, 1],
    flop: 0,
    bytes: 12 * B,
  };
}
