/** The log-rank test, and the hazard ratio that goes with it: whether groups reach an event at the same rate. */
import { pchisq } from "lib-r-math.js";
import { checkSample, critical, type Interval, must, type Observation } from "./sample.ts";

/** A log-rank test of k groups. */
export interface LogRank {
  readonly chiSquare: number;
  /** Groups that can be told apart, minus 1. It is 0, with p = 1, where no event ever had a choice of groups. */
  readonly df: number;
  readonly p: number;
  /** Events of each group. */
  readonly observed: readonly number[];
  /** Events of each group were all hazards the same. */
  readonly expected: readonly number[];
  /** Covariance of observed − expected, k × k, hypergeometric given the numbers at risk. */
  readonly covariance: readonly (readonly number[])[];
}

/**
 * The log-rank test (Mantel 1966; Peto & Peto 1972), R's `survdiff`. Throws for no second group, an empty one, and times negative or not
 * finite.
 */
export function logRank(groups: readonly (readonly Observation[])[]): LogRank {
  return stratifiedLogRank([groups]);
}

/**
 * The log-rank test within strata (operations, say): observed, expected and covariance are summed over them, so only runs of the same
 * stratum are ever compared. `strata[s][g]` is group g in stratum s and may be empty there, but not in all. Throws where `logRank` does.
 */
export function stratifiedLogRank(strata: readonly (readonly (readonly Observation[])[])[]): LogRank {
  const action = "compare survival curves", k = strata[0]?.length ?? 0;
  must(action, "groups", k >= 2, "must be at least 2", k);
  for (const groups of strata) must(action, "groups of a stratum", groups.length === k, `must be ${k} as in the first`, groups.length);
  for (let g = 0; g < k; g++) checkSample(action, strata.flatMap((groups) => groups[g]), 0);
  const observed = new Array<number>(k).fill(0), expected = new Array<number>(k).fill(0);
  const covariance = observed.map(() => new Array<number>(k).fill(0));
  for (const groups of strata) {
    for (const time of new Set(groups.flat().filter(({ event }) => event).map((observation) => observation.time))) {
      const atRisk = groups.map((group) => group.filter((observation) => observation.time >= time).length);
      const events = groups.map((group) => group.filter((observation) => observation.time === time && observation.event).length);
      const n = sum(atRisk), d = sum(events), scale = n > 1 ? d * (n - d) / (n - 1) : 0;
      for (let g = 0; g < k; g++) {
        observed[g] += events[g];
        expected[g] += d * atRisk[g] / n;
        for (let h = 0; h < k; h++) covariance[g][h] += scale * atRisk[g] / n * ((g === h ? 1 : 0) - atRisk[h] / n);
      }
    }
  }
  const { value, rank } = quadraticForm(covariance, observed.map((o, g) => o - expected[g]));
  return { chiSquare: value, df: rank, p: pchisq(value, rank, undefined, false), observed, expected, covariance };
}

const sum = (values: readonly number[]) => values.reduce((total, x) => total + x, 0);

/** A pivot this much smaller than its diagonal element was is rounding: that group is a combination of those before. */
const SINGULAR = 1e-9;

/** xᵀ V⁻ x and V's rank by LDLᵀ elimination. V is always singular here, since all deviations sum to 0; x lies in its range. */
function quadraticForm(v: readonly (readonly number[])[], x: readonly number[]): { readonly value: number; readonly rank: number } {
  const m = v.map((row) => [...row]), y = [...x];
  let value = 0, rank = 0;
  for (let i = 0; i < y.length; i++) {
    if (m[i][i] <= SINGULAR * v[i][i]) continue;
    value += y[i] ** 2 / m[i][i];
    rank++;
    for (let j = i + 1; j < y.length; j++) {
      const factor = m[j][i] / m[i][i];
      y[j] -= factor * y[i];
      for (let l = i; l < y.length; l++) m[j][l] -= factor * m[i][l];
    }
  }
  return { value, rank };
}

/** The hazard of the first group over that of the second: below 1 where the first takes longer. */
export interface HazardRatio extends Interval {
  /** Peto's one-step estimate; `null` where the log-rank test has no variance. */
  readonly ratio: number | null;
  /** (O₁/E₁) / (O₂/E₂), the simple estimate; `null` where the second group had no event to divide by. */
  readonly observedOverExpected: number | null;
}

/**
 * The hazard ratio of a log-rank test of two groups, stratified or not: exp((O − E)/V), interval exp((O − E ± z√V)/V) (Peto et al. 1977;
 * Yusuf et al. 1985). Assumes that the ratio is the same at all times; far from 1 (below ⅓, above 3) it is drawn towards 1, and says little
 * but the direction. Throws unless the test compared two groups.
 */
export function hazardRatio({ observed, expected, covariance }: LogRank, level = 0.95): HazardRatio {
  must("estimate a hazard ratio", "groups", observed.length === 2, "must be 2", observed.length);
  const difference = observed[0] - expected[0], variance = covariance[0][0], width = critical(level) * Math.sqrt(variance);
  const ratio = (x: number) => variance > 0 ? Math.exp(x / variance) : null;
  return {
    ratio: ratio(difference),
    low: ratio(difference - width),
    high: ratio(difference + width),
    observedOverExpected: observed[1] > 0 && expected[0] > 0 ? observed[0] / expected[0] / (observed[1] / expected[1]) : null,
  };
}
