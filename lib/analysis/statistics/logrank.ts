/** The log-rank test: whether groups reach an event at the same rate. */
import "./storage.ts";
import { pchisq } from "lib-r-math.js";
import { checkSample, must, type Observation } from "./sample.ts";

/** A log-rank test of k groups. */
export interface LogRank {
  readonly chiSquare: number;
  /** The rank of the covariance: at most groups − 1. It is 0, with p = 1, where every event has only one group at risk. */
  readonly df: number;
  readonly p: number;
  /** Events of each group. */
  readonly observed: readonly number[];
  /** Expected events of each group if all hazards were equal. */
  readonly expected: readonly number[];
  /** Covariance of observed − expected, [k][k], hypergeometric given the numbers at risk. */
  readonly covariance: readonly (readonly number[])[];
}

/**
 * The log-rank test (Mantel 1966, Cancer Chemother. Rep.; Peto & Peto 1972, J. R. Stat. Soc. A), as R's `survdiff`.
 * @throws Error for fewer than two groups, an empty group, and times that are negative or not finite.
 */
export function logRank(groups: readonly (readonly Observation[])[]): LogRank {
  const action = "compare survival curves", k = groups.length;
  must(action, "groups", k >= 2, "must be at least 2", k);
  for (const group of groups) checkSample(action, group, 0);
  const observed = new Array<number>(k).fill(0), expected = new Array<number>(k).fill(0);
  const covariance = observed.map(() => new Array<number>(k).fill(0));
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
  const { value, rank } = quadraticForm(covariance, observed.map((o, g) => o - expected[g]));
  return { chiSquare: value, df: rank, p: pchisq(value, rank, undefined, false), observed, expected, covariance };
}

const sum = (values: readonly number[]) => values.reduce((total, x) => total + x, 0);

/** A pivot below this share of the original diagonal element is rounding error: that group is a combination of those before. */
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
