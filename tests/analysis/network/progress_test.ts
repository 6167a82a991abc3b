/** Progress measures on logits whose answer is known, and against the projections written out in the product basis of Nanda et al. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { pairSpectrum } from "../../../lib/analysis/network/pairs.ts";
import { shareAt } from "./share_at.ts";
import { ablations, answerWaves, gini, keyFrequencies, linearTask, scores, type Task } from "../../../lib/analysis/network/progress.ts";
import { OPERATIONS } from "../../../lib/run/operations.ts";
import { Random } from "../../../lib/run/random.ts";
import { runSpec } from "../../../lib/run/spec.ts";

const P = 31;
/** Sums of some thousand products in doubles. */
const EXACT = 1e-10;
/** Noise of 31³ values in 30 · 30 directions: its parts scatter by about three hundredths around what is expected; six times that. */
const SCATTER = 0.2;

const angle = (n: number, p = P) => 2 * Math.PI * n / p;
const addition = linearTask(runSpec({ data: { prime: P, trainFraction: 0.4 }, seed: 2 }));

/** Logits [p², p]. */
const logits = (task: Task, z: (s: number, c: number, pair: number) => number) =>
  Float64Array.from({ length: task.p ** 3 }, (_, at) => {
    const pair = Math.floor(at / task.p);
    return z(task.answers[pair], at % task.p, pair);
  });
/** Σ_k A_k cos(w_k(s − c)). */
const waves = (amplitudes: Readonly<Record<number, number>>, p = P) => (s: number, c: number) =>
  Object.entries(amplitudes).reduce((sum, [k, A]) => sum + A * Math.cos(angle(Number(k) * (s - c), p)), 0);

Deno.test("a task has the answer of every pair, and the run's split", () => {
  for (const operation of ["x_plus_y", "x_minus_y"] as const) {
    const spec = runSpec({ data: { operation, prime: 7, trainFraction: 0.5 }, seed: 4 });
    const { p, answers, trains } = linearTask(spec);
    assertEquals([p, trains.reduce((sum, is) => sum + is, 0)], [7, 24]);
    answers.forEach((s, pair) => assertEquals(s, OPERATIONS[operation].answer(Math.floor(pair / 7), pair % 7, { p: 7 } as never)));
  }
  for (
    const [data, says] of [
      [{ operation: "permutation" }, "the run's operation must be x_plus_y or x_minus_y, current value is permutation"],
      [{ operation: "x_div_y" }, "current value is x_div_y"],
    ] as const
  ) assertThrows(() => linearTask(runSpec({ data })), Error, says);
});

Deno.test("waves alone: they are the key frequencies, explain everything, kept they are the network, and without them is nothing", () => {
  const z = logits(addition, waves({ 3: 9, 8: 5, 14: 7 })), found = answerWaves(z, addition), keys = keyFrequencies(found);
  assertEquals(keys, [3, 14, 8]);
  for (const [k, A] of [[3, 9], [8, 5], [14, 7], [5, 0]]) {
    assertAlmostEquals(found.alpha[k - 1], A, EXACT);
    assertAlmostEquals(found.shares[k - 1], A ** 2 / (81 + 25 + 49), EXACT);
    assertAlmostEquals(found.explained[k - 1], A ** 2 / (81 + 25 + 49), EXACT);
  }
  const whole = scores(z, addition), { restricted, excluded } = ablations(z, addition, found, keys);
  assertEquals([whole.acc, whole.trainAcc, whole.valAcc], [1, 1, 1]);
  // By hand: the same for every answer.
  const sum = Array.from({ length: P }, (_, d) => Math.exp(waves({ 3: 9, 8: 5, 14: 7 })(0, d) - 21)).reduce((sum, x) => sum + x, 0);
  assertAlmostEquals(whole.loss, Math.log(sum), EXACT);
  for (const key of ["loss", "trainLoss", "valLoss", "acc", "trainAcc", "valAcc"] as const) {
    assertAlmostEquals(restricted[key], whole[key], EXACT);
    if (key.endsWith("oss")) assertAlmostEquals(excluded[key], Math.log(P), EXACT);
  }
  // One of three kept, or removed: the others go, or stay.
  const one = ablations(z, addition, found, [3]);
  const alone = (amplitudes: Record<number, number>) => scores(logits(addition, waves(amplitudes)), addition);
  assertAlmostEquals(one.restricted.loss, alone({ 3: 9 }).loss, EXACT);
  assertAlmostEquals(one.excluded.trainLoss, alone({ 8: 5, 14: 7 }).trainLoss, EXACT);
});

