/** Specialisation of heads, and phases held against each other, on attention made for it. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import type { Course } from "../../../lib/analysis/attention/change.ts";
import { jensenShannon, patternDistance } from "../../../lib/analysis/attention/distances.ts";
import { phaseSeparation } from "../../../lib/analysis/attention/phase_contrast.ts";
import { specialisation } from "../../../lib/analysis/attention/specialisation.ts";
import { signFlipTest } from "../../../lib/analysis/statistics/paired.ts";
import { Random } from "../../../lib/run/random.ts";
import { stepAt } from "../../../lib/analysis/statistics/decades.ts";

/** Weights are f32 in the log, and so are these. */
const SINGLE = 1e-6;
const close = (actual: readonly (number | null)[], expected: readonly number[], tolerance = SINGLE) => {
  assertEquals(actual.length, expected.length);
  expected.forEach((x, i) => assertAlmostEquals(actual[i]!, x, tolerance, `at ${i}: ${actual[i]} for ${x}`));
};

/** The statistics of one layer over examples, as the log has them: heads[example][head] are the patterns, query by query. */
function statistics(examples: readonly (readonly number[][])[]) {
  const T = Math.sqrt(examples[0][0].length), N = examples.length, flat = examples.map((heads) => heads.flat());
  const mean = flat[0].map((_, at) => flat.reduce((sum, weights) => sum + weights[at] / N, 0));
  const variance = mean.map((m, at) => flat.reduce((sum, weights) => sum + (weights[at] - m) ** 2 / N, 0));
  const entropy = Array.from(
    { length: mean.length / T },
    (_, row) =>
      flat.reduce(
        (sum, weights) => sum - weights.slice(row * T, (row + 1) * T).reduce((h, p) => h + (p > 0 ? p * Math.log(p) : 0), 0) / N,
        0,
      ),
  );
  const single = (values: number[]) => Float32Array.from(values);
  return { of: { mean: single(mean), variance: single(variance), entropy: single(entropy) }, sizes: { L: 1, H: examples[0].length, T } };
}
const measure = (examples: readonly (readonly number[][])[], queries = [2]) => {
  const { of, sizes } = statistics(examples);
  return specialisation(of, sizes, { mask: "none", queries })[0];
};
/** A pattern of three queries that all attend so. */
const head = (...weights: number[]) => [...weights, ...weights, ...weights];
const A = head(1, 0, 0), B = head(0, 1, 0), SELF = head(0, 0, 1), EVEN = head(1 / 3, 1 / 3, 1 / 3);

Deno.test("specialisation: heads that share no key have index 1, heads that do the same 0, whatever that is", () => {
  const apart = measure([[A, B, SELF]]);
  close([apart.specialisation, apart.entropySpread, apart.position, apart.positionShare], [1, 0, 1, 1]);
  close(apart.heads.map(({ distinctness }) => distinctness), [1, 1, 1]);
  assertEquals([A, EVEN].map((same) => measure([[same, same, same]]).specialisation), [0, 0]);
  assertEquals([measure([[A]]).specialisation, measure([[A]]).entropySpread, measure([[A]]).heads[0].distinctness], [null, null, null]);
});

Deno.test("specialisation: means over pairs; the head that differs is the distinct one", () => {
  const { specialisation: index, entropySpread, heads } = measure([[A, A, EVEN]]), d = jensenShannon([1, 0, 0], [1 / 3, 1 / 3, 1 / 3]);
  close([index, entropySpread], [2 * d / 3, 2 / 3]); // entropies 0, 0 and 1
  close(heads.map(({ distinctness }) => distinctness), [d / 2, d / 2, d]);
  close(heads.map(({ entropy }) => entropy), [0, 0, 1]);
  assertEquals(heads.map(({ head, layer }) => [layer, head]), [[0, 0], [0, 1], [0, 2]]);
  // Order doesn't matter.
  close([measure([[EVEN, A, A]]).specialisation], [index!]);
});

Deno.test("specialisation: a head of positions, a head of contents, and one of both", () => {
  const positional = measure([[A], [A]]).heads[0];
  close([positional.position, positional.positionShare, positional.content, positional.entropy], [1, 1, 0, 0]);
  // On each of three examples another key, with full weight: even on average, and all that varies is the example's doing.
  const content = measure([[A], [B], [SELF]]).heads[0];
  close([content.position, content.positionShare, content.content, content.entropy], [0, 0, 1, 0]);
  const even = measure([[EVEN], [EVEN]]).heads[0];
  close([even.position, even.content, even.entropy], [0, 0, 1]);
  assertEquals(even.positionShare, null); // thirds in f32 are no thirds, and that is no variation
  // Two examples, to a and to b: mean (½, ½, 0). m = 2 (1/6)² + (1/3)² = 1/6, v = 2 · ¼; information one bit of log₂ 3.
  const both = measure([[A], [B]]).heads[0], most = Math.log2(3);
  close([both.position, both.positionShare, both.content], [1 - 1 / most, (1 / 6) / (1 / 6 + 1 / 2), 1 / most]);
});

