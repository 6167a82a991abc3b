/** Replays lists of records, whole programs of them, and shares a job's runs among the workers. The entry of the module. */
import { attention, attentionBackward } from "./attention";
import { attentionSummary } from "./attention_summary";
import { chunk, lists, sample } from "./batch";
import { addParts, columnSums } from "./columns";
import { embed, gather } from "./embed";
import { endOfChunk, endOfEvaluation, endOfStep, noisyRight } from "./evaluation";
import { gradientFilter, orthogonalGradient } from "./filter";
import { fold } from "./fold";
import { STEP, STEPS } from "./hyper";
import { clipRows, holdNorm } from "./limit";
import { loss } from "./loss";
import { muonEnd, muonPolynomial, muonStart } from "./muon";
import { norm, normBackward } from "./norm";
import * as Op from "./opcode";
import { pack } from "./pack";
import { pairs } from "./pairs";
import { pool } from "./pool";
import { product } from "./product";
import { at } from "./simd";
import { update } from "./update";
import { uniformAttention, uniformAttentionBackward } from "./uniform_attention";
import { weightGradient } from "./weight_gradient";

export { applyFunction } from "./functions";
export { copy, multiplyAdds12, multiplyAdds24 } from "./peak";
export { fuses } from "./simd";
export { setTile, tile } from "./tile";

/** How often a worker looks for the others before it sleeps: some ten microseconds. */
const LOOKS: i32 = 5000;

/** Waits until nt workers are here. Words at `barrier`: how many came, which round it is, how many sleep. */
function meet(barrier: usize, nt: i32): void {
  let round = atomic.load<i32>(barrier, 4);
  if (atomic.add<i32>(barrier, 1) == nt - 1) {
    atomic.store<i32>(barrier, 0);
    atomic.add<i32>(barrier, 1, 4);
    if (atomic.load<i32>(barrier, 8) > 0) atomic.notify(barrier + 4, -1);
    return;
  }
  for (let i = 0; i < LOOKS; i++) if (atomic.load<i32>(barrier, 4) != round) return;
  atomic.add<i32>(barrier, 1, 8);
  while (atomic.load<i32>(barrier, 4) == round) atomic.wait<i32>(barrier + 4, round, -1);
  atomic.sub<i32>(barrier, 1, 8);
}

/** One record, the share of thread t of nt. False where the rest of the list is to be left out: the run has done its steps. */
export function replay(r: usize, arena: usize, t: i32, nt: i32, scratch: usize): bool {
  switch (load<i32>(r)) {
    case Op.REST: { let state = at(r, 0, arena); return load<u32>(state, STEP) < load<u32>(state, STEPS); }
    case Op.SAMPLE: sample(r, arena, t, nt); break;
    case Op.LISTS: lists(r, arena, t, nt); break;
    case Op.CHUNK: chunk(r, arena, t, nt); break;
    case Op.EMBED: embed(r, arena, t, nt); break;
    case Op.GATHER: gather(r, arena, t, nt); break;
    case Op.PACK: pack(r, arena, t, nt, false); break;
    case Op.PACK_TRANSPOSED: pack(r, arena, t, nt, true); break;
    case Op.PRODUCT: product(r, arena, t, nt, scratch); break;
    case Op.WEIGHT_GRADIENT: weightGradient(r, arena, t, nt, scratch); break;
    case Op.COLUMN_SUMS: columnSums(r, arena, t, nt); break;
    case Op.ADD_PARTS: addParts(r, arena, t, nt); break;
    case Op.NORM: norm(r, arena, t, nt); break;
    case Op.NORM_BACKWARD: normBackward(r, arena, t, nt); break;
    case Op.ATTENTION: attention(r, arena, t, nt, scratch); break;
    case Op.ATTENTION_BACKWARD: attentionBackward(r, arena, t, nt, scratch); break;
    case Op.FOLD: fold(r, arena, t, nt); break;
    case Op.POOL: pool(r, arena, t, nt); break;
    case Op.LOSS: loss(r, arena, t, nt); break;
    case Op.UPDATE: update(r, arena, t, nt); break;
    case Op.END_OF_STEP: if (t == 0) endOfStep(r, arena); break;
    case Op.NOISY_RIGHT: if (t == 0) noisyRight(r, arena); break;
    case Op.END_OF_CHUNK: if (t == 0) endOfChunk(r, arena); break;
    case Op.END_OF_EVALUATION: if (t == 0) endOfEvaluation(r, arena); break;
    case Op.ATTENTION_SUMMARY: attentionSummary(r, arena, t, nt); break;
    case Op.GRADIENT_FILTER: gradientFilter(r, arena, t, nt); break;
    case Op.ORTHOGONAL_GRADIENT: orthogonalGradient(r, arena, t, nt); break;
    case Op.MUON_START: if (t == 0) muonStart(r, arena); break;
    case Op.MUON_POLYNOMIAL: muonPolynomial(r, arena, t, nt); break;
    case Op.MUON_END: muonEnd(r, arena, t, nt); break;
    case Op.CLIP_ROWS: clipRows(r, arena, t, nt); break;
    case Op.HOLD_NORM: if (t == 0) holdNorm(r, arena); break;
    case Op.PAIRS: pairs(r, arena, t, nt); break;
    case Op.UNIFORM_ATTENTION: uniformAttention(r, arena, t, nt); break;
    case Op.UNIFORM_ATTENTION_BACKWARD: uniformAttentionBackward(r, arena, t, nt); break;
    default: unreachable();
  }
  return true;
}

