/** Change of attention over training, on courses whose answer is known. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  changeBetween,
  type Course,
  courseOf,
  halfwayStep,
  meanPattern,
  pathOf,
  progressBetween,
} from "../../../lib/analysis/attention/change.ts";
import { justAfter, lastMoments, meanLevel, sharesWithin } from "../../../lib/analysis/attention/windows.ts";
import { Random } from "../../../lib/run/random.ts";
import { close, EXACT } from "../../close.ts";
import { decades, stepAt } from "../../../lib/analysis/statistics/decades.ts";

/** A head that goes from `from` to `to`, share(decades) of the way, at steps evenly spaced in decades 1 … 4. */
const STEPS = Array.from({ length: 61 }, (_, i) => stepAt(1 + i / 20));
const START = [0.7, 0.2, 0.1], END = [0.1, 0.2, 0.7];
const course = (share: (x: number) => number) => ({
  steps: STEPS,
  patterns: STEPS.map((step) => START.map((x, key) => x + share(decades(step)) * (END[key] - x))),
  T: 3,
});
/** A smooth jump of width 0.1 decades. */
const jump = (middle: number) => (x: number) => 1 / (1 + Math.exp(-(x - middle) / 0.1));

Deno.test("change: three patterns without a common key lie one unit apart; speed is per decade", () => {
  const steps = [0, 9, 999], path = pathOf({ steps, patterns: [[1, 0, 0], [0, 1, 0], [0, 0, 1]], T: 3 });
  close(path.moved, [1, 1]);
  close(path.speed, [1, 0.5]); // one decade, and two
  close([path.length, path.directness], [2, 0.5]);
  close(path.travelled, [0, 0.5, 1]);
  close(path.toLast, [1, 1, 0]);
});

Deno.test("change: there and back is a path without directness; rest is no path", () => {
  const back = pathOf({ steps: [1, 2, 3], patterns: [[1, 0], [0, 1], [1, 0]], T: 2 });
  close([back.length, back.directness, ...back.travelled], [2, 0, 0, 0.5, 1]);
  const rest = pathOf({ steps: [1, 2, 3], patterns: [[1, 0], [1, 0], [1, 0]], T: 2 });
  close([rest.length, rest.directness, ...rest.travelled, ...rest.speed], [0, 0, 0, 0, 0, 0, 0]);
});

Deno.test("change: progress is the share of the way, outside 0 … 1 too, whatever goes on across it", () => {
  const shares = [0, 0.25, 0.5, 1, 1.1];
  const patterns = shares.map((share, i) => {
    const along = START.map((x, key) => x + share * (END[key] - x)), across = 0.03 * (i % 2); // (1, −2, 1) is orthogonal to (−1, 0, 1)
    return [along[0] + across, along[1] - 2 * across, along[2] + across];
  });
  close(progressBetween({ steps: [1, 2, 3, 4, 5], patterns, T: 3 }, START, END)!, shares);
  assertEquals(progressBetween({ steps: [1], patterns: [START], T: 3 }, START, START), null);
});

Deno.test("change: windows are half open, like phases; means are of the readings within, each for the time it stands for", () => {
  // 1, 1.5, 2 and 4 decades.
  const steps = [1, 1.5, 2, 4].map(stepAt), of = { steps, patterns: [[1, 0], [0.5, 0.5], [0, 1], [0, 1]], T: 2 };
  const shares = (from: number, to: number | null) => sharesWithin(steps, { from: stepAt(from), to: to === null ? null : stepAt(to) });
  // From 1 to 1.25 nearest to the first, from there to 1.75 to the second.
  const first = shares(1, 1.75);
  assertEquals(first.map(({ place }) => place), [0, 1]);
  close(first.map(({ weight }) => weight), [1 / 3, 2 / 3]);
  close(meanPattern(of, { from: steps[0], to: stepAt(1.75) }), [2 / 3, 1 / 3]);
  // To the last reading; a window may begin before its first one, but what lies nearer to one outside doesn't count for it.
  close(shares(1.6, null).map(({ weight }) => weight), [(3 - 1.75) / 2.25, 1 / 2.25]);
  close(shares(1.5, 1.9).map(({ weight }) => weight), [1]);
  close(meanPattern(of, { from: steps[2], to: null }), [0, 1]);
  // The last reading alone, where the window has no length.
  assertEquals(shares(4, null), [{ place: 3, weight: 1 }]);
  close([meanLevel(steps, [1, 2, 3, 9], { from: steps[1], to: steps[3] })], [(2 * 0.25 + 3 * 1.25 + 0 * 9) / 1.5]);
  // Readings crowded into one moment weigh no more than one there.
  const crowd = [1, 1.98, 1.99, 2, 2.01, 2.02, 3].map(stepAt), dip = [1, 0, 0, 0, 0, 0, 1];
  close([meanLevel(crowd, dip, { from: crowd[0], to: null })], [(0.49 + 0.49) / 2]);
  const { from, to } = justAfter(99, 1), last = lastMoments([5, 999], 1);
  close([from, to!, last.from], [99, 999, 99]);
  assertEquals(
    assertThrows(() => meanPattern(of, { from: 11, to: 20 }), Error).message,
    "Cannot average patterns: the number of readings from step 11 to 20 must be at least 1, current value is 0",
  );
});

