/** Which pairs an update trains on, which an evaluation looks at; and for each value of a and of b, the examples that have it. */
import { CHUNK, FULL_BATCH, PAIRS, SEED, STEP, TRAIN_PAIRS } from "./hyper";
import { at, share, word } from "./simd";

/** The generator's key for batches: `STREAM.batch` of random.ts. */
const BATCH_STREAM: u32 = 3;

/** One of four rounds' rotation. */
@inline function mix(x: u32, y: u32, rotation: i32): u32 { return rotl<u32>(y, rotation) ^ x; }

/** The first word of Threefry-2x32 with 20 rounds; Salmon et al. (SC 2011). The same bits as `threefry` of random.ts. */
export function threefry(k0: u32, k1: u32, c0: u32, c1: u32): u32 {
  let k2: u32 = k0 ^ k1 ^ 0x1bd11bda, x = c0 + k0, y = c1 + k1;
  for (let group: u32 = 0; group < 5; group++) {
    if (group & 1) {
      x += y; y = mix(x, y, 17); x += y; y = mix(x, y, 29); x += y; y = mix(x, y, 16); x += y; y = mix(x, y, 24);
    } else {
      x += y; y = mix(x, y, 13); x += y; y = mix(x, y, 15); x += y; y = mix(x, y, 26); x += y; y = mix(x, y, 6);
    }
    let first = (group + 1) % 3, second = (group + 2) % 3;
    x += first == 0 ? k0 : first == 1 ? k1 : k2;
    y += (second == 0 ? k0 : second == 1 ? k1 : k2) + group + 1;
  }
  return x;
}

/** Record: 0 hyper, 1 state, 2 pairs, 3 batch, 4 B. batch[i] = the next draw from the training pairs, or pair i of a full batch. */
export function sample(r: usize, arena: usize, t: i32, nt: i32): void {
  let hyper = at(r, 0, arena), step = load<u32>(at(r, 1, arena), STEP), pairs = at(r, 2, arena), batch = at(r, 3, arena), B = word(r, 4);
  let full = load<u32>(hyper, FULL_BATCH), seed = load<u32>(hyper, SEED), n = load<u32>(hyper, TRAIN_PAIRS);
  for (let i = share(B, t, nt, 1), end = share(B, t + 1, nt, 1); i < end; i++) {
    let from = full ? <u32>i : threefry(seed, BATCH_STREAM, step, i) % n;
    store<u32>(batch + (<usize>i << 2), load<u32>(pairs + (<usize>from << 2)));
  }
}

/** Record: 0 hyper, 1 state, 2 pairs, 3 batch, 4 E. The next E pairs of the whole set; past its end, pair 0 stands in. */
export function chunk(r: usize, arena: usize, t: i32, nt: i32): void {
  let E = word(r, 4), first = load<u32>(at(r, 1, arena), CHUNK) * <u32>E, pairs = at(r, 2, arena), batch = at(r, 3, arena);
  let n = load<u32>(at(r, 0, arena), PAIRS);
  for (let i = share(E, t, nt, 1), end = share(E, t + 1, nt, 1); i < end; i++) {
    let from = first + <u32>i;
    store<u32>(batch + (<usize>i << 2), load<u32>(pairs + (<usize>(from < n ? from : 0) << 2)));
  }
}

/** Record: 0 batch, 1 lists [2, (C + 1 starts, B examples)], 2 B, 3 C. Sorts the batch by a and by b; a thread a side. */
export function lists(r: usize, arena: usize, t: i32, nt: i32): void {
  let batch = at(r, 0, arena), B = word(r, 2), C = word(r, 3);
  for (let side = 0; side < 2; side++) {
    if (side % nt != t) continue;
    let starts = at(r, 1, arena) + (<usize>(side * (C + 1 + B)) << 2), examples = starts + (<usize>(C + 1) << 2), shift = 10 * side;
    memory.fill(starts, 0, <usize>(C + 1) << 2);
    // starts[v + 1] counts v; then starts[v] is where v begins; filling moves each to where the next begins, so they are set back at the
    // end.
    for (let i = 0; i < B; i++) {
      let p = starts + (<usize>((load<u32>(batch + (<usize>i << 2)) >> shift) & 1023) << 2);
      store<u32>(p, load<u32>(p, 4) + 1, 4);
    }
    for (let v = 0; v < C; v++) { let p = starts + (<usize>v << 2); store<u32>(p, load<u32>(p) + load<u32>(p, 4), 4); }
    for (let i = 0; i < B; i++) {
      let p = starts + (<usize>((load<u32>(batch + (<usize>i << 2)) >> shift) & 1023) << 2), k = load<u32>(p);
      store<u32>(examples + (<usize>k << 2), i);
      store<u32>(p, k + 1);
    }
    for (let v = C; v > 0; v--) { let p = starts + (<usize>v << 2); store<u32>(p, load<u32>(p - 4)); }
    store<u32>(starts, 0);
  }
}
