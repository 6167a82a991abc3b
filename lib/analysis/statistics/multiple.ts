/** Several tests at once: p-values adjusted so that they can be compared with one level, and their smallest possible values. */
import { must } from "./sample.ts";

/** A difference counts as shown where the corrected p is below this. */
export const LEVEL = 0.05;

/** A test's p, and the smallest p that its design allows; both `null` where there was nothing to test. */
export interface Tested {
  readonly p: number | null;
  readonly least: number | null;
}

/** Both after Holm's correction over all tests that belong together. */
export interface Corrected {
  readonly holm: number | null;
  /** The smallest possible `holm`. At `LEVEL` or above, the test can't show a difference. */
  readonly floor: number | null;
  /** How many tests it is a correction over. */
  readonly tests: number;
}

/**
 * Holm's step-down correction (Holm 1979, Scand. J. Stat.), as R's `p.adjust`: the probability of any false rejection stays below the
 * level, however the tests depend on each other. The smallest of m p-values is multiplied by m, the next by m − 1, …; each is at least the
 * one before, and at most 1.
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
 * Rows with their p corrected over all rows that have one. The correction is monotone in every p, so applied to the smallest possible
 * p-values it gives the smallest possible corrected ones.
 * @throws Error where `holm` does.
 */
export function corrected<Row extends Tested>(rows: readonly Row[]): (Row & Corrected)[] {
  const tested = rows.filter(({ p }) => p !== null),
    adjusted = holm(tested.map(({ p }) => p!)),
    floors = holm(tested.map(({ least }) => least ?? 0));
  const of = new Map(tested.map((row, i) => [row, { holm: adjusted[i], floor: floors[i] }]));
  return rows.map((row) => ({ ...row, tests: tested.length, ...of.get(row) ?? { holm: null, floor: null } }));
}

/** Whether a test shows a difference. */
export const differs = ({ holm }: Corrected): boolean => holm !== null && holm < LEVEL;

/** Whether a test could have shown a difference. */
export const decides = ({ floor }: Corrected): boolean => floor !== null && floor < LEVEL;

/** A p with two significant digits, or as many as show that it lies below `LEVEL`: `0.012`, `0.0497`. */
export function pNumber(p: number): number {
  let digits = 2;
  while (p < LEVEL && Number(p.toPrecision(digits)) >= LEVEL) digits++;
  return Number(p.toPrecision(digits));
}

/** `p = 0.012`, `p < 0.001` */
export const pWord = (p: number | null, name = "p"): string =>
  p === null ? "nothing to test" : p < 0.001 ? `${name} < 0.001` : `${name} = ${pNumber(p)}`;

/** A p for a table: `0.012`, `< 0.001`, or a dash. */
export const pShort = (p: number | null): string => p === null ? "–" : p < 0.001 ? "< 0.001" : String(pNumber(p));
