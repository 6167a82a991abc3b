/** Rows by index: of a value, or of an example's pair. */
import { BY_A, BY_INDEX } from "./opcode";
import { at, share, word } from "./simd";

/** The row of index i: base + i, or base + a or b of the pair i. */
@inline export function rowOf(by: i32, base: i32, i: i32, batch: usize): usize {
  if (by == BY_INDEX) return <usize>(base + i);
  let pair = load<u32>(batch + (<usize>i << 2));
  return <usize>base + (by == BY_A ? pair & 1023 : (pair >> 10) & 1023);
}

/**
 * Record: 0 out, 1 W_E, 2 the position's row of W_pos, 3 batch, 4 how the token is found, 5 the first token, 6 whether it is the same for
 * all rows, 7 bytes a row, 8 rows. out[i] = W_E[token] + W_pos[position], for the rows of one position.
 */
export function embed(r: usize, arena: usize, t: i32, nt: i32): void {
  let out = at(r, 0, arena), W_E = at(r, 1, arena), position = at(r, 2, arena), batch = at(r, 3, arena);
  let by = word(r, 4), base = word(r, 5), constant = word(r, 6), bytes = <usize>word(r, 7), rows = word(r, 8);
  for (let i = share(rows, t, nt, 1), end = share(rows, t + 1, nt, 1); i < end; i++) {
    let token = W_E + rowOf(by, base, constant ? 0 : i, batch) * bytes, to = out + <usize>i * bytes;
    for (let o: usize = 0; o < bytes; o += 16) v128.store(to + o, f32x4.add(v128.load(token + o), v128.load(position + o)));
  }
}

/** Record: 0 out, 1 x, 2 batch, 3 how the row is found, 4 the first row, 5 bytes a row, 6 rows. out[i] = x[row of i]. */
export function gather(r: usize, arena: usize, t: i32, nt: i32): void {
  let out = at(r, 0, arena), x = at(r, 1, arena), batch = at(r, 2, arena), by = word(r, 3), base = word(r, 4), bytes = <usize>word(r, 5);
  for (let i = share(word(r, 6), t, nt, 1), end = share(word(r, 6), t + 1, nt, 1); i < end; i++) {
    memory.copy(out + <usize>i * bytes, x + rowOf(by, base, i, batch) * bytes, bytes);
  }
}
