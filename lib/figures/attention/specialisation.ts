/**
 * How specialised heads are over training: measures per layer, which don't depend on the order of its heads, as medians and bands over
 * seeds.
 */
// @ts-types="@types/d3-array"
import { median as medianOf, range } from "d3-array";
import * as Plot from "@observablehq/plot";
import { must } from "../../analysis/statistics/sample.ts";
import { type AttentionFigureOptions, checkRuns, kindLine, medianEdges, SHARES, timePanel } from "./shared.ts";
import { curve, type Line } from "../curves.ts";
import { about, divergedWords } from "../runs.ts";
import { scaleOfSteps, type StepScale } from "../scale.ts";
import { compose, type Figure, type Panel, ticks } from "../theme.ts";
import { type AttentionGroup, type AttentionRun, edgesOf, readQueries, sizesOf, tokensOf } from "../../analysis/attention/runs.ts";
import { list, tight } from "../../analysis/words.ts";
import { type Band, bandsOf, thin } from "../../analysis/runs/bands.ts";
import { endOf } from "../../analysis/runs/run.ts";
import { medianStep } from "../../analysis/runs/times.ts";
import { type LayerCourse, layerCourse, type LayerMeasure } from "../../analysis/attention/courses.ts";

const NAMES: Readonly<Record<LayerMeasure, string>> = {
  specialisation: "Specialisation: how much the heads of a layer differ",
  entropySpread: "Spread of the heads' entropies",
  position: "Preference for positions",
  positionShare: "Share of the variation that position explains",
  content: "How much the example decides where heads look",
  entropy: "Entropy, of the most possible",
};

export interface SpecialisationFigureOptions extends AttentionFigureOptions {
  /** The queries that are measured. Default: those that the output head reads. */
  readonly queries?: readonly number[];
  /** The measures, one panel each. Default: how much heads differ, prefer positions, and depend on the example. */
  readonly measures?: readonly LayerMeasure[];
}

/** One measure of one layer, median and quartiles over the runs. */
const band = (runs: readonly AttentionRun[], courses: readonly LayerCourse[], layer: number, measure: LayerMeasure): Band[] =>
  bandsOf(courses, ({ layers }) => layers[layer][measure] ?? NaN, runs.map(endOf));

/**
 * One panel per measure, one line per layer. @throws Error where there is no run or one without readings, and where `specialisation` does.
 */
export function specialisationFigure(
  runs: readonly AttentionRun[],
  { queries, measures = ["specialisation", "position", "content"], task = about(runs).task, title, ...options }:
    SpecialisationFigureOptions = {},
): Figure {
  checkRuns(runs);
  must("draw specialisation", "the number of measures", measures.length > 0, "must be at least 1", measures.length);
  const courses = runs.map((run) => layerCourse(run, queries)), x = scaleOfSteps(runs, options), { L } = sizesOf(runs);
  return compose({
    title: title ?? specialisationFinding(runs, courses, measures[0]),
    subtitle: `${task ? `${task}. ` : ""}${howToRead(runs, queries)}`,
    panels: measures.map((measure, i) => {
      const lines = range(L).map((layer) => ({ line: kindLine(`layer ${layer}`, layer), bands: band(runs, courses, layer, measure) }));
      return linesPanel({ lines, x, label: NAMES[measure], edges: medianEdges(runs), i, n: measures.length });
    }),
  });
}

/**
 * One measure, one panel per layer, one line per group: for example operations that are learnt, and one that can't be.
 * @throws Error where a group has no run, runs differ in their model, and where `specialisation` does.
 */
export function specialisationByGroup(
  groups: readonly AttentionGroup[],
  { queries, measures: [measure] = ["specialisation"], task, title, ...options }: SpecialisationFigureOptions = {},
): Figure {
  const runs = groups.flatMap((group) => group.runs), L = (checkRuns(runs), sizesOf(runs).L);
  for (const { name, runs } of groups) {
    must("draw specialisation", `the number of runs of ${name}`, runs.length > 0, "must be at least 1", 0);
  }
  const courses = groups.map(({ runs }) => runs.map((run) => layerCourse(run, queries))), x = scaleOfSteps(runs, options);
  const drawn = groups.map(({ name, runs }, g) =>
    range(L).map((layer) => ({ line: kindLine(name, g), bands: band(runs, courses[g], layer, measure) }))
  );
  // One scale for all layers, so that they can be compared.
  const most = Math.max(...drawn.flat().flatMap(({ bands }) => bands.filter(({ step }) => step >= x.domain[0]).map(({ high }) => high)));
  const moments = groups.flatMap(({ name, runs }, g) => {
    const step = medianStep(runs.map(({ grokkingStep }) => grokkingStep));
    return step === null ? [] : [{ line: kindLine(name, g), step }];
  });
  return compose({
    title: title ?? groupFinding(groups, courses, measure),
    subtitle: `${task ? `${task}. ` : ""}${NAMES[measure]}. ${
      howToRead(runs, queries, "the seeds")
    } Vertical line: median step of grokking.`,
    panels: range(L).map((layer) => {
      const lines = drawn.map((layers) => layers[layer]), edges = { memorised: null, transition: null, generalised: null };
      return linesPanel({ lines, x, label: `Layer ${layer}`, edges, i: layer, n: L, most, moments });
    }),
  });
}

