/** Lags between two changes: cross-correlation against NumPy and known shifts, verdicts on runs made for each of them. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { changeBetween, courseOf, halfwayStep } from "../../../lib/analysis/attention/change.ts";
import { justAfter, lastMoments, meanLevel } from "../../../lib/analysis/attention/windows.ts";
import { crossCorrelation, type Signal, type SignalPair, speedLag, speedsOf } from "../../../lib/analysis/statistics/cross_correlation.ts";
import { lagOf, lagOverRuns, type Moments } from "../../../lib/analysis/attention/lag.ts";
import { pseudomedian, signFlipTest } from "../../../lib/analysis/statistics/paired.ts";
import { Random } from "../../../lib/run/random.ts";
import { close, EXACT } from "../../close.ts";
import { decades, stepAt } from "../../../lib/analysis/statistics/decades.ts";

/** A signal that rises from 0 to 1 around so many decades, read at irregular steps from 10 to 10 000. */
const STEPS = Array.from({ length: 80 }, (_, i) => stepAt(1 + 3 * (i + 0.3 * Math.sin(i)) / 79));
const rise = (middle: number, width = 0.08): Signal => ({
  steps: STEPS,
  values: STEPS.map((step) => 1 / (1 + Math.exp(-(decades(step) - middle) / width))),
});
const WINDOW = { from: STEPS[2], to: STEPS[STEPS.length - 3] };

Deno.test("cross-correlation: NumPy's numbers; a peak at k > 0 says that the first comes later", () => {
  // np.correlate(a, b, "full")[n - 4 : n + 3] / sqrt((a @ a) * (b @ b)), both centred; NumPy 2.4.6.
  const x = [1, 3, 2, 5, 4, 6, 2, 1], y = [2, 1, 1, 3, 2, 5, 4, 6];
  const expected = [0.125, 0.7916666666666666, 0.16666666666666666, 0.08333333333333333, -0.375, -1 / 3, -1 / 3];
  close(crossCorrelation(x, y, 3)!, expected);
  close(crossCorrelation(y, x, 3)!, expected.toReversed());
  const pulse = (at: number) => Array.from({ length: 30 }, (_, t) => t === at ? 1 : 0), k = crossCorrelation(pulse(17), pulse(12), 10)!;
  assertEquals(k.indexOf(Math.max(...k)) - 10, 5);
  assertAlmostEquals(crossCorrelation(x, x, 0)![0], 1, EXACT);
  assertEquals([crossCorrelation([0.1, 0.1, 0.1], [1, 2, 3], 1), crossCorrelation([1, 2], [0, 0], 1)], [null, null]);
});

Deno.test("cross-correlation: speeds are resampled so that no change is lost", () => {
  const speeds = speedsOf({ steps: [9, 99, 999], values: [0, 1, 5] }, 9, 999, 0.25);
  close(speeds, [1, 1, 1, 1, 4, 4, 4, 4]);
  // Cells that lie across readings share them; beyond the readings nothing moves.
  close(speedsOf({ steps: [9, 99, 999], values: [0, 1, 5] }, stepAt(1.5), stepAt(4.5), 1), [0.5 + 2, 2, 0]);
  const { steps, values } = rise(2.5), all = speedsOf({ steps, values }, steps[0], steps[79], 0.01);
  assertAlmostEquals(all.reduce((sum, x) => sum + 0.01 * x, 0), 1, 1e-3);
});

Deno.test("lag of speeds: the shift that was put in, one run and several, whatever the height of the change", () => {
  for (const shift of [-0.3, 0, 0.12]) {
    const pair = (middle: number): SignalPair => {
      const { steps, values } = rise(middle + shift, 0.1);
      return { first: { steps, values: Float64Array.from(values, (x) => 0.2 + 0.05 * x) }, second: rise(middle), ...WINDOW };
    };
    const { lag, correlation, n, still, runs, correlations, lags } = speedLag([2.2, 2.6, 3.0].map(pair))!;
    assertAlmostEquals(lag, shift, 0.0201, "one cell");
    assert(correlation > 0.85, `${correlation}`);
    assertEquals([n, still, correlations.length, lags[0], lags[100]], [3, 0, 101, -1, 1]);
    for (const run of runs) assertAlmostEquals(run!.lag, shift, 0.0201, "one cell");
  }
});

