/** Attention patterns phase by phase: small multiples, one row per phase, one column per head. */
// @ts-types="@types/d3-array"
import { range } from "d3-array";
import * as Plot from "@observablehq/plot";
import { namePattern, rowsOf } from "../../analysis/attention/patterns.ts";
import { patternDistance } from "../../analysis/attention/distances.ts";
import type { Phase } from "../../run/phases.ts";
import { must } from "../../analysis/statistics/sample.ts";
import {
  type AttentionFigureOptions,
  checkRuns,
  headName,
  type HeatMap,
  heatMarks,
  ofOne,
  pixelPanel,
  shadeKey,
  tokenMarks,
  words,
} from "./shared.ts";
import { compose, FAINT, type Figure, WIDTH } from "../theme.ts";
import { type AttentionRun, readQueries, sizesOf, tokensOf } from "../../analysis/attention/runs.ts";
import { capital, count } from "../../analysis/words.ts";
import { type PhasePattern, phasePatterns } from "../../analysis/attention/courses.ts";
import { typicalRun } from "../../analysis/runs/groups.ts";

export interface PatternOptions extends Pick<AttentionFigureOptions, "task" | "title"> {
  /** The seed of the run to draw. Default: the run that groks at the median step. */
  readonly seed?: number;
}

/**
 * The mean attention of every head of one run, phase by phase. Only one run, because heads can't be matched across runs: head 0 of one may
 * do what head 3 of another does. @throws Error where there is no run, one without readings, and none with the given seed.
 */
export function patternFigure(runs: readonly AttentionRun[], { seed, task, title }: PatternOptions = {}): Figure {
  checkRuns(runs);
  const run = seed === undefined ? typicalRun(runs) : runs.find(({ spec }) => spec.seed === seed);
  must("draw attention patterns", "seed", run !== undefined, `must be one of ${runs.map(({ spec }) => spec.seed).join(", ")}`, seed);
  const shown = phasePatterns(run!);
  return compose({
    title: title ?? patternFinding(run!, shown),
    subtitle: `${ofOne(run!, runs, task)} Rows are queries, columns keys; means over the probe's pairs and the phase's readings.${
      seen(run!)
    }`,
    panels: bands(run!).map((layers, i) => bandPanel(run!, shown, layers, i === 0)),
  });
}

/** Sentences on blank squares, and on rows that don't reach the output. */
const seen = ({ spec: { model } }: AttentionRun) =>
  `${model.mask === "causal" ? " Blank: what a query can't see." : ""}${
    model.pooling === "last" ? ` Of the last layer only the row ${model.tokens.split(" ").at(-1)} reaches the output.` : ""
  }`;

/** Layers in rows, as many side by side as fit. */
function bands(run: AttentionRun): number[][] {
  const { L, H } = sizesOf([run]), side = Math.max(1, Math.floor(10 / H));
  return range(Math.ceil(L / side)).map((band) => range(L).slice(band * side, (band + 1) * side));
}

const LEFT = 150, RIGHT = 16, GAP = 9, BETWEEN = 24, HEAD = 42;

function bandPanel(run: AttentionRun, shown: readonly PhasePattern[], layers: readonly number[], first: boolean) {
  const sizes = sizesOf([run]), { H, T } = sizes, heads = layers.length * H;
  const room = (WIDTH - LEFT - RIGHT - (heads - layers.length) * GAP - (layers.length - 1) * BETWEEN) / heads;
  const cell = Math.min(26, Math.floor(room / T * 4) / 4), side = cell * T, row = Math.max(side + 12, 66), top = HEAD + (first ? 10 : 0);
  const columns = layers.flatMap((layer, l) =>
    range(H).map((head) => ({ layer, head, left: LEFT + (l * H + head) * (side + GAP) + l * (BETWEEN - GAP) }))
  );
  const options = { tokens: tokensOf(run.spec), mask: run.spec.model.mask };
  const maps = shown.map(({ mean }, p) =>
    columns.map(({ left, ...selection }): HeatMap => {
      return { pattern: rowsOf(mean, sizes, selection), left, top: top + p * row, cell };
    })
  );
  const height = top + shown.length * row + 14;
  return pixelPanel(height, [
    words(columns.filter(({ head }) => head === 0).map(({ layer, left }) => ({ x: left, y: top - 32, text: `Layer ${layer}` })), {
      fontWeight: 600,
    }),
    words(columns.map(({ head, left }) => ({ x: left + side / 2, y: top - 12, text: side > 44 ? `head ${head}` : String(head) })), {
      textAnchor: "middle",
      fill: FAINT,
    }),
    ...shown.flatMap((phase, p) => {
      const name = capital(phase.name).split(" "), lines = [...name, stretch(phase), some(phase.readings, "reading")];
      const at = lines.map((text, i) => ({ x: 16, y: top + p * row + 8 + 15 * i, text }));
      return [words(at.slice(0, name.length), { fontWeight: 600 }), words(at.slice(name.length), { fill: FAINT })];
    }),
    ...heatMarks(maps.flat(), options),
    ...maps.flatMap(([map]) => tokenMarks(map, options, "left")),
    ...maps.at(-1)!.flatMap((map) => tokenMarks(map, options, "below")),
    ...first ? shadeKey(WIDTH - RIGHT, 14) : [],
  ] as Plot.Markish[]);
}

const stretch = ({ from, to }: Phase) => (to === null ? `from step ${count(from)}` : `steps ${count(from)}–${count(to)}`);
const some = (n: number, noun: string) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;

/** Smaller changes (`patternDistance`, 0 … 1) count as hardly any. */
const SLIGHT = 0.05;

/**
 * The finding: which head changes most after memorising (else since the first phase), at the queries that the output head reads, and from
 * which pattern to which.
 */
export function patternFinding(run: AttentionRun, shown: readonly PhasePattern[] = phasePatterns(run)): string {
  const sizes = sizesOf([run]), { L, H, T } = sizes, { mask } = run.spec.model, tokens = tokensOf(run.spec), last = shown.at(-1)!;
  const before = shown.find(({ name }) => name === "memorised") ?? shown[0];
  if (before === last) return `Seed ${run.spec.seed} gets no further than ${last.name}`;
  const queries = readQueries(run.spec), at = queries.map((query) => tokens[query]).join(", ");
  const pattern = ({ mean }: PhasePattern, layer: number, head: number) => rowsOf(mean, sizes, { layer, head, queries });
  const heads = range(L).flatMap((layer) =>
    range(H).map((head) => {
      return { layer, head, distance: patternDistance(pattern(before, layer, head), pattern(last, layer, head), T) };
    })
  ).sort((a, b) => b.distance - a.distance);
  const [{ layer, head, distance }] = heads, from = `from ${before.name} to ${last.name}`, far = `${distance.toFixed(2)} of 1`;
  if (distance < SLIGHT) return `At ${at}, no head changes much ${from}: the most is ${far}`;
  const [was, is] = [before, last].map((phase) => namePattern(pattern(phase, layer, head), { tokens, mask, queries }));
  const how = was === is ? `and stays “${is}”` : `from “${was}” to “${is}”`;
  return `At ${at}, ${headName(layer, head)} changes most ${from}, by ${far}, ${how}`;
}