Deno.test("change: the halfway step lies where the middle is crossed for good, between readings in decades", () => {
  close([halfwayStep([9, 99, 999], [0, 0, 1], 0, 1)!], [stepAt(2.5)]);
  close([halfwayStep([9, 99, 999], [0.9, 0.9, 0.1], 0.9, 0.1)!], [stepAt(2.5)]); // downwards
  const spike = [0, 0.9, 0, 0.2, 0.8, 0.9, 1], steps = [1, 2, 3, 4, 5, 6, 7].map((x) => stepAt(x));
  close([halfwayStep(steps, spike, 0, 1)!], [stepAt(4.5)]); // 0.2 to 0.8
  close([halfwayStep(steps, spike, 0, 1, { times: 1 })!], [stepAt(1 + 5 / 9)]);
  close([halfwayStep(steps, spike, 0, 1, { since: stepAt(5) })!], [stepAt(5)]); // it was there already
  assertEquals([halfwayStep(steps, spike, 0, 3), halfwayStep(steps, spike, 1, 1), halfwayStep(steps, spike, 0, 1, { since: 1e9 })], [
    null,
    null,
    null,
  ]);
  close([halfwayStep(steps.slice(0, 5), spike.slice(0, 5), 0, 1)!], [stepAt(4.5)]); // no second reading to ask
});

Deno.test("change: half of a smooth jump is dated to its middle, in noise too, and rest isn't dated", () => {
  const before = justAfter(STEPS[20], 0.2), after = lastMoments(STEPS, 0.2);
  for (const middle of [2.6, 3.1, 3.4]) {
    const { halfway, progress, size, noise } = changeBetween(course(jump(middle)), before, after);
    assertAlmostEquals(decades(halfway!), middle, 0.01); // the levels are means over windows that the jump's tails reach
    assertEquals(progress!.length, STEPS.length);
    assert(size > 0.4 && noise! < 0.01);
  }
  const random = new Random(5, "init");
  const noisy = (size: number, sigma: number): Course => {
    const { steps, patterns, T } = course((x) => size * jump(3)(x));
    const shaken = patterns.map(([a, op, b]) => {
      const by = sigma * random.normal();
      return [a - by, op, b + by];
    });
    return { steps, patterns: shaken, T };
  };
  assertAlmostEquals(decades(changeBetween(noisy(1, 0.02), before, after).halfway!), 3, 0.1);
  const still = changeBetween(noisy(0, 0.02), before, after);
  assertEquals(still.halfway, null);
  assert(still.noise! > 0.25);
  assertEquals(changeBetween(course(() => 0.5), before, after).halfway, null);
});

Deno.test("change: a run's course for one head, and for all", () => {
  const sizes = { L: 1, H: 2, T: 2 };
  const readings = [{ step: 0, mean: Float32Array.of(1, 0, 0.5, 0.5, 1, 0, 0, 1) }, {
    step: 10,
    mean: Float32Array.of(1, 0, 1, 0, 1, 0, 0, 1),
  }];
  const head = courseOf(readings, sizes, { head: 0, queries: [1] });
  assertEquals([head.steps, ...head.patterns.map((pattern) => Array.from(pattern))], [[0, 10], [0.5, 0.5], [1, 0]]);
  // Of four rows, one moved: the mean divergence is a quarter of its own.
  assertAlmostEquals(pathOf(courseOf(readings, sizes)).length, pathOf(head).length / 2, EXACT);
});

Deno.test("change: what is no course says so", () => {
  const message = (f: () => unknown, text: string) => assertEquals(assertThrows(f, Error).message, text);
  message(
    () => pathOf({ steps: [1], patterns: [[1]], T: 1 }),
    "Cannot measure change: the number of readings must be at least 2, current value is 1",
  );
  message(
    () => pathOf({ steps: [2, 2], patterns: [[1], [1]], T: 1 }),
    "Cannot measure change: a step must be above the one before, and not negative, current value is 2",
  );
  message(
    () => halfwayStep([1], [1, 2], 0, 1),
    "Cannot find the halfway step: the number of values must be 1 as of steps, current value is 2",
  );
  message(() => halfwayStep([1], [1], NaN, 1), "Cannot find the halfway step: a level must be finite, current value is NaN");
});
