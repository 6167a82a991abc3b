/** Survival curves and log-rank tests: against R's `survival` and survRM2, textbooks, and the definitions. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { logRank } from "../../../lib/analysis/statistics/logrank.ts";
import { complete, type Observation } from "../../../lib/analysis/statistics/sample.ts";
import { firstTime, kaplanMeier, timeQuantile } from "../../../lib/analysis/statistics/survival.ts";

/** "6 6+": an event at 6, and a time censored there. */
const observe = (times: string): Observation[] => times.split(" ").map((t) => ({ time: parseFloat(t), event: !t.endsWith("+") }));

/** Weeks in remission; Freireich et al. (1963), as in Gehan (1965) and most textbooks. */
const MERCAPTOPURINE = observe("6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+");
const PLACEBO = observe("1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23");

/** R's `aml`: weeks in remission with and without maintenance; Miller (1981). */
const MAINTAINED = observe("9 13 13+ 18 23 28+ 31 34 45+ 48 161+");
const NOT_MAINTAINED = observe("5 5 8 8 12 16+ 23 27 30 33 43 45");

const close = (actual: readonly (number | null)[], expected: readonly (number | null)[], tolerance: number) => {
  assertEquals(actual.length, expected.length);
  actual.forEach((x, i) => {
    if (x === null || expected[i] === null) assertEquals(x, expected[i], `at ${i}`);
    else assertAlmostEquals(x, expected[i], tolerance, `at ${i}: ${x} for ${expected[i]}`);
  });
};

/** R printed 12 digits. */
const TWELVE_DIGITS = 1e-11;
/** Half a unit of the last digit that was printed. */
const digits = (n: number) => 0.5 * 10 ** -n;
const EXACT = 1e-12;

Deno.test("survival: R's curve of all of aml, with Greenwood's errors and the log-log band", () => {
  // survival 3.8-3, R 4.5.1: survfit(Surv(time, status) ~ 1, aml, conf.type = "log-log"); std.err is that of ln S.
  const { n, events, points } = kaplanMeier([...MAINTAINED, ...NOT_MAINTAINED]);
  assertEquals([n, events], [23, 18]);
  assertEquals(points.map(({ time }) => time), [5, 8, 9, 12, 13, 16, 18, 23, 27, 28, 30, 31, 33, 34, 43, 45, 48, 161]);
  assertEquals(points.map(({ atRisk }) => atRisk), [23, 21, 19, 18, 17, 15, 14, 13, 11, 10, 9, 8, 7, 6, 5, 4, 2, 1]);
  assertEquals(points.map((point) => point.events), [2, 2, 1, 1, 1, 0, 1, 2, 1, 0, 1, 1, 1, 1, 1, 1, 1, 0]);
  assertEquals(points.map(({ censored }) => censored), [0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1]);
  // deno-fmt-ignore
  const survival = [
    0.913043478261, 0.826086956522, 0.782608695652, 0.739130434783, 0.695652173913, 0.695652173913, 0.645962732919, 0.546583850932, 0.496894409938,
    0.496894409938, 0.441683919945, 0.386473429952, 0.331262939959, 0.276052449965, 0.220841959972, 0.165631469979, 0.0828157349896, 0.0828157349896,
  ];
  // deno-fmt-ignore
  const logError = [
    0.0643489452088, 0.095672974647, 0.109896745566, 0.123876020852, 0.137919321092, 0.137919321092, 0.156576641377, 0.196219924093, 0.218158583837,
    0.218158583837, 0.247955755309, 0.281672148868, 0.321167749404, 0.369434779888, 0.431835682396, 0.519437570767, 0.87739124108, 0.87739124108,
  ];
  // deno-fmt-ignore
  const low = [
    0.694947537532, 0.600610411237, 0.554211506669, 0.509209438754, 0.465641749762, 0.465641749762, 0.413952950717, 0.319250413971, 0.275565628012,
    0.275565628012, 0.227381168463, 0.182836618649, 0.141825693482, 0.104441343234, 0.0709966489829, 0.0421142812616, 0.00695596679854, 0.00695596679854,
  ];
  // deno-fmt-ignore
  const high = [
    0.977515669901, 0.930903558387, 0.903207489882, 0.873375781698, 0.841721291392, 0.841721291392, 0.805307764482, 0.726449173821, 0.684213788448,
    0.684213788448, 0.63709268746, 0.587476914418, 0.535273789989, 0.480284660417, 0.422167443381, 0.360361360273, 0.286760367981, 0.286760367981,
  ];
  close(points.map((point) => point.survival), survival, TWELVE_DIGITS);
  close(points.map((point) => point.standardError), survival.map((s, i) => s * logError[i]), TWELVE_DIGITS);
  close(points.map((point) => point.low), low, TWELVE_DIGITS);
  close(points.map((point) => point.high), high, TWELVE_DIGITS);
});