const howToRead = (runs: readonly AttentionRun[], queries: readonly number[] = readQueries(runs[0].spec), seeds = `${runs.length} seeds`) =>
  `Attention at ${queries.map((query) => tokensOf(runs[0].spec)[query]).join(", ")}. ${
    runs.length > 1 ? `Lines: medians of ${seeds}; bands: the middle half.` : "One seed."
  }${divergedWords(runs)}`;

interface Lines {
  readonly lines: readonly { readonly line: Line; readonly bands: readonly Band[] }[];
  readonly x: StepScale;
  readonly label: string;
  readonly edges: ReturnType<typeof medianEdges>;
  readonly i: number;
  readonly n: number;
  /** The largest value of all panels that share a scale. Default: that of the panel itself. */
  readonly most?: number;
  /** Median grokking steps of groups. */
  readonly moments?: readonly { readonly line: Line; readonly step: number }[];
}

function linesPanel({ lines, x, label, edges, i, n, moments = [], most: given }: Lines): Panel {
  const drawn = lines.map(({ line, bands }) => ({ line, bands: thin(bands.filter(({ step }) => step >= x.domain[0]), x.pixel) }));
  const most = Math.max(0.05, given ?? Math.max(...drawn.flatMap(({ bands }) => bands.map(({ high }) => high))));
  // All measures run from 0 to 1; small ones get a smaller scale.
  const domain = most > 0.5 ? SHARES.domain : [0, 1.06 * most] as const, every = ticks(...domain, "linear");
  return timePanel({
    ...{ x, label, edges, height: i === n - 1 ? 196 : 176, place: n === 1 ? "only" : i === 0 ? "first" : i === n - 1 ? "last" : "middle" },
    y: {
      domain,
      ticks: most > 0.5 ? SHARES.ticks : every.filter((_, t) => every.length < 6 || t % 2 === 0),
      format: (value) => String(Number(value.toFixed(3))),
    },
    names: drawn.flatMap(({ line, bands }) => bands.length > 0 ? [{ line, end: bands.at(-1)!.mid }] : []),
    marks: [
      ...moments.map(({ line, step }) =>
        Plot.ruleX([step], { stroke: line.color, strokeDasharray: line.dash, strokeOpacity: 0.8, ariaDescription: "median grokked" })
      ),
      ...drawn.flatMap(({ line, bands }) => curve(line, bands)),
    ],
  });
}

const median = (values: readonly number[]) => medianOf(values) ?? NaN;
const short = (measure: LayerMeasure) => NAMES[measure].split(/[:,]/)[0];

/** The measure of a layer at a run's last reading up to a step (else its first reading); `null` where it has no value. */
const valueAt = (course: LayerCourse, layer: number, measure: LayerMeasure, step: number) =>
  (course.findLast((reading) => reading.step <= step) ?? course[0]).layers[layer][measure];

/**
 * The finding: how the measure changes in each layer from memorising (else the first reading) to the last reading, medians over the runs.
 */
export function specialisationFinding(
  runs: readonly AttentionRun[],
  courses: readonly LayerCourse[],
  measure: LayerMeasure = "specialisation",
): string {
  const memorised = runs.map((run) => edgesOf(run).memorised), all = memorised.every((step) => step !== null);
  const moves = range(sizesOf(runs).L).flatMap((layer) => {
    const of = (stepOf: (run: number) => number) =>
      median(courses.flatMap((course, r) => valueAt(course, layer, measure, stepOf(r)) ?? []));
    const [from, to] = [of((r) => all ? memorised[r]! : 0), of(() => Infinity)].map((value) => value.toFixed(2));
    return from === "NaN" || to === "NaN" ? [] : [{ from, to, words: `from ${from} to ${to} in layer ${layer}` }];
  });
  if (moves.length === 0) return `${short(measure)} has no value here`;
  const verb = moves.every(({ from, to }) => to < from) ? "falls" : moves.every(({ from, to }) => to > from) ? "rises" : "goes";
  return `${short(measure)} ${verb} ${list(moves.map(({ words }) => words))} ${all ? "after memorising" : "during training"}`;
}

/** The finding: the groups with the largest and the smallest value at their last readings, means over layers, medians over runs. */
function groupFinding(groups: readonly AttentionGroup[], courses: readonly (readonly LayerCourse[])[], measure: LayerMeasure): string {
  const ranked = groups.map(({ name }, g) => {
    const values = courses[g].flatMap((course) => {
      const layers = course.at(-1)!.layers.flatMap((layer) => layer[measure] ?? []);
      return layers.length > 0 ? [layers.reduce((sum, x) => sum + x, 0) / layers.length] : [];
    });
    return { name, value: median(values) };
  }).filter(({ value }) => Number.isFinite(value)).sort((a, b) => b.value - a.value);
  const say = ({ name, value }: typeof ranked[number]) => `${tight(name)} (${value.toFixed(2)})`;
  if (ranked.length === 0) return `${short(measure)} has no value here`;
  if (ranked.length === 1) return `${short(measure)} in the end: ${say(ranked[0])}`;
  return `${short(measure)} in the end is highest for ${say(ranked[0])}, lowest for ${say(ranked.at(-1)!)}, mean over layers`;
}
