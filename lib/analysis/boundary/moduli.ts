/**
 * The effects of width and modulus, separated. Networks of several moduli and widths are compared at equal d_model / p and at equal
 * d_model, in steps and in steps × p: which of d_model / p, d_model and p decides when they grok?
 */
import type { Contrast, ContrastRow } from "../statistics/contrasts.ts";
import { type Interval, type ObservedPair, stretched } from "../statistics/sample.ts";
import { type BoardRun, oncePerSeed, outcome } from "../runs/run.ts";
import { type Groups, measured } from "../runs/question.ts";
import { medianStep, timesTo } from "../runs/times.ts";

/**
 * How far apart two ratios d_model / p may lie that count as equal, as a factor. Widths are multiples of the number of heads, so that few
 * ratios are quite equal; where grokking steps fall steeply with the ratio, a wide margin would itself make a difference.
 */
const WITHIN = 1.05;

/** How far apart the ratios d_model / p of two places are, in logarithms. */
const apart = (a: ModulusPlace, b: ModulusPlace) => Math.abs(Math.log(a.dModel / a.prime / (b.dModel / b.prime)));

/** The runs of one modulus at one width; they differ in their seed alone. */
export interface ModulusPlace<Run extends BoardRun = BoardRun> {
  readonly prime: number;
  readonly dModel: number;
  readonly runs: readonly Run[];
  /** The median grokking step; `null` where half of the runs don't grok, or while any of them still may. */
  readonly median: number | null;
}

/** By modulus and width, both ascending. A seed that occurs in several experiments counts once: its runs differ only by rounding. */
export function moduliPlaces<Run extends BoardRun>(runs: readonly Run[]): ModulusPlace<Run>[] {
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

/** The places of two moduli that are compared: the nearest first, each once, as long as what is held is equal. */
function matched<Place extends ModulusPlace>(first: readonly Place[], second: readonly Place[], held: Held): [Place, Place][] {
  const equal = (a: Place, b: Place) => held === "width" ? a.dModel === b.dModel : apart(a, b) <= Math.log(WITHIN);
  const near = first.flatMap((a) => second.filter((b) => equal(a, b)).map((b): [Place, Place] => [a, b]));
  const taken = new Set<Place>();
  return near.sort(([a, b], [c, d]) => apart(a, b) - apart(c, d)).filter(([a, b]) => {
    const free = !taken.has(a) && !taken.has(b);
    if (free) taken.add(a).add(b);
    return free;
  }).sort(([a], [b]) => a.dModel - b.dModel);
}

/**
 * Each modulus against the next smaller one, and the largest against the smallest, at equal d_model / p (to 5 %: each width with the
 * nearest) or at equal d_model.
 */
export function moduliCompared<Run extends BoardRun>(places: readonly ModulusPlace<Run>[], held: Held): Contrast<Groups<Run>>[] {
  const primes = [...new Set(places.map(({ prime }) => prime))], of = (prime: number) => places.filter((place) => place.prime === prime);
  const pairs = primes.slice(1).map((prime, i) => [prime, primes[i]] as const);
  if (primes.length > 2) pairs.push([primes[primes.length - 1], primes[0]]);
  return pairs.map(([first, second]) => ({
    of: `At equal ${held === "width" ? "d_model" : "d_model / p"}`,
    first: `p ${first}`,
    second: `p ${second}`,
    strata: matched(of(first), of(second), held).map(([a, b]) => ({ a: a.runs, b: b.runs })),
  }));
}

/**
 * Times to grok of moduli that are compared. With `scaled`, times are steps × p: equal times then mean that steps are inversely
 * proportional to the modulus.
 */
export function betweenModuli(places: readonly ModulusPlace[], held: Held, scaled = false): Contrast<ObservedPair>[] {
  const times = (runs: readonly BoardRun[]) => timesTo("grokked", runs).map(stretched(scaled ? runs[0].spec.data.prime : 1));
  return measured(moduliCompared(places, held), times).map(({ of, ...compared }) => ({
    ...compared,
    of: scaled ? `Steps × p ${of.toLowerCase()}` : of,
  }));
}

/**
 * At each modulus, networks with d_model / p of about 2 (1.85 to 2.15) against narrower ones (at most 1) and wider ones (3.5 to 4.5): does
 * d_model matter at a fixed modulus?
 */
export function widthsCompared<Run extends BoardRun>(places: readonly ModulusPlace<Run>[]): Contrast<Groups<Run>>[] {
  const groups = [...Map.groupBy(places, ({ prime }) => prime)];
  const of = (some: readonly ModulusPlace<Run>[], within: (ratio: number) => boolean) =>
    some.filter(({ dModel, prime }) => within(dModel / prime)).flatMap(({ runs }) => runs);
  return [{ first: "d_model ≤ p", above: 0, most: 1 }, { first: "four times p", above: 3.5, most: 4.5 }].map(({ first, above, most }) => ({
    of: "At each p",
    first,
    second: "twice p",
    strata: groups.map(([, some]) => ({
      a: of(some, (ratio) => ratio > above && ratio <= most),
      b: of(some, (ratio) => ratio > 1.85 && ratio < 2.15),
    })),
  }));
}

/** Times to grok of networks whose widths are compared. */
export const betweenWidths = (places: readonly ModulusPlace[]): Contrast<ObservedPair>[] =>
  measured(widthsCompared(places), (runs) => timesTo("grokked", runs));

/** A power of the modulus. */
export interface Power extends Interval {
  readonly power: number | null;
}

/**
 * The power of the modulus by which times change, with its interval, from how many times as long `prime` takes as `other`: −1 where twice
 * the modulus takes half as long.
 */
export function powerOf({ size, interval: { low, high } }: Pick<ContrastRow, "size" | "interval">, prime: number, other: number): Power {
  // No power makes a factor of 0 or infinity.
  const finite = (factor: number | null): factor is number => factor !== null && factor > 0 && factor < Infinity;
  const [power, ...limits] = [size, low, high].map((factor) => finite(factor) ? Math.log(factor) / Math.log(prime / other) : null);
  const [least, most] = prime > other ? limits : limits.reverse();
  return { power, low: least, high: most };
}
