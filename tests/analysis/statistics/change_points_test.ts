/** Change points: the Nile with R's numbers, exactness against all segmentations, and series made for it. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { changePoints, noiseOf } from "../../../lib/analysis/statistics/change_points.ts";
import { Random } from "../../../lib/run/random.ts";

/** Sums of squares of a hundred values, relative. */
const EXACT = 1e-9;
const repeat = (n: number, x: number) => Array<number>(n).fill(x);
const noise = (n: number, sigma: number, seed = 1) => {
  const random = new Random(seed, "init");
  return Array.from({ length: n }, () => sigma * random.normal());
};

/** The yearly flow of the Nile at Aswan, 1871–1970, in 10⁸ m³: R's `Nile`. */
// deno-fmt-ignore
const NILE = [
  1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140, 1100, 1210, 1150, 1250, 1260,
  1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969, 831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845,
  864, 862, 698, 845, 744, 796, 1040, 759, 781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890,
  744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
];

Deno.test("change points: the Nile falls after 1898, when the dam was begun, and nowhere else", () => {
  const { changes, levels, cost } = changePoints(NILE);
  assertEquals(changes, [28]); // 1899 begins the new level
  assertAlmostEquals(levels[0][0], NILE.slice(0, 28).reduce((a, b) => a + b) / 28, EXACT * 1000);
  assertAlmostEquals(cost, 1597457, 0.5); // strucchange's breakpoints(Nile ~ 1): RSS with one break
});

Deno.test("change points: with cheaper changes, the breaks that R's strucchange finds, segments of 15 years at least", () => {
  // breakpoints(Nile ~ 1): RSS 2835157 1597457 1552924 1538097 1507888 for 0 … 4 breaks, at 28; 28 83; 28 68 83; 28 45 68 83.
  const at = (penalty: number) => changePoints(NILE, { least: 15, penalty });
  assertEquals([at(1.3e6).changes, at(1e5).changes, at(4e4).changes, at(2e4).changes], [[], [28], [28, 83], [28, 45, 68, 83]]);
  [1.3e6, 1e5, 4e4, 2e4].forEach((penalty, i) => assertAlmostEquals(at(penalty).cost, [2835157, 1597457, 1552924, 1507888][i], 0.5));
});

Deno.test("change points: no segmentation is cheaper, all of them tried", () => {
  const values = [0, 0.4, 3, 2.6, 2.9, -1, 5, 5.2, 4.9], n = values.length, penalty = 1.1;
  const cost = (from: number, to: number) => {
    const part = values.slice(from, to), mean = part.reduce((a, b) => a + b) / part.length;
    return part.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  };
  for (const least of [1, 2, 3]) {
    const totals = Array.from({ length: 2 ** (n - 1) }, (_, cuts) => {
      const edges = [0, ...Array.from({ length: n - 1 }, (_, i) => i + 1).filter((i) => (cuts >> (i - 1)) % 2), n];
      const parts = edges.slice(1).map((to, i) => [edges[i], to]);
      const allowed = parts.every(([from, to]) => to - from >= least);
      return allowed ? parts.reduce((sum, [from, to]) => sum + cost(from, to) + penalty, -penalty) : Infinity;
    });
    const found = changePoints(values, { least, penalty });
    assertAlmostEquals(found.cost + penalty * found.changes.length, Math.min(...totals), EXACT);
  }
});

Deno.test("change points: clean steps are found where they are; level series and short ones have none", () => {
  const steps = [...repeat(10, 0.1), ...repeat(7, 0.9), ...repeat(5, 0.3)];
  const { changes, levels, cost } = changePoints(steps);
  assertEquals(changes, [10, 17]);
  levels.forEach((level, i) => assertAlmostEquals(level[0], [0.1, 0.9, 0.3][i], EXACT));
  assertAlmostEquals(cost, 0, EXACT);
  assertEquals([changePoints(repeat(20, 0.7)).changes, changePoints([1, 5]).changes, changePoints([3], { least: 1 }).changes], [
    [],
    [],
    [],
  ]);
  assertEquals(changePoints([1, 5], { least: 1 }).changes, []); // of two readings nobody can tell
});

Deno.test("change points: a jump of four deviations in noise is found in its place, and noise alone has none, rare cases aside", () => {
  let right = 0, quiet = 0;
  for (let seed = 0; seed < 40; seed++) {
    const plain = noise(80, 0.5, seed);
    if (changePoints(plain).changes.length === 0) quiet++;
    const { changes } = changePoints(plain.map((x, i) => x + (i >= 31 ? 2 : 0)));
    if (changes.length === 1 && Math.abs(changes[0] - 31) <= 1) right++;
  }
  assert(right > 36, `${right} of 40`);
  assert(quiet > 36, `${quiet} of 40`);
});

Deno.test("change points: series of several numbers change together", () => {
  // Each number's jump is two deviations, half of what is found above: together they tell.
  const n = 60, columns = [0, 1, 2, 3].map((d) => noise(n, 1, 20 + d).map((x, i) => x + (i >= 22 ? 2 * (d % 2 ? 1 : -1) : 0)));
  const values = Array.from({ length: n }, (_, i) => columns.map((column) => column[i])).flat();
  const { changes, levels } = changePoints(values, { width: 4 });
  assertEquals([changes, levels.length, levels[0].length], [[22], 2, 4]);
});

Deno.test("change points: noise is told from jumps and from drift", () => {
  const plain = noise(400, 0.3);
  // Its own error is about 7 % for 400 values.
  assertAlmostEquals(noiseOf(plain), 0.3, 0.06);
  assertAlmostEquals(noiseOf(plain.map((x, i) => x + 0.5 * i)), noiseOf(plain), EXACT);
  assertAlmostEquals(noiseOf(plain.map((x, i) => x + (i > 150 ? 100 : 0))), noiseOf(plain), 0.01);
});

Deno.test("change points: what can't be cut says so", () => {
  const message = (f: () => unknown, text: string) => assertEquals(assertThrows(f, Error).message, text);
  message(() => changePoints([]), "Cannot find change points: the number of values must be a multiple of 1, and not 0, current value is 0");
  message(
    () => changePoints([1, 2, 3], { width: 2 }),
    "Cannot find change points: the number of values must be a multiple of 2, and not 0, current value is 3",
  );
  message(() => changePoints([1, NaN]), "Cannot find change points: a value must be finite, current value is NaN");
  message(() => changePoints([1], { penalty: -1 }), "Cannot find change points: penalty must be a number from 0, current value is -1");
  message(() => noiseOf([1, 2]), "Cannot estimate noise: the number of values must be at least 3, current value is 2");
});
