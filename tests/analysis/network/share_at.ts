/** Where a pair's spectrum has what. */
import type { PairSpectrum } from "../../../lib/analysis/network/pairs.ts";

/** The share of a spectrum at frequency k of a and l of b. */
export const shareAt = ({ p, shares }: PairSpectrum, k: number, l: number) => shares[k * p + (p - 1) / 2 + l];
