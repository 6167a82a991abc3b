/** Grokking steps of several moduli: against d_model, against d_model / p, and as steps × p. */
import * as Plot from "@observablehq/plot";
import { keyMargin, keyMarks } from "../group_key.ts";
import { notYet } from "../runs.ts";
import { plannedSteps, stepMargin } from "../scale.ts";
import { TRIANGLE } from "../sweep_marks.ts";
import { axes, compose, FAINT, type Figure, INK, type Panel, panel, ticks, WIDTH } from "../theme.ts";
import { taskOf } from "./heat_map.ts";
import { type BoardRun, type Outcome, outcome } from "../../analysis/runs/run.ts";
import { betweenModuli, moduliPlaces, type ModulusPlace } from "../../analysis/boundary/moduli.ts";
import { contrastTimes } from "../../analysis/statistics/contrasts.ts";
import { capital, count, shortNumber } from "../../analysis/words.ts";

export interface ModuliOptions {
  /** The task, for the subtitle. Default: from the runs' specs. */
  readonly task?: string;
  /** Replaces the finding as the title. */
  readonly title?: string;
  /** The moduli that share the colours, those of other figures beside this one as well. Default: the runs' own. */
  readonly among?: readonly number[];
}

/** From the smallest modulus to the largest; they differ in lightness too. */
const COLORS = ["#f0a202", "#d55e00", "#b8327f", "#7b3fae", "#1f6fb2", "#0f2d5c"];
/** A colour for each modulus: evenly along these by rank, mixed where there are more. */
export function moduliColors(moduli: readonly number[]): Map<number, string> {
  const { apply } = Plot.scale({ color: { type: "linear", domain: COLORS.map((_, i) => i / (COLORS.length - 1)), range: COLORS } })!;
  const ranked = [...new Set(moduli)].sort((a, b) => a - b);
  return new Map(ranked.map((prime, i) => [prime, apply(ranked.length > 1 ? i / (ranked.length - 1) : 0)]));
}
/** Medians of fewer seeds aren't drawn. */
const FEW = 3;
const TOP = 46, LOW = 268, HIGH = 330;

/** A modulus and width with its colour and outcomes. */
interface Drawn extends ModulusPlace {
  readonly color: string;
  readonly outcomes: readonly Outcome[];
}

/**
 * Three panels of the same runs. Above: steps against d_model, and against d_model / p. Below: steps × p against d_model / p. Dots are
 * seeds, lines connect medians, open triangles mark the last step by which a run is known not to have grokked.
 * @throws Error where there are fewer than two moduli.
 */
export function moduliFigure(runs: readonly BoardRun[], { task = taskOf(runs), title, among = [] }: ModuliOptions = {}): Figure {
  const places = moduliPlaces(runs), primes = [...new Set(places.map(({ prime }) => prime))];
  if (primes.length < 2) throw new Error(`Cannot draw moduli: there must be at least two, current value is ${primes.length}`);
  const colors = moduliColors([...primes, ...among]), color = (prime: number) => colors.get(prime)!;
  const drawn = places.map((place): Drawn => ({ ...place, color: color(place.prime), outcomes: place.runs.map(outcome) }));
  const width = ({ dModel }: ModulusPlace) => dModel, ratio = ({ dModel, prime }: ModulusPlace) => dModel / prime;
  const key = primes.map((prime) => ({ name: `p = ${prime}`, color: color(prime) }));
  return compose({
    title: title ?? notYet(drawn.flatMap(({ outcomes }) => outcomes)) ?? finding(places, primes),
    subtitle: `${
      task ? `${task}. ` : ""
    }Dot: a seed that grokked; open triangle: one that had not grokked by that step; line: medians of ${FEW} seeds or more. All axes are logarithmic.`,
    panels: [
      [
        one(drawn, { x: width, label: "d_model", y: "Optimiser steps", scaled: false, size: [WIDTH / 2, LOW], right: 14 }),
        one(drawn, { x: ratio, label: "d_model / p", y: "Optimiser steps", scaled: false, size: [WIDTH / 2, LOW], right: 14 }),
      ],
      one(drawn, { x: ratio, label: "d_model / p", y: "Optimiser steps × p", scaled: true, size: [WIDTH, HIGH], key }),
    ],
  });
}

