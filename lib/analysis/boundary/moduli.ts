/**
 * The effects of width and modulus, separated. Networks of several moduli and widths are compared at equal d_model / p and at equal
 * d_model, in steps and in steps × p: which of d_model / p, d_model and p decides when they grok?
 */
import type { Contrast, ContrastRow } from "../statistics/contrasts.ts";
import type { Interval, ObservedPair } from "../statistics/sample.ts";
import { type BoardRun, oncePerSeed, outcome } from "../runs/run.ts";
import { medianStep, timesTo } from "../runs/times.ts";

/** Ratios d_model / p that were run at every modulus, to within a factor of `WITHIN`. */
const RATIOS = [0.72, 1, 1.22, 1.45, 1.97, 2.46, 2.97, 4];
const WITHIN = 1.16;

/** The nearest of `RATIOS`, if at most 16 % away; else `null`. */
export function ratioClass(ratio: number): number | null {
  const away = (of: number) => Math.abs(Math.log(ratio / of)), near = RATIOS.reduce((a, b) => away(b) < away(a) ? b : a);
  return away(near) <= Math.log(WITHIN) ? near : null;
}

/** The runs of one modulus at one width; they differ in their seed alone. */
export interface ModulusPlace {
  readonly prime: number;
  readonly dModel: number;
  readonly runs: readonly BoardRun[];
  /** The median grokking step; `null` where half of the runs don't grok, or while any of them still may. */
  readonly median: number | null;
}

/** By modulus and width, both ascending. A seed that occurs in several experiments counts once: its runs differ only by rounding. */
export function moduliPlaces(runs: readonly BoardRun[]): ModulusPlace[] {
  const groups = Map.groupBy(runs, ({ spec: { data, model } }) => `${data.prime} ${model.dModel}`);
  return [...groups.values()].map((group) => {
    const once = oncePerSeed(group);
    const { data: { prime }, model: { dModel } } = once[0].spec,
      open = once.map(outcome).some(({ grokked, active }) => grokked === null && active);
    return { prime, dModel, runs: once, median: open ? null : medianStep(once.map(({ grokkingStep }) => grokkingStep)) };
  }).sort((a, b) => a.prime - b.prime || a.dModel - b.dModel);
}

/** What stays equal while the modulus changes. */
export type Held = "ratio" | "width";

/**
 * Each modulus against the next smaller one, and the largest against the smallest, at equal d_model / p (to 16 %) or at equal d_model. With
 * `scaled`, times are steps × p: equal times then mean that steps are inversely proportional to the modulus.
 */
export function betweenModuli(places: readonly ModulusPlace[], held: Held, scaled = false): Contrast<ObservedPair>[] {
  const primes = [...new Set(places.map(({ prime }) => prime))],
    at = ({ dModel, prime }: ModulusPlace) => held === "width" ? dModel : ratioClass(dModel / prime);
  const strata = [...new Set(places.map(at))].filter((value) => value !== null).sort((a, b) => a - b);
  const times = (prime: number, value: number) => {
    const some = places.filter((place) => place.prime === prime && at(place) === value), factor = scaled ? prime : 1;
    const stretched = (step: number) => step * factor;
    return timesTo("grokked", some.flatMap(({ runs }) => runs)).map(({ time, event, until }) => ({
      ...{ time: stretched(time), event },
      ...until === undefined ? {} : { until: stretched(until) },
    }));
  };
  const pairs = primes.slice(1).map((prime, i) => [prime, primes[i]] as const);
  if (primes.length > 2) pairs.push([primes[primes.length - 1], primes[0]]);
  return pairs.map(([first, second]) => ({
    of: `${scaled ? "Steps × p at" : "At"} equal ${held === "width" ? "d_model" : "d_model / p"}`,
    first: `p ${first}`,
    second: `p ${second}`,
    strata: strata.map((value) => ({ a: times(first, value), b: times(second, value) })),
  }));
}

/**
 * At each modulus, networks with d_model / p of about 2 (1.85 to 2.15) against narrower ones (at most 1) and wider ones (3.5 to 4.5): does
 * d_model matter at a fixed modulus?
 */
export function betweenWidths(places: readonly ModulusPlace[]): Contrast<ObservedPair>[] {
  const groups = [...Map.groupBy(places, ({ prime }) => prime)];
  const of = (some: readonly ModulusPlace[], within: (ratio: number) => boolean) =>
    timesTo("grokked", some.filter(({ dModel, prime }) => within(dModel / prime)).flatMap(({ runs }) => runs));
  return [["d_model ≤ p", "twice p", 0, 1], ["four times p", "twice p", 3.5, 4.5]].flatMap(([first, second, low, high]) => [{
    of: "At each p",
    first: String(first),
    second: String(second),
    strata: groups.map(([, some]) => ({
      a: of(some, (ratio) => ratio > Number(low) && ratio <= Number(high)),
      b: of(some, (ratio) => ratio > 1.85 && ratio < 2.15),
    })),
  }]);
}

/** A power of the modulus. */
export interface Power extends Interval {
  readonly power: number | null;
}

/**
 * The power of the modulus by which times change, with its interval, from how many times as long `prime` takes as `other`: −1 where twice
 * the modulus takes half as long.
 */
export function powerOf({ size, interval: { low, high } }: Pick<ContrastRow, "size" | "interval">, prime: number, other: number): Power {
  const [power, ...limits] = [size, low, high].map((factor) => factor === null ? null : Math.log(factor) / Math.log(prime / other));
  const [least, most] = prime > other ? limits : limits.reverse();
  return { power, low: least, high: most };
}