Deno.test("survival: Freireich's curve as in Kleinbaum & Klein; medians 23 and 8, in aml 31 and 23", () => {
  const points = kaplanMeier(MERCAPTOPURINE).points.filter(({ events }) => events > 0);
  assertEquals(points.map(({ time, atRisk }) => [time, atRisk]), [[6, 21], [7, 17], [10, 15], [13, 12], [16, 11], [22, 7], [23, 6]]);
  close(points.map(({ survival }) => survival), [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], digits(3));
  close(points.map((p) => p.standardError), [0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346], digits(4));
  // Intervals: SAS's PROC LIFETEST, whose band is log-log too.
  assertEquals(timeQuantile(kaplanMeier(MERCAPTOPURINE)), { time: 23, low: 13, high: null });
  assertEquals(timeQuantile(kaplanMeier(PLACEBO)), { time: 8, low: 4, high: 11 });
  assertEquals(timeQuantile(kaplanMeier(MAINTAINED)).time, 31);
  assertEquals(timeQuantile(kaplanMeier(NOT_MAINTAINED)).time, 23);
});

Deno.test("survival: an interval of a quantile holds what Brookmeyer & Crowley's test doesn't reject", () => {
  const curve = kaplanMeier([...MAINTAINED, ...NOT_MAINTAINED]);
  for (const p of [0.25, 0.5, 0.75]) {
    // On the log-log scale: |g(S(t)) − g(1 − p)| ≤ 1.96 se(g(S(t))), the times from one event to the next told by the first of them.
    const g = (s: number) => Math.log(-Math.log(s));
    const kept = curve.points.filter(({ survival: s, standardError }) =>
      Math.abs(g(s) - g(1 - p)) <= 1.959963984540054 * standardError! / (s * -Math.log(s))
    );
    const after = curve.points.find(({ time }) => time > kept[kept.length - 1].time);
    const { low, high } = timeQuantile(curve, p);
    assertEquals([low, high], [kept[0].time, after?.time ?? null], `p = ${p}`);
  }
});

Deno.test("survival: quantiles of R's own test, flats included, and of plain samples", () => {
  // tests/quantile.R of survival: S = 6/7 from 1, 18/35 from 6, 9/35 from 9; the last flat has no end, and counts from its start.
  const curve = kaplanMeier(observe("9 1 1+ 6 6 8+ 10+"));
  close([13 / 14, 6 / 7, 2 / 3, 0.5, 9 / 35, 0.1].map((s) => timeQuantile(curve, 1 - s).time), [1, 3.5, 6, 9, 9, null], EXACT);
  assertEquals(timeQuantile(kaplanMeier(complete([4, 1, 3, 2]))).time, 2.5);
  // The first time by which such a share has had the event is no middle of a flat part.
  assertEquals([13 / 14, 6 / 7, 2 / 3, 18 / 35, 0.5, 9 / 35, 0.1].map((s) => firstTime(curve, 1 - s)), [1, 1, 6, 6, 9, 9, null]);
  assertEquals(["4 1 3 2", "4 1 3", "3000 3200 7500+ 7500+", "7500+"].map((all) => firstTime(kaplanMeier(observe(all)))), [
    2,
    3,
    3200,
    null,
  ]);
  assertEquals(timeQuantile(kaplanMeier(complete([4, 1, 30]))).time, 4);
  assertEquals(timeQuantile(kaplanMeier(observe("3000 3200 7500+ 7500+"))).time, 3200);
});

