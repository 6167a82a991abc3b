/** What a thread can do at most, for `--profile`: multiply-adds of sums that stay in registers, and bytes copied. */
import { fma } from "./simd";

/** Twelve sums of four lanes, so many multiply-adds each: as many as registers hold. */
export function multiplyAdds12(rounds: i32, out: usize): void {
  let x = v128.load(out), y = v128.load(out, 16);
  let c0 = x, c1 = x, c2 = x, c3 = x, c4 = x, c5 = x, c6 = x, c7 = x, c8 = x, c9 = x, c10 = x, c11 = x;
  for (let i = 0; i < rounds; i++) {
    c0 = fma(c0, x, y); c1 = fma(c1, x, y); c2 = fma(c2, x, y); c3 = fma(c3, x, y); c4 = fma(c4, x, y); c5 = fma(c5, x, y);
    c6 = fma(c6, x, y); c7 = fma(c7, x, y); c8 = fma(c8, x, y); c9 = fma(c9, x, y); c10 = fma(c10, x, y); c11 = fma(c11, x, y);
  }
  v128.store(out, c0, 0); v128.store(out, c1, 16); v128.store(out, c2, 32); v128.store(out, c3, 48);
  v128.store(out, c4, 64); v128.store(out, c5, 80); v128.store(out, c6, 96); v128.store(out, c7, 112);
  v128.store(out, c8, 128); v128.store(out, c9, 144); v128.store(out, c10, 160); v128.store(out, c11, 176);
}

/** Twenty-four, for V8 to pair. */
export function multiplyAdds24(rounds: i32, out: usize): void {
  let x = v128.load(out), y = v128.load(out, 16);
  let c0 = x, c1 = x, c2 = x, c3 = x, c4 = x, c5 = x, c6 = x, c7 = x, c8 = x, c9 = x, c10 = x, c11 = x;
  let c12 = x, c13 = x, c14 = x, c15 = x, c16 = x, c17 = x, c18 = x, c19 = x, c20 = x, c21 = x, c22 = x, c23 = x;
  for (let i = 0; i < rounds; i++) {
    c0 = fma(c0, x, y); c1 = fma(c1, x, y); c2 = fma(c2, x, y); c3 = fma(c3, x, y); c4 = fma(c4, x, y); c5 = fma(c5, x, y);
    c6 = fma(c6, x, y); c7 = fma(c7, x, y); c8 = fma(c8, x, y); c9 = fma(c9, x, y); c10 = fma(c10, x, y); c11 = fma(c11, x, y);
    c12 = fma(c12, x, y); c13 = fma(c13, x, y); c14 = fma(c14, x, y); c15 = fma(c15, x, y); c16 = fma(c16, x, y); c17 = fma(c17, x, y);
    c18 = fma(c18, x, y); c19 = fma(c19, x, y); c20 = fma(c20, x, y); c21 = fma(c21, x, y); c22 = fma(c22, x, y); c23 = fma(c23, x, y);
  }
  v128.store(out, c0, 0); v128.store(out, c1, 16); v128.store(out, c2, 32); v128.store(out, c3, 48);
  v128.store(out, c4, 64); v128.store(out, c5, 80); v128.store(out, c6, 96); v128.store(out, c7, 112);
  v128.store(out, c8, 128); v128.store(out, c9, 144); v128.store(out, c10, 160); v128.store(out, c11, 176);
  v128.store(out, c12, 192); v128.store(out, c13, 208); v128.store(out, c14, 224); v128.store(out, c15, 240);
  v128.store(out, c16, 256); v128.store(out, c17, 272); v128.store(out, c18, 288); v128.store(out, c19, 304);
  v128.store(out, c20, 320); v128.store(out, c21, 336); v128.store(out, c22, 352); v128.store(out, c23, 368);
}

export function copy(to: usize, from: usize, bytes: usize): void { memory.copy(to, from, bytes); }