/** The finding: the largest modulus compared with the smallest at equal d_model / p, in steps and in steps × p. */
function finding(places: readonly ModulusPlace[], primes: readonly number[]): string {
  const least = primes[0], most = primes[primes.length - 1];
  const [plain, scaled] = [false, true].map((times) =>
    contrastTimes(betweenModuli(places, "ratio", times).filter(({ first, second }) => first === `p ${most}` && second === `p ${least}`))[0]
  );
  if (!plain || plain.verdict === 0) return "Grokking steps by width, by width over modulus, and times the modulus";
  const short = (factor: number | null) => factor === null ? "?" : shortNumber(Number(factor.toPrecision(2)));
  const word = plain.verdict < 0 ? "sooner" : "later";
  return `At equal d_model / p, networks grok ${word} modulo ${most} than modulo ${least}, in ${short(plain.size)} times the steps; ` +
    `${scaled.verdict === 0 ? "times p, the two aren't told apart" : `times p, in ${short(scaled.size)} times as many`}`;
}

interface Axes {
  readonly x: (place: ModulusPlace) => number;
  readonly label: string;
  readonly y: string;
  /** Whether steps are multiplied by the modulus. */
  readonly scaled: boolean;
  readonly size: readonly [width: number, height: number];
  readonly right?: number;
  readonly key?: readonly { readonly name: string; readonly color: string }[];
}

function one(places: readonly Drawn[], { x, label, y, scaled, size: [width, height], key = [], ...given }: Axes): Panel {
  const right = given.right ?? keyMargin(key.map(({ name }) => name)), by = ({ prime }: ModulusPlace) => scaled ? prime : 1;
  const seeds = places.flatMap((place) =>
    place.outcomes.filter(({ judged }) => judged > 0).map(({ grokked, judged }) => ({
      x: x(place),
      y: (grokked ?? judged) * by(place),
      grokked: grokked !== null,
      color: place.color,
    }))
  );
  const lines = places.filter(({ median, runs }) => median !== null && runs.length >= FEW).map((place) => ({
    x: x(place),
    y: place.median! * by(place),
    color: place.color,
    prime: place.prime,
  }));
  const planned = () => places.flatMap((place) => plannedSteps(place.runs).map((step) => ({ x: x(place), y: step * by(place) })));
  const shown = seeds.length > 0 ? seeds : planned();
  const range = (of: "x" | "y", edge: number) => {
    const all = shown.map((each) => each[of]);
    return [Math.min(...all) / edge, Math.max(...all) * edge] as const;
  };
  const across = range("x", 1.12), up = range("y", 1.2), middle = Math.sqrt(up[0] * up[1]), apart = (up[1] / up[0]) ** 0.08;
  const steps = ticks(...up, "log"), format = (steps: number) => count(scaled ? steps / 1000 : steps);
  const left = stepMargin(steps.map(format));
  return panel({
    ...{ width, height, marginTop: TOP, marginLeft: left, marginRight: right },
    x: { type: "log", domain: across },
    y: { type: "log", domain: up },
    marks: [
      ...axes(
        { ticks: [], label: `${capital(label)} →` },
        { ticks: steps, format, label: scaled ? `${y}, in thousands` : y },
        TOP,
        left,
      ),
      Plot.axisX(steppedTicks(across), { tickSize: 4, text: (tick: number) => shortNumber(tick), label: null, color: FAINT }),
      Plot.line(lines, { x: "x", y: "y", z: "prime", stroke: "color", strokeWidth: 1.8, ariaDescription: "median" }),
      Plot.dot(seeds.filter(({ grokked }) => grokked), {
        x: "x",
        y: "y",
        r: 2.6,
        fill: "color",
        fillOpacity: 0.55,
        ariaDescription: "grokked",
      }),
      Plot.dot(seeds.filter(({ grokked }) => !grokked), { x: "x", y: "y", ...TRIANGLE(4.2), rotate: 0, stroke: "color" }),
      ...keyMarks(
        key.map(({ name, color }, i) => ({
          ...{ name, color, text: INK, below: [], dash: "none", width: 2.4 },
          y: middle * apart ** ((key.length - 1) / 2 - i),
        })),
        across[1],
      ),
    ],
  });
}

/** 0.5, 1, 2, 4 … or 16, 32, 64 …: doublings within the axis. */
function steppedTicks([from, to]: readonly [number, number]): number[] {
  const all: number[] = [];
  for (let e = Math.ceil(Math.log2(from)); 2 ** e <= to; e++) all.push(2 ** e);
  return all;
}
