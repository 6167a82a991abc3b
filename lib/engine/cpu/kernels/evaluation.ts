/**
 * Sums that are kept over batches and over the chunks of an evaluation; means and norms at its end. One thread does each: they are short.
 */
import { CHUNK, EVAL_EVERY, NOISY_PAIRS, PAIRS, STEP, STEPS, TRAIN_PAIRS } from "./hyper";
import {
  BATCH_ACC, BATCH_LOSS, GRAD_NORM, METRIC_WORDS, TRAIN_ACC, TRAIN_LOSS, VAL_ACC, VAL_LOSS, WEIGHT_NORM,
} from "./metrics";
import { at, fma, root, total, word } from "./simd";

/** The sum of (loss, right) of examples `from` to `to`, two interleaved, as four lanes: even and odd examples apart. */
function sumOfStats(stats: usize, from: i32, to: i32): v128 {
  let sum = f32x4.splat(0), p = stats + (<usize>from << 3), end = stats + (<usize>max(from, to) << 3);
  for (; p + 8 < end; p += 16) sum = f32x4.add(sum, v128.load(p));
  return p < end ? f32x4.add(sum, v128.load64_zero(p)) : sum;
}
@inline function lossOf(sum: v128): f32 { return f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 2); }
@inline function rightOf(sum: v128): f32 { return f32x4.extract_lane(sum, 1) + f32x4.extract_lane(sum, 3); }

@inline function add(p: usize, x: f32): void { store<f32>(p, load<f32>(p) + x); }

/** Record: 0 state, 1 stats, 2 batch_sums, 3 B. Adds the batch's loss and right answers to the sums in flight, and counts the step. */
export function endOfStep(r: usize, arena: usize): void {
  let state = at(r, 0, arena), sums = at(r, 2, arena), B = word(r, 3), sum = sumOfStats(at(r, 1, arena), 0, B);
  if (load<u32>(state, STEP) >= load<u32>(state, STEPS)) return;
  add(sums, lossOf(sum)); add(sums + 4, rightOf(sum)); add(sums + 8, <f32>B);
  store<u32>(state, load<u32>(state, STEP) + 1, STEP);
}

/**
 * Record: 0 hyper, 1 state, 2 stats, 3 sums (train loss, train right, val loss, val right), 4 E, 5 kept [block, 2] or 0, 6 block. Goes to
 * the next chunk. Where a block has several chunks, their stats are kept, and the last one's sums are the block's.
 */
export function endOfChunk(r: usize, arena: usize): void {
  let hyper = at(r, 0, arena), state = at(r, 1, arena), stats = at(r, 2, arena), sums = at(r, 3, arena), E = word(r, 4);
  let kept = at(r, 5, arena), block = word(r, 6), first = load<i32>(state, CHUNK) * E, size = E, all = load<i32>(hyper, PAIRS);
  store<i32>(state, load<i32>(state, CHUNK) + 1, CHUNK);
  if (first >= all) return;
  if (kept) {
    let place = first % block;
    memory.copy(kept + (<usize>place << 3), stats, <usize>E << 3);
    if (place + E < block && first + E < all) return;
    stats = kept; first -= place; size = place + E;
  }
  let train = load<i32>(hyper, TRAIN_PAIRS) - first, end = min(size, all - first), middle = max(0, min(end, train));
  let trained = sumOfStats(stats, 0, middle), held = sumOfStats(stats, middle, end);
  add(sums, lossOf(trained)); add(sums + 4, rightOf(trained)); add(sums + 8, lossOf(held)); add(sums + 12, rightOf(held));
}

/** Record: 0 hyper, 1 state, 2 stats, 3 sum, 4 E. Right answers among the chunk's pairs with noisy labels, which are the first of all. */
export function noisyRight(r: usize, arena: usize): void {
  let E = word(r, 4), first = load<i32>(at(r, 1, arena), CHUNK) * E, noisy = load<i32>(at(r, 0, arena), NOISY_PAIRS), sum = at(r, 3, arena);
  if (first == 0) store<f32>(sum, 0);
  add(sum, rightOf(sumOfStats(at(r, 2, arena), 0, max(0, min(E, noisy - first)))));
}

/** The Euclidean norm of n floats, a multiple of four. */
export function length(x: usize, n: i32): f32 {
  let a = f32x4.splat(0), b = a, end = x + (<usize>n << 2);
  for (; x + 16 < end; x += 32) { let u = v128.load(x), v = v128.load(x, 16); a = fma(u, u, a); b = fma(v, v, b); }
  if (x < end) { let u = v128.load(x); a = fma(u, u, a); }
  return root(total(f32x4.add(a, b)));
}

/** A metric of the record of `endOfEvaluation`. */
function metric(which: i32, r: usize, arena: usize): f32 {
  let hyper = at(r, 0, arena), batch = at(r, 4, arena), sums = at(r, 5, arena), P = word(r, 7);
  let train = <f32>load<u32>(hyper, TRAIN_PAIRS), held = <f32>(load<u32>(hyper, PAIRS) - load<u32>(hyper, TRAIN_PAIRS));
  switch (which) {
    case TRAIN_LOSS: return load<f32>(sums) / train;
    case TRAIN_ACC: return load<f32>(sums, 4) / train;
    case VAL_LOSS: return load<f32>(sums, 8) / held;
    case VAL_ACC: return load<f32>(sums, 12) / held;
    case WEIGHT_NORM: return length(at(r, 2, arena), P);
    case GRAD_NORM: return length(at(r, 3, arena), P);
    case BATCH_LOSS: return load<f32>(batch) / load<f32>(batch, 8);
    case BATCH_ACC: return load<f32>(batch, 4) / load<f32>(batch, 8);
    default: return unreachable();
  }
}

/**
 * Record: 0 hyper, 1 state, 2 params, 3 grads, 4 batch_sums, 5 sums, 6 metrics, 7 P. Means of the whole sets, norms of parameters and
 * gradient, means of the batches since the last evaluation. The batches' sums start afresh at multiples of `eval_every` alone: a run that
 * ends in between may go on later.
 */
export function endOfEvaluation(r: usize, arena: usize): void {
  let state = at(r, 1, arena), batch = at(r, 4, arena), sums = at(r, 5, arena), metrics = at(r, 6, arena);
  for (let i = 0; i < METRIC_WORDS; i++) store<f32>(metrics + (<usize>i << 2), metric(i, r, arena));
  memory.fill(sums, 0, 16);
  if (load<u32>(state, STEP) % load<u32>(state, EVAL_EVERY) == 0) memory.fill(batch, 0, 16);
  store<u32>(state, 0, CHUNK);
}