Deno.test("an even modulus: the highest frequency, a cosine alone, counts by its power", () => {
  const p = 12, task = linearTask(runSpec({ data: { prime: p, trainFraction: 0.4 }, seed: 2 }));
  assertEquals(Array.from({ length: p }, (_, s) => task.answers.filter((answer) => answer === s).length), Array(p).fill(p));
  const z = logits(task, waves({ 6: 3, 5: 4 }, p)), found = answerWaves(z, task), all = 9 + 16 / 2;
  assertEquals(keyFrequencies(found), [6, 5]);
  for (const [k, A, power] of [[6, 3, 9], [5, 4, 8], [1, 0, 0]]) {
    assertAlmostEquals(found.alpha[k - 1], A, EXACT);
    assertAlmostEquals(found.shares[k - 1], power / all, EXACT);
    assertAlmostEquals(found.explained[k - 1], power / all, EXACT);
  }
  const { restricted, excluded } = ablations(z, task, found, [6, 5]), whole = scores(z, task);
  assertAlmostEquals(restricted.loss, whole.loss, EXACT);
  assertAlmostEquals(excluded.trainLoss, Math.log(p), EXACT);
  const alone = scores(logits(task, waves({ 6: 3 }, p)), task);
  assertAlmostEquals(ablations(z, task, found, [6]).restricted.loss, alone.loss, EXACT);
});

Deno.test("noise of known variance: the key frequencies are found in it, and explain what they should", () => {
  const random = new Random(7, "init"), sigma = 3, amplitudes = { 2: 4, 11: 3 };
  const z = logits(addition, (s, c) => waves(amplitudes)(s, c) + sigma * random.normal());
  const found = answerWaves(z, addition), signal = (16 + 9) / 2, all = signal + sigma ** 2 * (1 - 1 / P);
  assertEquals(keyFrequencies(found), [2, 11]);
  const explained = found.explained[1] + found.explained[10];
  // 31³ values of noise: their variance scatters by a hundredth.
  assertAlmostEquals(explained, signal / all, 0.02);
  // A frequency has 2 of p² − 1 directions over the pairs.
  const rest = found.shares.filter((_, i) => i !== 1 && i !== 10).reduce((sum, share) => sum + share, 0) / 13;
  assertAlmostEquals(rest / (2 / (P * P - 1) * (1 - signal / all)), 1, SCATTER);
  // What averages over the pairs of an answer kills the noise.
  const { restricted } = ablations(z, addition, found, keyFrequencies(found));
  assert(restricted.loss < scores(z, addition).loss && restricted.acc === 1);
});

Deno.test("a network that memorises: its training pairs stand out without the key frequencies, of which there are many", () => {
  const random = new Random(1, "init");
  const z = logits(addition, (s, c, pair) => (addition.trains[pair] && s === c ? 12 : 0) + random.normal());
  const found = answerWaves(z, addition), whole = scores(z, addition);
  assert(keyFrequencies(found).length > 10, "a flat spectrum has few key frequencies");
  const { excluded } = ablations(z, addition, found, [3, 14, 8]);
  assert(whole.trainAcc === 1 && excluded.trainAcc > 0.99, `${whole.trainAcc} ${excluded.trainAcc}`);
  assert(whole.valAcc < 0.1, String(whole.valAcc));
  assertAlmostEquals(scores(new Float64Array(P ** 3), addition).valLoss, Math.log(P), EXACT);
});

