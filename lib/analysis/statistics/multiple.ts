/** Several tests at once: p-values adjusted so that they can be held against one level. R's `p.adjust`. */
import { must } from "./sample.ts";

/**
 * Holm's step-down correction (1979): the chance of any false rejection among all stays below the level, whatever their dependence. The
 * smallest of m p-values times m, the next times m − 1, …, each at least the one before, none above 1; in the order given. Throws for a p
 * outside [0, 1].
 */
export function holm(ps: readonly number[]): number[] {
  const adjusted = [...ps], m = ps.length;
  let least = 0;
  ascending(ps).forEach((at, rank) => adjusted[at] = least = Math.max(least, Math.min(1, (m - rank) * ps[at])));
  return adjusted;
}

/**
 * Benjamini & Hochberg's step-up correction (1995): of what is rejected, a share below the level is false, on average, for independent (or
 * positively dependent) tests. The largest p stays, the next is times m/(m − 1), …, each at most the one after; in the order given. Throws
 * for a p outside [0, 1].
 */
export function benjaminiHochberg(ps: readonly number[]): number[] {
  const adjusted = [...ps], m = ps.length;
  let most = 1;
  ascending(ps).forEach((_, i, order) => {
    const rank = m - 1 - i, at = order[rank];
    adjusted[at] = most = Math.min(most, m / (rank + 1) * ps[at]);
  });
  return adjusted;
}

/** The places of the p-values, the smallest p first. */
function ascending(ps: readonly number[]): number[] {
  for (const p of ps) must("adjust p-values", "p", p >= 0 && p <= 1, "must lie within 0 and 1", p);
  return ps.map((_, i) => i).sort((a, b) => ps[a] - ps[b]);
}