/** A list of records from `list` to `end`, by thread t of nt. */
export function replayList(list: usize, end: usize, arena: usize, t: i32, nt: i32, barrier: usize, scratch: usize): void {
  while (list < end) {
    if (nt > 1 && load<i32>(list, 8)) meet(barrier, nt);
    if (!replay(list, arena, t, nt, scratch)) return;
    list += <usize>load<i32>(list, 4) << 2;
  }
}

/**
 * A run's program: entries of four words. (list, end, times, 0), or (0, offset in the arena, words, where) to copy out what a caller reads:
 * `where` is the first run's place, the others' follow.
 */
function program(entry: usize, entries: i32, run: i32, arena: usize, t: i32, nt: i32, barrier: usize, scratch: usize): void {
  for (let i = 0; i < entries; i++) {
    let list = load<usize>(entry), a = load<usize>(entry, 4), b = load<u32>(entry, 8);
    if (list) {
      for (let time: u32 = 0; time < b; time++) replayList(list, a, arena, t, nt, barrier, scratch);
    } else {
      if (nt > 1) meet(barrier, nt);
      let bytes = <usize>b << 2;
      if (t == 0) memory.copy(load<usize>(entry, 12) + <usize>run * bytes, arena + a, bytes);
    }
    entry += 16;
  }
}

/** Words of a job before its barriers, and bytes of a barrier: a cache line each. */
const JOB: usize = 64, BARRIER: usize = 64;

/**
 * A job, by worker w of `workers`. Words: 0 program, 1 its entries, 2 first arena, 3 bytes an arena, 4 runs, 5 the next run to take.
 * Whole runs are taken one after the other, as many as there are for all workers alike; the workers share what is left, a team a run.
 */
export function work(job: usize, w: i32, workers: i32, scratch: usize): void {
  let entry = load<usize>(job), entries = load<i32>(job, 4), arenas = load<usize>(job, 8), bytes = load<usize>(job, 12), runs = load<i32>(job, 16);
  let whole = runs / workers * workers, left = runs - whole;
  for (let run = atomic.add<i32>(job, 1, 20); run < whole; run = atomic.add<i32>(job, 1, 20)) {
    program(entry, entries, run, arenas + <usize>run * bytes, 0, 1, 0, scratch);
  }
  if (left == 0) return;
  let team = w * left / workers, first = (team * workers + left - 1) / left, next = ((team + 1) * workers + left - 1) / left, run = whole + team;
  program(entry, entries, run, arenas + <usize>run * bytes, w - first, next - first, job + JOB + <usize>team * BARRIER, scratch);
}