Deno.test("survival: all censored, all at once, one run, and an event at a time of censoring", () => {
  const never = kaplanMeier(observe("7500+ 7500+ 7500+"));
  assertEquals(never.points, [{ time: 7500, atRisk: 3, events: 0, censored: 3, survival: 1, standardError: 0, low: null, high: null }]);
  assertEquals(timeQuantile(never), { time: null, low: null, high: null });

  const once = kaplanMeier(complete([40, 40]));
  assertEquals(once.points.map(({ survival, standardError, low, high }) => [survival, standardError, low, high]), [[0, null, null, null]]);
  assertEquals(timeQuantile(once), { time: 40, low: null, high: null });
  assertEquals(timeQuantile(kaplanMeier(observe("12"))).time, 12);

  // The one censored at 10 was still at risk when the other had its event there.
  assertEquals(kaplanMeier(observe("10+ 10 20")).points.map(({ survival }) => survival), [1 - 1 / 3, 0]);
});

Deno.test("survival: what can't be estimated says so", () => {
  const message = (f: () => unknown, text: string) => assertEquals(assertThrows(f, Error).message, text);
  message(() => kaplanMeier([]), "Cannot estimate a survival curve: a sample must hold at least one observation, current value is 0");
  message(
    () => kaplanMeier(observe("3 -1")),
    "Cannot estimate a survival curve: a time must be finite and not negative, current value is -1",
  );
  message(() => kaplanMeier(PLACEBO, 95), "Cannot compute an interval: level must lie between 0 and 1, current value is 95");
  message(
    () => timeQuantile(kaplanMeier(PLACEBO), 1),
    "Cannot read a quantile off a survival curve: p must lie between 0 and 1, current value is 1",
  );
  message(() => logRank([PLACEBO]), "Cannot compare survival curves: groups must be at least 2, current value is 1");
  message(() => logRank([PLACEBO, []]), "Cannot compare survival curves: a sample must hold at least one observation, current value is 0");
});

Deno.test("log-rank: Freireich's 16.79, R's aml, and Bland & Altman's gliomas", () => {
  const freireich = logRank([MERCAPTOPURINE, PLACEBO]);
  assertEquals([freireich.observed, freireich.df], [[9, 21], 1]);
  close(freireich.expected, [19.25, 10.75], digits(2));
  close([freireich.chiSquare], [16.79], digits(2));
  close([freireich.p], [4.17e-5], digits(7)); // as R printed it

  const aml = logRank([NOT_MAINTAINED, MAINTAINED]);
  close([aml.chiSquare, aml.p, ...aml.expected], [3.39638869898, 0.0653393220405, 7.3106640077, 10.6893359923], 1e-10);
  // tests/difftest.R of survival: a group that is censored before the first event changes nothing.
  const dummy = logRank([NOT_MAINTAINED, observe("1+ 2+ 2+ 3+ 3+ 3+ 4+"), MAINTAINED]);
  assertEquals(dummy.df, 1);
  close([dummy.chiSquare, dummy.expected[1]], [aml.chiSquare, 0], EXACT);

  // "The logrank test", BMJ 2004;328:1073: weeks to death with astrocytoma and glioblastoma.
  const gliomas = logRank([
    observe("6 13 21 30 31+ 37 38 47+ 49 50 63 79 80+ 82+ 82+ 86 98 149+ 202 219"),
    observe("10 10 12 13 14 15 16 17 18 20 24 24 25 28 30 33 34+ 35 37 40 40 40+ 46 48 70+ 76 81 82 91 112 181"),
  ]);
  assertEquals(gliomas.observed, [14, 28]);
  close(gliomas.expected, [22.48, 19.52], digits(2));
});

Deno.test("log-rank: it tells when there is nothing to compare", () => {
  for (const groups of [[observe("9+ 9+"), observe("9+")], [observe("5 5"), observe("5 5 5")]]) {
    const { chiSquare, df, p } = logRank(groups);
    assertEquals([chiSquare, df, p], [0, 0, 1]);
  }
});