Deno.test("a phase over the classes is seen as power, but not as an answer", () => {
  // sin(w(s − c)) points to the wrong answers as much as to the right ones.
  const found = answerWaves(logits(addition, (s, c) => Math.sin(angle(5 * (s - c)))), addition);
  assertAlmostEquals(found.shares[4], 1, EXACT);
  assertAlmostEquals(found.explained[4], 0, EXACT);
});

Deno.test("what the softmax can't see changes nothing", () => {
  const random = new Random(3, "init"), shift = Float64Array.from({ length: P * P }, () => 50 * random.normal());
  const z = logits(addition, waves({ 3: 2, 7: 1 })), shifted = logits(addition, (s, c, pair) => waves({ 3: 2, 7: 1 })(s, c) + shift[pair]);
  const [one, other] = [z, shifted].map((each) => answerWaves(each, addition));
  for (const field of ["shares", "alpha", "explained"] as const) {
    one[field].forEach((value, i) => assertAlmostEquals(other[field][i], value, EXACT));
  }
  // A class's own constant is a bias: kept in both, and no part of the variance.
  const biased = logits(addition, (s, c) => waves({ 3: 2, 7: 1 })(s, c) + c / 5);
  const found = answerWaves(biased, addition), { restricted } = ablations(biased, addition, found, [3, 7]);
  found.shares.forEach((share, i) => assertAlmostEquals(share, one.shares[i], EXACT));
  assertAlmostEquals(restricted.loss, scores(biased, addition).loss, EXACT);
});

Deno.test("any answer linear in a and b goes the same way", () => {
  const p = 13, answers = Uint16Array.from({ length: p * p }, (_, pair) => (3 * Math.floor(pair / p) + 5 * (pair % p)) % p);
  const task = { ...addition, p, answers, trains: addition.trains.subarray(0, p * p) };
  const z = logits(task, waves({ 4: 6, 1: 6 }, p)), found = answerWaves(z, task), keys = keyFrequencies(found).sort();
  assertEquals(keys, [1, 4]);
  // cos(w_k s) is a wave of frequency 3k in a and 5k in b.
  assertAlmostEquals(shareAt(pairSpectrum(z, p), 3, 5), 0.5, EXACT);
  const { restricted, excluded } = ablations(z, task, found, keys);
  assertAlmostEquals(restricted.loss, scores(z, task).loss, EXACT);
  assertAlmostEquals(excluded.trainLoss, Math.log(p), EXACT);
});

