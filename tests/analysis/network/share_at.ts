/** Where a pair's spectrum has what. */
import type { PairSpectrum } from "../../../lib/analysis/network/pairs.ts";

/** The share of a spectrum at frequency k of a and l of b; of an even modulus, l = −p / 2 is p / 2. */
export const shareAt = ({ p, shares }: PairSpectrum, k: number, l: number) => shares[k * p + ((p - 1) >> 1) + (2 * l === -p ? -l : l)];
