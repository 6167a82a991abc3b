/** The random streams against the published known answers, and against what their users rely on. */
import { assert, assertAlmostEquals, assertEquals, assertNotEquals } from "@std/assert";
import { batchIndex, Random, STREAM, threefry } from "../../lib/run/random.ts";

const hex = (words: readonly number[]) => words.map((word) => word.toString(16).padStart(8, "0")).join(" ");

Deno.test("random: threefry2x32-20 gives Random123's known answers", () => {
  assertEquals(hex(threefry(0, 0, 0, 0)), "6b200159 99ba4efe");
  assertEquals(hex(threefry(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff)), "1cb996fc bb002be7");
  assertEquals(hex(threefry(0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3)), "c4923a9c 483df7a0");
});

Deno.test("random: a stream is the generator's words in order, and repeats from its seed", () => {
  const words = (seed: number, stream: keyof typeof STREAM) => {
    const random = new Random(seed, stream);
    return Array.from({ length: 4 }, () => random.word());
  };
  assertEquals(words(5, "init"), [...threefry(5, STREAM.init, 0, 0), ...threefry(5, STREAM.init, 1, 0)]);
  assertEquals(words(5, "init"), words(5, "init"));
  assertNotEquals(words(5, "init"), words(6, "init"));
  assertNotEquals(words(5, "init"), words(5, "split"));
});

const DRAWS = 40_000;
/** Five standard errors of a mean of so many draws of unit variance: a good generator exceeds it once in two million. */
const FIVE_SIGMA = 5 / Math.sqrt(DRAWS);

Deno.test("random: normals have the moments 0, 1, 0, 3; uniforms fill the open unit interval", () => {
  const random = new Random(1, "init");
  const normals = Array.from({ length: DRAWS }, () => random.normal());
  const moment = (power: number) => normals.reduce((sum, x) => sum + x ** power, 0) / DRAWS;
  // The standard deviation of x^n is √(E x^2n − (E x^n)²): 1, √2, √15, √96.
  assertAlmostEquals(moment(1), 0, FIVE_SIGMA);
  assertAlmostEquals(moment(2), 1, FIVE_SIGMA * Math.sqrt(2));
  assertAlmostEquals(moment(3), 0, FIVE_SIGMA * Math.sqrt(15));
  assertAlmostEquals(moment(4), 3, FIVE_SIGMA * Math.sqrt(96));
  const uniforms = Array.from({ length: DRAWS }, () => random.uniform());
  assert(uniforms.every((u) => u > 0 && u < 1));
  assertAlmostEquals(uniforms.reduce((sum, u) => sum + u) / DRAWS, 0.5, FIVE_SIGMA * Math.sqrt(1 / 12));
});

Deno.test("random: a permutation has every number once, and every place is as likely", () => {
  assertEquals([...new Random(3, "split").permutation(1000)].sort((a, b) => a - b), Array.from({ length: 1000 }, (_, i) => i));
  const random = new Random(4, "split"), n = 4, rounds = 10_000;
  const first = new Array(n).fill(0);
  for (let i = 0; i < rounds; i++) first[random.permutation(n)[0]]++;
  const deviation = Math.sqrt(rounds * (1 / n) * (1 - 1 / n));
  for (const count of first) assertAlmostEquals(count, rounds / n, 5 * deviation);
});

Deno.test("random: a sample has different numbers, begins with every smaller one, and every number is as likely", () => {
  const sample = (k: number) => [...new Random(5, "probe").sample(50, k)];
  assertEquals(sample(50).sort((a, b) => a - b), Array.from({ length: 50 }, (_, i) => i));
  for (const k of [0, 1, 20]) assertEquals(sample(k), sample(50).slice(0, k));
  const random = new Random(6, "probe"), n = 5, k = 2, rounds = 10_000;
  const counts = Array.from({ length: k }, () => new Array(n).fill(0));
  for (let i = 0; i < rounds; i++) random.sample(n, k).forEach((number, place) => counts[place][number]++);
  const deviation = Math.sqrt(rounds * (1 / n) * (1 - 1 / n));
  for (const count of counts.flat()) assertAlmostEquals(count, rounds / n, 5 * deviation);
});

Deno.test("random: the streams' numbers never change, or runs of old would have other bits", () => {
  assertEquals(STREAM, { init: 1, split: 2, batch: 3, labels: 4, resample: 5, probe: 6 });
});

Deno.test("random: batches are independent draws with replacement, the same for the same seed and step", () => {
  const draw = (seed: number, step: number) => Array.from({ length: 512 }, (_, at) => batchIndex(seed, step, at, 97));
  assertEquals(draw(1, 2), draw(1, 2));
  assertNotEquals(draw(1, 2), draw(1, 3));
  assertNotEquals(draw(1, 2), draw(2, 2));
  assertEquals(draw(1, 2)[9], threefry(1, STREAM.batch, 2, 9)[0] % 97);
  const counts = new Array(97).fill(0);
  for (let step = 0; step < 100; step++) for (const at of draw(0, step)) counts[at]++;
  const expected = 51200 / 97;
  const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  assert(Math.abs(chiSquare - 96) < 5 * Math.sqrt(2 * 96), `χ² with 96 degrees of freedom, current value is ${chiSquare}`);
  assert(new Set(draw(0, 0)).size < 512);
});
