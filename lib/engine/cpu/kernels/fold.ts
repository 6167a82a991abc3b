/** The gradient of a row that several rows were made from: the sum of theirs, in ascending order of examples. */
import { BY_INDEX } from "./opcode";
import { at, real, share, word } from "./simd";

/** Arguments before the sources, and of each source. */
const SOURCES: usize = 7, OF_SOURCE: usize = 5;

/** Adds row `row` of a source, its first `n` floats, to out. */
@inline function addRow(out: usize, x: usize, bytes: usize): void {
  let end = x + bytes, d = out - x;
  for (; x + 16 < end; x += 32) {
    let a = f32x4.add(v128.load(x + d), v128.load(x)), b = f32x4.add(v128.load(x + d, 16), v128.load(x, 16));
    v128.store(x + d, a); v128.store(x + d, b, 16);
  }
  if (x < end) v128.store(x + d, f32x4.add(v128.load(x + d), v128.load(x)));
}

/**
 * Record: 0 out, 1 bytes a row, 2 rows, 3 floats a row, 4 lists, 5 words of one side of them, 6 factor (or 0 for none); then a source each:
 * x, bytes a row, by which index, words of `starts` (C + 1), the first float it counts for. out[v] = factor · Σ of the sources' rows of v.
 */
export function fold(r: usize, arena: usize, t: i32, nt: i32): void {
  let out = at(r, 0, arena), ldo = <usize>word(r, 1), rows = word(r, 2), bytes = <usize>word(r, 3) << 2;
  let lists = at(r, 4, arena), side = <usize>word(r, 5) << 2, factor = f32x4.splat(real(r, 6));
  let sources = (<usize>(load<i32>(r, 4) - 3) - SOURCES) / OF_SOURCE, scaled = word(r, 6) != 0;
  for (let v = share(rows, t, nt, 1), end = share(rows, t + 1, nt, 1); v < end; v++) {
    let to = out + <usize>v * ldo;
    memory.fill(to, 0, bytes);
    for (let s: usize = 0; s < sources; s++) {
      let q = SOURCES + s * OF_SOURCE, x = at(r, q, arena), ldx = <usize>word(r, q + 1), by = word(r, q + 2), first = <usize>word(r, q + 4) << 2;
      if (by == BY_INDEX) { addRow(to + first, x + <usize>v * ldx + first, bytes - first); continue; }
      let starts = lists + <usize>(by - 1) * side + (<usize>v << 2), examples = lists + <usize>(by - 1) * side + (<usize>word(r, q + 3) << 2);
      for (let k = load<u32>(starts), last = load<u32>(starts, 4); k < last; k++) {
        addRow(to + first, x + <usize>load<u32>(examples + (<usize>k << 2)) * ldx + first, bytes - first);
      }
    }
    if (scaled) for (let o: usize = 0; o < bytes; o += 16) v128.store(to + o, f32x4.mul(v128.load(to + o), factor));
  }
}
