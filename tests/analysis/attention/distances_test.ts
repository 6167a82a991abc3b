/** Distances between distributions: against SciPy, closed forms, and the properties of a metric. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  entropy,
  jensenShannon,
  jensenShannonDistance,
  patternDistance,
  patternDivergence,
  wasserstein,
} from "../../../lib/analysis/attention/distances.ts";
import { Random } from "../../../lib/run/random.ts";

/** A few additions and logarithms in doubles. */
const EXACT = 1e-12;

const close = (actual: readonly number[], expected: readonly number[], tolerance = EXACT) => {
  assertEquals(actual.length, expected.length);
  actual.forEach((x, i) => assertAlmostEquals(x, expected[i], tolerance, `at ${i}: ${x} for ${expected[i]}`));
};
const random = new Random(1, "init");
const distribution = (n: number) => {
  const weights = Array.from({ length: n }, () => -Math.log(random.uniform())), sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((x) => x / sum);
};

Deno.test("distances: entropy in bits", () => {
  close([entropy([0.25, 0.25, 0.25, 0.25]), entropy([1, 0, 0]), entropy([0.5, 0.25, 0.25])], [2, 0, 1.5]);
});

Deno.test("distances: Jensen–Shannon in bits, 0 for the same, 1 for what shares nothing, SciPy's numbers in between", () => {
  assertEquals([jensenShannon([0.3, 0.7], [0.3, 0.7]), jensenShannon([1, 0, 0], [0, 0.5, 0.5])], [0, 1]);
  // scipy.spatial.distance.jensenshannon(p, q, base=2), SciPy 1.17.1.
  const pairs = [[[1, 0], [0.5, 0.5]], [[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]], [[0.25, 0.25, 0.25, 0.25], [0.7, 0.1, 0.1, 0.1]]];
  close(pairs.map(([p, q]) => jensenShannonDistance(p, q)), [0.5579230452841438, 0.3918681606471552, 0.3897580880468003]);
  // Lin's definition: the entropy of the mean less the mean entropy.
  const p = distribution(6), q = distribution(6);
  close([jensenShannon(p, q)], [entropy(p.map((x, i) => (x + q[i]) / 2)) - (entropy(p) + entropy(q)) / 2]);
  close([jensenShannon(p, q)], [jensenShannon(q, p)]);
});

Deno.test("distances: Jensen–Shannon keeps its digits where two distributions nearly agree", () => {
  // d² / 2 of a relative difference d, halved by the two halves: (1 ± ε)/2 against ½ differ by ε²/8 nats + O(ε⁴).
  for (const e of [1e-3, 1e-6, 1e-9]) {
    const bits = jensenShannon([(1 + e) / 2, (1 - e) / 2], [0.5, 0.5]);
    assertAlmostEquals(bits / (e * e / 8 / Math.LN2), 1, 1e-5); // e itself is only known to 10⁻¹⁶ / 10⁻⁹
  }
});

Deno.test("distances: the square root is a metric, for distributions and for patterns", () => {
  for (let i = 0; i < 200; i++) {
    const [p, q, r] = [0, 1, 2].map(() => distribution(4));
    assert(jensenShannonDistance(p, r) <= jensenShannonDistance(p, q) + jensenShannonDistance(q, r) + EXACT);
    const [P, Q, R] = [0, 1, 2].map(() => [...distribution(3), ...distribution(3), ...distribution(3)]);
    assert(patternDistance(P, R, 3) <= patternDistance(P, Q, 3) + patternDistance(Q, R, 3) + EXACT);
  }
});

Deno.test("distances: a pattern's is the mean over its queries", () => {
  const same = [0.2, 0.8], one = [1, 0], other = [0, 1];
  close([patternDivergence([...same, ...one], [...same, ...other], 2), patternDistance([...same, ...one], [...same, ...other], 2)], [
    0.5,
    Math.SQRT1_2,
  ]);
  close([patternDivergence(Float32Array.of(0.1, 0.2, 0.7), Float32Array.of(0.1, 0.2, 0.7), 3)], [0]);
});

Deno.test("distances: Wasserstein as SciPy has it, and as the shift where a sample is moved", () => {
  // The examples of scipy.stats.wasserstein_distance's own page, with its answers.
  close(
    [
      wasserstein([0, 1, 3], [5, 6, 8]),
      wasserstein([0, 1], [0, 1], [3, 1], [2, 2]),
      wasserstein([3.4, 3.9, 7.5, 7.8], [4.5, 1.4], [1.4, 0.9, 3.1, 7.2], [3.2, 3.5]),
    ],
    [5, 0.25, 4.078133143804786],
  );
  const sample = distribution(20);
  close([wasserstein(sample, sample.map((x) => x - 3)), wasserstein(sample, sample.toReversed())], [3, 0]);
  // Samples of one size: the mean difference of the sorted values.
  close([wasserstein([9, 1, 4], [2, 6, 3])], [(1 + 1 + 3) / 3]);
});

Deno.test("distances: what is no distribution says so", () => {
  const message = (f: () => unknown, text: string) => assertEquals(assertThrows(f, Error).message, text);
  message(() => entropy([0.5, 0.4]), "Cannot compute an entropy: the sum of a distribution must be 1, current value is 0.9");
  message(
    () => jensenShannon([1.5, -0.5], [1, 0]),
    "Cannot compare distributions: a weight must be a number from 0, current value is -0.5",
  );
  message(() => jensenShannon([NaN, 1], [1, 0]), "Cannot compare distributions: a weight must be a number from 0, current value is NaN");
  message(
    () => jensenShannon([1], [1, 0]),
    "Cannot compare distributions: the second's length must be 1 as the first's, current value is 2",
  );
  message(
    () => patternDivergence([1, 0, 1], [1, 0, 1], 2),
    "Cannot read a pattern: its length must be a multiple of T = 2, current value is 3",
  );
  message(() => wasserstein([], [1]), "Cannot compute a Wasserstein distance: a sample must hold at least one value, current value is 0");
  message(
    () => wasserstein([1], [1], [0]),
    "Cannot compute a Wasserstein distance: the sum of weights must be positive and finite, current value is 0",
  );
});
