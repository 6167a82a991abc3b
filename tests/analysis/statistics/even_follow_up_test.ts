/** Runs that all had their event but were to be watched for different times: multiplying times by a factor leaves none of them out. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { complete, horizonOf, type Observation, stretched, watchedAlike } from "../../../lib/analysis/statistics/sample.ts";
import { uShape } from "../../../lib/analysis/statistics/u_shape.ts";

const base = [1000, 1050, 1100, 1150, 1200], late = base.map((time) => 1.3 * time + 7);
const timed = (times: readonly number[], untils: readonly number[]): Observation[] =>
  times.map((time, i) => ({ time, event: true, until: untils[i] }));

Deno.test("later at the end: the lower bound doesn't depend on how long runs with their event were to be watched", () => {
  // Of all 252 ways to deal ten runs (python, itertools): dividing the end by less than 1.1930, the one-sided p is at most 0.0476; by more,
  // 0.0754.
  const EXACT = 1.193, HUNDREDTH = 0.01;
  for (const untils of [Array(5).fill(20_000), [1568, ...Array(4).fill(20_000)], [...Array(4).fill(20_000), 1568], Array(5).fill(1568)]) {
    const { largest } = uShape([{ x: 1, times: timed(base, Array(5).fill(20_000)) }, { x: 2, times: timed(late, untils) }]);
    assertAlmostEquals(largest!.atLeast!, EXACT, HUNDREDTH);
    assert(largest!.p < 0.005, `${largest!.p}`);
  }
});

Deno.test("later at the end of times of 0: no factor is large enough, and means of 0 are alike", () => {
  const { largest } = uShape([{ x: 1, times: complete([0, 0, 0, 0, 0]) }, { x: 2, times: complete(late) }]);
  assertEquals([largest!.ratio, largest!.atLeast], [Infinity, Infinity]);
  const same = uShape([{ x: 1, times: complete([0, 0]) }, { x: 2, times: complete([0, 0]) }]).largest!;
  assertEquals([same.ratio, same.difference, same.p, same.atLeast], [1, 0, 1, null]);
});

Deno.test("samples watched alike have one `until`, or none, so that no factor leaves a run out", () => {
  const [a, b] = watchedAlike([timed(late, [1568, 2000, 3000, 20_000, 20_000]), timed(base, Array(5).fill(20_000))]);
  assertEquals(new Set([...a, ...b].map(({ until }) => until)), new Set([1568]));
  for (const by of [0.3, 0.9, 1.1, 3]) assertEquals(watchedAlike([a.map(stretched(by)), b]).map(({ length }) => length), [5, 5]);
  // Where one says nothing of how long it was watched, the others' say nothing either.
  const [some] = watchedAlike([[...timed([100], [500]), { time: 200, event: false }]]);
  assertEquals([some, horizonOf([some])], [[{ time: 100, event: true }, { time: 200, event: false }], 200]);
});