Deno.test("the projections are those of the paper's code: products of waves of a and b, of every class", () => {
  const spec = runSpec({ data: { prime: 7, trainFraction: 0.5 }, seed: 1 }), task = linearTask(spec), p = 7;
  const random = new Random(9, "init"), z = Float64Array.from({ length: p ** 3 }, () => 3 * random.normal()), keys = [1, 3];
  // In the product basis, normalised; then the directions (cos cos − sin sin) / √2 and (sin cos + cos sin) / √2.
  const wave = (f: (x: number) => number, k: number) => Float64Array.from({ length: p }, (_, a) => Math.sqrt(2 / p) * f(angle(k * a, p)));
  const outer = (x: Float64Array, y: Float64Array) => Float64Array.from({ length: p * p }, (_, at) => x[Math.floor(at / p)] * y[at % p]);
  const kept = new Float64Array(p ** 3);
  for (const k of keys) {
    const [c, s] = [wave(Math.cos, k), wave(Math.sin, k)], [cc, ss, sc, cs] = [outer(c, c), outer(s, s), outer(s, c), outer(c, s)];
    for (const direction of [cc.map((x, i) => (x - ss[i]) / Math.SQRT2), sc.map((x, i) => (x + cs[i]) / Math.SQRT2)]) {
      for (let n = 0; n < p; n++) {
        let along = 0;
        for (let pair = 0; pair < p * p; pair++) along += direction[pair] * z[pair * p + n];
        for (let pair = 0; pair < p * p; pair++) kept[pair * p + n] += along * direction[pair];
      }
    }
  }
  const mean = Float64Array.from({ length: p }, (_, n) => {
    let sum = 0;
    for (let pair = 0; pair < p * p; pair++) sum += z[pair * p + n];
    return sum / (p * p);
  });
  const loss = (x: ArrayLike<number>, of: (pair: number) => boolean) => {
    const pairs = Array.from({ length: p * p }, (_, pair) => pair).filter(of);
    return pairs.reduce((sum, pair) => {
      const row = Array.from({ length: p }, (_, n) => x[pair * p + n]);
      return sum + Math.log(row.reduce((sum, each) => sum + Math.exp(each), 0)) - row[task.answers[pair]];
    }, 0) / pairs.length;
  };
  const { restricted, excluded } = ablations(z, task, answerWaves(z, task), keys), trains = (pair: number) => task.trains[pair] === 1;
  const restrict = kept.map((x, at) => x + mean[at % p]), exclude = z.map((x, at) => x - kept[at]);
  assertAlmostEquals(restricted.loss, loss(restrict, () => true), EXACT);
  assertAlmostEquals(restricted.valLoss, loss(restrict, (pair) => !trains(pair)), EXACT);
  assertAlmostEquals(excluded.trainLoss, loss(exclude, trains), EXACT);
  assertAlmostEquals(scores(z, task).loss, loss(z, () => true), EXACT);
});

Deno.test("logits and their 2D spectrum agree on the waves of a + b, and of a − b", () => {
  for (const operation of ["x_plus_y", "x_minus_y"] as const) {
    const task = linearTask(runSpec({ data: { operation, prime: 7 } })), random = new Random(11, "init");
    const z = Float64Array.from({ length: 343 }, () => random.normal());
    const centred = z.map((x, at) => x - z.subarray(at - at % 7, at - at % 7 + 7).reduce((sum, each) => sum + each, 0) / 7);
    const spectrum = pairSpectrum(centred, 7), { shares } = answerWaves(z, task);
    for (const k of [1, 2, 3]) assertAlmostEquals(shares[k - 1], shareAt(spectrum, k, operation === "x_plus_y" ? k : -k), EXACT);
  }
});

Deno.test("nothing that varies has no key frequency, and its loss is that of guessing", () => {
  const z = new Float32Array(P ** 3).fill(0.1), found = answerWaves(z, addition);
  assertEquals([keyFrequencies(found), Math.max(...found.shares), Math.max(...found.explained)], [[], 0, 0]);
  assertAlmostEquals(scores(z, addition).loss, Math.log(P), EXACT);
});

Deno.test("a loss near nothing keeps its digits, a huge one doesn't overflow", () => {
  const small = scores(logits(addition, (s, c) => s === c ? 40 : 0), addition);
  assertAlmostEquals(small.loss, 30 * Math.exp(-40), 1e-9 * 30 * Math.exp(-40));
  const huge = scores(logits(addition, (s, c) => c === (s + 1) % P ? 5000 : 0), addition);
  assertEquals([huge.loss, huge.acc], [5000, 0]);
});

Deno.test("the Gini coefficient: 0 for equals, (n − 1) / n where one has all", () => {
  assertAlmostEquals(gini([3, 3, 3, 3]), 0, EXACT);
  assertAlmostEquals(gini([0, 5, 0, 0]), 0.75, EXACT);
  // 1, 2, 3: half of the mean difference (8 / 9) over the mean.
  assertAlmostEquals(gini([2, 1, 3]), 2 / 9, EXACT);
  assertEquals(gini([0, 0]), 0);
});
