/** Entropy of every head over training, one line per head, with the validation accuracy behind. */
// @ts-types="@types/d3-array"
import { range } from "d3-array";
import * as Plot from "@observablehq/plot";
import { must } from "../../analysis/statistics/sample.ts";
import { type AttentionFigureOptions, checkRuns, headName, kindLine, medianEdges, ofOne, SHARES, timePanel } from "./shared.ts";
import { scaleOfSteps, type StepScale } from "../scale.ts";
import { compose, type Figure, VALIDATION } from "../theme.ts";
import { type AttentionRun, edgesOf, readQueries, sizesOf, tokensOf } from "../../analysis/attention/runs.ts";
import { capital, percent } from "../../analysis/words.ts";
import { headEntropies, type HeadEntropy } from "../../analysis/attention/courses.ts";
import { typicalRun } from "../../analysis/runs/groups.ts";

export interface EntropyOptions extends AttentionFigureOptions {
  /** The seed of the run to draw. Default: the run that groks at the median step. */
  readonly seed?: number;
  /** The queries whose entropy is drawn. Default: those that the output head reads. */
  readonly queries?: readonly number[];
}

/**
 * The entropy of each head of one run, one panel per layer. @throws Error where there is no run, one without readings, none with the given
 * seed, and for queries that see only one key.
 */
export function entropyFigure(runs: readonly AttentionRun[], { seed, queries, task, title, ...options }: EntropyOptions = {}): Figure {
  checkRuns(runs);
  const run = seed === undefined ? typicalRun(runs) : runs.find(({ spec }) => spec.seed === seed);
  must("draw entropies", "seed", run !== undefined, `must be one of ${runs.map(({ spec }) => spec.seed).join(", ")}`, seed);
  const heads = headEntropies(run!, queries), x = scaleOfSteps([run!], options), { L } = sizesOf([run!]);
  const at = (queries ?? readQueries(run!.spec)).map((query) => tokensOf(run!.spec)[query]).join(", ");
  return compose({
    title: title ?? entropyFinding(run!, heads),
    subtitle: `${ofOne(run!, runs, task)} Entropy is 100 % where a head attends evenly; mean over the probe's pairs. ` +
      `Shaded: validation accuracy.`,
    panels: range(L).map((layer) =>
      layerPanel(run!, heads.filter((head) => head.layer === layer), at, x, {
        height: layer === 0 ? 224 : layer === L - 1 ? 226 : 200,
        place: L === 1 ? "only" : layer === 0 ? "first" : layer === L - 1 ? "last" : "middle",
      })
    ),
  });
}

type Place = Pick<Parameters<typeof timePanel>[0], "height" | "place">;

function layerPanel(run: AttentionRun, heads: readonly HeadEntropy[], at: string, x: StepScale, place: Place) {
  const drawn = heads.map(({ head, points }) => {
    return { line: kindLine(`head ${head}`, head), points: points.filter(({ step }) => step >= x.domain[0]) };
  });
  return timePanel({
    ...{ x, y: SHARES, label: `Layer ${heads[0].layer}: entropy at ${at}`, edges: medianEdges([run]), ...place },
    names: drawn.flatMap(({ line, points }) => points.length > 0 ? [{ line, end: points.at(-1)!.entropy }] : []),
    marks: [
      Plot.areaY(run.metrics.filter(({ step }) => step >= x.domain[0]), {
        ...{ x: "step", y: "valAcc", fill: VALIDATION.color, fillOpacity: 0.16, ariaDescription: "validation accuracy" },
      }),
      ...drawn.map(({ line, points }) =>
        Plot.lineY(points, {
          ...{ x: "step", y: "entropy", stroke: line.color, strokeWidth: line.width, strokeDasharray: line.dash },
          ariaDescription: `${line.name} entropy`,
        })
      ),
    ],
  });
}

/** The smallest change that counts as a fall or rise, as a share of the largest possible entropy. */
const FALLEN = 0.05;

/** The finding: in how many heads entropy falls or rises after memorising, and in which one most. */
export function entropyFinding(run: AttentionRun, heads: readonly HeadEntropy[] = headEntropies(run)): string {
  const since = edgesOf(run).memorised ?? run.readings[0].step, when = edgesOf(run).memorised === null ? "" : " after memorising";
  const moved = heads.map(({ layer, head, points }) => {
    const from = (points.find(({ step }) => step >= since) ?? points.at(-1)!).entropy, to = points.at(-1)!.entropy;
    return { layer, head, from, to, fell: from - to };
  }).sort((a, b) => b.fell - a.fell);
  const fallen = moved.filter(({ fell }) => fell >= FALLEN).length, risen = moved.filter(({ fell }) => -fell >= FALLEN).length;
  const most = risen > fallen ? moved.at(-1)! : moved[0];
  const how = `most in ${headName(most.layer, most.head)}, from ${percent(most.from)} to ${percent(most.to)}`;
  if (fallen === 0 && risen === 0) return `Entropy stays within ${percent(FALLEN)} in all ${heads.length} heads${when}`;
  const share = (n: number) => n === heads.length ? `all ${n} heads` : `${n} of ${heads.length} heads`;
  const [first, second] = risen > fallen ? [["rises", risen], ["falls", fallen]] as const : [["falls", fallen], ["rises", risen]] as const;
  const others = second[1] > 0 ? ` and ${second[0]} in ${second[1]}` : "";
  return `${capital("entropy")} ${first[0]} in ${share(first[1])}${others}${when}, ${how}`;
}