Deno.test("lag of speeds: its interval over runs holds the shift, and repeats; runs that stand still are left out", () => {
  const random = new Random(8, "init");
  const pairs = Array.from({ length: 8 }, (): SignalPair => {
    const middle = 2.4 + 0.4 * random.uniform();
    return { first: rise(middle - 0.2 + 0.05 * random.normal()), second: rise(middle), ...WINDOW };
  });
  const still: SignalPair = { first: { steps: STEPS, values: STEPS.map(() => 0.3) }, second: rise(2.5), ...WINDOW };
  const found = speedLag([...pairs, still], { seed: 1, resamples: 400 })!;
  assertEquals([found.n, found.still, found.runs[8]], [8, 1, null]);
  assert(
    found.low! <= found.lag && found.lag <= found.high! && found.low! > -0.35 && found.high! < -0.1,
    `${found.low} ${found.lag} ${found.high}`,
  );
  assertEquals(speedLag([...pairs, still], { seed: 1, resamples: 400 }), found);
  assertEquals(speedLag([still]), null);
  assertEquals(speedLag([pairs[0]], { resamples: 100 })!.low, null); // one run has no interval
});

const run = (memorisation: number | null, grokking: number | null, attention: number | null, accuracy: number | null): Moments => ({
  memorisation,
  grokking,
  attention,
  accuracy,
});

Deno.test("lag: in steps, in decades, and as a share of the wait", () => {
  const { steps, decades: ratio, relative } = lagOf(run(199, 1199, 499, 999))!;
  close([steps, ratio, relative!], [-500, Math.log10(0.5), -0.5]);
  assertEquals([lagOf(run(200, null, 500, 900)), lagOf(run(200, 1200, null, 900)), lagOf(run(200, 1200, 500, null))], [null, null, null]);
  assertEquals([lagOf(run(200, 200, 100, 120))!.relative, lagOf(run(null, 200, 100, 120))!.relative], [null, null]);
});

Deno.test("lag: before, with, after and undecided by the stated rule, with what can be said of each", () => {
  const lagged = (...relative: number[]) => relative.map((lag) => run(500, 1500, 1200 + 1000 * lag, 1200));
  const early = [-0.5, -0.4, -0.6, -0.3, -0.45, -0.55], { shift, low, high } = pseudomedian(early);
  const before = lagOverRuns(lagged(...early));
  assertEquals([before.verdict, before.n, before.runs, before.rankBiserial, before.p], ["before", 6, 6, -1, signFlipTest(early).p]);
  close([before.shift!, before.low!, before.high!], [shift, low!, high!]);
  assertEquals(before.least, 2 / 64);
  assertEquals(lagOverRuns(lagged(...early.map((x) => -x))).verdict, "after");
  // With: an interval within a tenth, though all lags lie on one side.
  assertEquals(lagOverRuns(lagged(-0.02, -0.05, -0.01, -0.08, -0.03, -0.06)).verdict, "with");
  assertEquals(lagOverRuns(lagged(-0.02, -0.05, -0.01, -0.08, -0.03, -0.06), { margin: 0 }).verdict, "before");
  // On one side of 0, but reaching into what counts as "with": that is all that the interval carries.
  const reaching = [-0.02, -0.05, -0.01, -0.18, -0.13, -0.06];
  assertEquals([lagOverRuns(lagged(...reaching)).verdict, lagOverRuns(lagged(...reaching.map((x) => -x))).verdict], [
    "not after",
    "not before",
  ]);
  // Runs whose shift lies beyond the margin and their interval not: +14 %, 4 to 23, isn't "after".
  const wide = [0.04, 0.05, 0.1, 0.12, 0.14, 0.16, 0.18, 0.22, 0.24, 0.16], found = lagOverRuns(lagged(...wide));
  assert(found.shift! > 0.1 && found.low! > 0 && found.low! < 0.1 && found.p! < 0.05);
  assertEquals(found.verdict, "not before");
  // Undecided: on both sides; and too few for an interval of 95 %, though not for 90 %.
  assertEquals(lagOverRuns(lagged(-0.5, 0.4, -0.6, 0.3, -0.45, 0.55)).verdict, "undecided");
  assertEquals([lagOverRuns(lagged(...early.slice(0, 5))).verdict, lagOverRuns(lagged(...early.slice(0, 5)), { level: 0.9 }).verdict], [
    "undecided",
    "before",
  ]);
});