Deno.test("specialisation: a causal query is judged by what it sees, and the first not at all", () => {
  const causal = [1, 0, 0, 0.5, 0.5, 0, 1 / 3, 1 / 3, 1 / 3], { of, sizes } = statistics([[causal, [1, 0, 0, 1, 0, 0, 1, 0, 0]]]);
  const [layer] = specialisation(of, sizes, { mask: "causal" });
  close(layer.heads.map(({ position }) => position), [0, 1]);
  assertEquals(layer.heads[0].positionShare, null); // even over what is seen
  close(layer.heads.map(({ entropy }) => entropy), [1, 0]);
  close([layer.specialisation], [(jensenShannon([0.5, 0.5, 0], [1, 0, 0]) + jensenShannon([1 / 3, 1 / 3, 1 / 3], [1, 0, 0])) / 2]);
  const message = (f: () => unknown) => assertThrows(f, Error).message;
  assertEquals(
    message(() => specialisation(of, sizes, { mask: "causal", queries: [0, 1] })),
    "Cannot measure specialisation: the queries must be some of 1, 2, which have a choice, current value is 0",
  );
  assertEquals(
    message(() => specialisation({ ...of, entropy: [] }, sizes, { mask: "none" })),
    "Cannot measure specialisation: the number of entropies must be 1·2·3, current value is 0",
  );
});

Deno.test("specialisation: layers are kept apart", () => {
  const one = statistics([[A, B]]).of, two = statistics([[EVEN, EVEN]]).of;
  const both = (key: "mean" | "variance" | "entropy") => Float32Array.of(...one[key], ...two[key]);
  const layers = specialisation({ mean: both("mean"), variance: both("variance"), entropy: both("entropy") }, { L: 2, H: 2, T: 3 }, {
    mask: "none",
  });
  assertEquals(layers.map(({ layer }) => layer), [0, 1]);
  close(layers.map(({ specialisation }) => specialisation), [1, 0]);
  close(layers.map(({ position }) => position), [1, 0]);
  assertEquals(layers[1].heads.map(({ layer, head }) => [layer, head]), [[1, 0], [1, 1]]);
});

/** Readings evenly spaced over decades, 0 to 2, whose first weight is `of` of where they lie, moved a little at random. */
const random = new Random(3, "init");
function drawn(of: (decades: number) => number, noise = 0): Course {
  const steps = Array.from({ length: 41 }, (_, i) => stepAt(i / 20));
  return { steps, patterns: steps.map((_, i) => of(i / 20) + noise * random.normal()).map((a) => [a, 1 - a]), T: 2 };
}
/** Two phases of different length, the border at 1.2 of 2 decades. */
const FIRST = { from: 0, to: stepAt(1.2) }, SECOND = { from: stepAt(1.2), to: null };
const jump = (by: number) => (at: number) => (at < 1.2 - 1e-9 ? 0.3 : 0.3 + by);

Deno.test("phases: a jump at the border lies between them, a drift within as much as between", () => {
  const jumped = phaseSeparation(drawn(jump(0.4)), FIRST, SECOND)!;
  assertAlmostEquals(jumped.between, patternDistance([0.3, 0.7], [0.7, 0.3], 2), 1e-9);
  assertAlmostEquals(jumped.within, 0, 1e-9);
  // The distance isn't quite linear in the weight.
  const drift = phaseSeparation(drawn((at) => 0.3 + 0.2 * at), FIRST, SECOND)!;
  assert(drift.between > 0.02);
  assertAlmostEquals(drift.between / drift.within, 1, 0.05);
  // A phase too short to hold two stretches with readings.
  assertEquals(phaseSeparation(drawn(jump(0.4)), { from: stepAt(1.17), to: stepAt(1.2) }, SECOND), null);
});

Deno.test("phases: the reading at the first step of the shorter phase counts, whatever rounding makes of that step", () => {
  assert(stepAt(Math.log10(1 + 380)) > 380, "else another step is needed here");
  const steps = [380, 700, 1000, 2000, 3000], patterns = [0.1, 0.3, 0.6, 0.6, 0.6].map((weight) => [weight, 1 - weight]);
  const course: Course = { steps, patterns, T: 2 };
  const { between, within } = phaseSeparation(course, { from: 380, to: 900 }, { from: 900, to: null })!;
  assertAlmostEquals(between, patternDistance(patterns[1], patterns[2], 2), 1e-9);
  assertAlmostEquals(within, patternDistance(patterns[0], patterns[1], 2) / 2, 1e-9);
});

Deno.test("phases: a jump in every run is told from none and from drift", () => {
  /** How often eight runs are taken for different, of forty times. */
  const taken = (of: (at: number) => number) =>
    Array.from({ length: 40 }, () => {
      const runs = Array.from({ length: 8 }, () => phaseSeparation(drawn(of, 0.02), FIRST, SECOND)!);
      return signFlipTest(runs.map(({ between, within }) => between - within)).p;
    }).filter((p) => p < 0.05).length;
  assertEquals(taken(jump(0.2)), 40);
  // One in twenty, and three standard errors.
  assert(taken(jump(0)) <= 2 + 4);
  assert(taken((at) => 0.3 + 0.2 * at) <= 2 + 4);
});
