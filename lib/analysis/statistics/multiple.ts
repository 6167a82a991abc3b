/** Several tests at once: p-values adjusted so that they can be held against one level, and what they could have been at least. */
import { must } from "./sample.ts";

/** What is told apart has a corrected p below it. */
export const LEVEL = 0.05;

/** A test's p, and the smallest that its design allows; both `null` where there was nothing to test. */
export interface Tested {
  readonly p: number | null;
  readonly least: number | null;
}

/** The same after Holm's correction over all tests that belong together. */
export interface Corrected {
  readonly holm: number | null;
  /** The smallest that `holm` could be. From `LEVEL` on, the test decides nothing. */
  readonly floor: number | null;
}

/**
 * Holm's step-down correction (1979), R's `p.adjust`: the chance of any false rejection among all stays below the level, whatever their
 * dependence. The smallest of m p-values times m, the next times m − 1, …, each at least the one before, none above 1.
 * @returns the adjusted p-values, in the order given.
 * @throws Error for a p outside [0, 1].
 */
export function holm(ps: readonly number[]): number[] {
  for (const p of ps) must("adjust p-values", "p", p >= 0 && p <= 1, "must lie within 0 and 1", p);
  const adjusted = [...ps], m = ps.length;
  let least = 0;
  const ascending = ps.map((_, i) => i).sort((a, b) => ps[a] - ps[b]);
  ascending.forEach((at, rank) => adjusted[at] = least = Math.max(least, Math.min(1, (m - rank) * ps[at])));
  return adjusted;
}

/**
 * Rows with their corrected p, over those that have one. The adjustment never falls when a p rises, so what it makes of the smallest
 * possible p-values is the smallest that it can be for each row.
 * @throws Error where `holm` does.
 */
export function corrected<Row extends Tested>(rows: readonly Row[]): (Row & Corrected)[] {
  const tested = rows.filter(({ p }) => p !== null),
    adjusted = holm(tested.map(({ p }) => p!)),
    floors = holm(tested.map(({ least }) => least ?? 0));
  const of = new Map(tested.map((row, i) => [row, { holm: adjusted[i], floor: floors[i] }]));
  return rows.map((row) => ({ ...row, ...of.get(row) ?? { holm: null, floor: null } }));
}

/** Whether a test says that there is a difference. */
export const differs = ({ holm }: Corrected): boolean => holm !== null && holm < LEVEL;

/** Whether a test could have said that there is a difference. */
export const decides = ({ floor }: Corrected): boolean => floor !== null && floor < LEVEL;

/** `p = 0.012`, `p < 0.001` */
export const pWord = (p: number | null, name = "p"): string =>
  p === null ? "nothing to test" : p < 0.001 ? `${name} < 0.001` : `${name} = ${Number(p.toPrecision(2))}`;