Deno.test("lag: runs that never grokked and those without a date are counted, not averaged", () => {
  const moments = [run(500, 1500, 1000, 1200), run(500, null, 1000, null), run(null, null, null, null), run(500, 1500, null, 1200)];
  const { runs, never, undated, n, lags, verdict } = lagOverRuns(moments);
  assertEquals({ runs, never, undated, n, lags, verdict }, { runs: 4, never: 2, undated: 1, n: 1, lags: [-0.2], verdict: "undecided" });
  const none = lagOverRuns([run(500, null, null, null)]);
  assertEquals([none.n, none.shift, none.p, none.least, none.verdict], [0, null, null, null, "undecided"]);
  assertEquals(lagOverRuns(moments, { scale: "steps", margin: 10 }).lags, [-200]);
});

Deno.test("lag: from a log's readings to the verdict, for attention that turns at 0.6 of the step at which accuracy jumps", () => {
  const random = new Random(11, "init"), sizes = { L: 1, H: 2, T: 2 };
  const moments = Array.from({ length: 8 }, (_, seed): Moments => {
    const middle = 2.8 + 0.3 * random.uniform(), turn = middle + Math.log10(0.6) + 0.02 * random.normal();
    const accuracy = rise(middle).values, turned = rise(turn).values;
    // The last query of the second head turns from a to b; the rest stays, but for noise.
    const readings = STEPS.map((step, i) => {
      const to = 0.1 + 0.8 * turned[i] + 0.01 * random.normal(), rest = 0.5 + 0.01 * random.normal();
      return { step, mean: Float32Array.of(1, 0, rest, 1 - rest, 1, 0, 1 - to, to) };
    });
    // Never grokked: its accuracy stays where it was.
    if (seed === 7) return run(STEPS[20], null, null, null);
    const before = justAfter(STEPS[20]), after = lastMoments(STEPS);
    const { halfway } = changeBetween(courseOf(readings, sizes), before, after),
      jump = (i: number) => Array.from(accuracy).findIndex((x) => x > i);
    const [from, to] = [before, after].map((window) => meanLevel(STEPS, accuracy, window));
    return run(STEPS[20], STEPS[jump(0.99)], halfway, halfwayStep(STEPS, accuracy, from, to));
  });
  const { verdict, n, never, shift, low, high } = lagOverRuns(moments, { scale: "decades" });
  assertEquals([verdict, n, never], ["before", 7, 1]);
  assertAlmostEquals(shift!, Math.log10(0.6), 0.03); // σ 0.02 of seven runs, and the noise of the readings
  assert(low! < Math.log10(0.6) && Math.log10(0.6) < high!, `${low} ${high}`);
});

Deno.test("lag: what can't be judged says so", () => {
  const message = (f: () => unknown, text: string) => assertEquals(assertThrows(f, Error).message, text);
  message(
    () => lagOverRuns([], { scale: "steps" }),
    "Cannot judge a lag in steps: margin must be given, a number from 0, current value is undefined",
  );
  message(
    () => crossCorrelation([1, 2], [1], 1),
    "Cannot correlate: the second's length must be 2 as the first's, and not 0, current value is 1",
  );
  message(
    () => speedsOf({ steps: [1, 2], values: [1, 2] }, 5, 5, 0.1),
    "Cannot resample a speed: the number of cells from step 5 to 5 must be at least 2, current value is 0",
  );
  message(
    () => speedsOf({ steps: [2, 1], values: [1, 2] }, 5, 50, 0.1),
    "Cannot resample a speed: a step must be above the one before, and not negative, current value is 1",
  );
});
