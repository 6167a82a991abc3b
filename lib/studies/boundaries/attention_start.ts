/** Whether it matters that the preset begins attention otherwise than the published code does: the runs of `attention_start`. */
import { type Contrast, contrastPairs, type ContrastRow, contrastTimes } from "../../analysis/statistics/contrasts.ts";
import type { ObservedPair } from "../../analysis/statistics/sample.ts";
import { timesTo } from "../../analysis/runs/times.ts";
import { type BoardRun, hasEnded, oncePerSeed } from "../../analysis/runs/run.ts";
import { capital } from "../../analysis/words.ts";

const PRESET = "the preset's start", CODE = "the published start";

const settingOf = ({ spec: { model, data } }: BoardRun) => `p ${data.prime}, d ${model.dModel}`;

/** Setting by setting, the runs with the preset's start of attention and those with the published code's. */
function startsOf(runs: readonly BoardRun[]) {
  return [...Map.groupBy(runs, settingOf)].map(([setting, some]) => {
    const begun = (init: string) => some.filter(({ spec }) => spec.model.init === init);
    return { setting, preset: begun("pytorch"), code: begun("linear") };
  });
}

/**
 * How many times as many steps to grok networks take with the preset's start of attention as with the published code's. A seed has the same
 * pairs to learn from and the same random numbers with both, so that seeds are compared within themselves, by the logarithms of their
 * steps. Only seeds count of which both runs have ended; one that hasn't grokked counts as if it had at the last step known of it. `size`
 * and `interval` are factors.
 */
export function startRatios(runs: readonly BoardRun[]): ContrastRow[] {
  const logs = (some: readonly BoardRun[]) =>
    new Map(
      oncePerSeed(some.filter(hasEnded)).flatMap((run) => timesTo("grokked", [run]).map(({ time }) => [run.spec.seed, Math.log(time)])),
    );
  const rows = contrastPairs(
    startsOf(runs).map(({ setting, preset, code }) => {
      const [a, b] = [logs(preset), logs(code)], seeds = [...a.keys()].filter((seed) => b.has(seed));
      return {
        of: setting,
        first: PRESET,
        second: CODE,
        strata: [{ a: seeds.map((seed) => a.get(seed)!), b: seeds.map((seed) => b.get(seed)!) }],
      };
    }),
  );
  const factor = (log: number | null) => log === null ? null : Math.exp(log);
  return rows.map(({ size, interval: { low, high }, ...row }) => ({
    ...row,
    ...{ size: factor(size), interval: { low: factor(low), high: factor(high) } },
  }));
}

/** What `startRatios` shows, as a title. */
export function startFinding(rows: readonly ContrastRow[]): string {
  const verdicts = new Set(rows.map(({ verdict }) => verdict)), [verdict] = verdicts;
  return verdicts.size === 1 && verdict !== 0
    ? `With ${PRESET} of attention networks grok ${verdict > 0 ? "later" : "sooner"} than with ${CODE}`
    : `${capital(PRESET)} of attention and ${CODE} aren't told apart in every setting`;
}

/** The runs with each start of attention against the published runs of the same settings, by their steps to grok. */
export function startsBesidePublished(runs: readonly BoardRun[], published: readonly BoardRun[]): ContrastRow[] {
  const decays = new Set(runs.map(({ spec }) => spec.optim.weightDecay)),
    theirs = Map.groupBy(published.filter(({ spec }) => decays.has(spec.optim.weightDecay)), settingOf);
  const contrast = (start: "preset" | "code", first: string): Contrast<ObservedPair> => ({
    ...{ of: capital(first), first, second: "the published runs" },
    strata: startsOf(runs).map((each) => ({
      a: timesTo("grokked", each[start]),
      b: timesTo("grokked", oncePerSeed(theirs.get(each.setting) ?? [])),
    })),
  });
  return contrastTimes([contrast("preset", PRESET), contrast("code", CODE)]);
}
