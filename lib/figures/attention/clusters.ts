/** The patterns of heads over training: the share of each cluster of patterns, one panel per layer, with the clusters' means as the key. */
// @ts-types="@types/d3-array"
import { range } from "d3-array";
import * as Plot from "@observablehq/plot";
import {
  type AttentionFigureOptions,
  checkRuns,
  heatMarks,
  KINDS,
  medianEdges,
  pixelPanel,
  shadeKey,
  SHARES,
  timePanel,
  tokenMarks,
  words,
} from "./shared.ts";
import { about } from "../runs.ts";
import { scaleOfSteps, type StepScale } from "../scale.ts";
import { compose, FAINT, type Figure, INK, MARGIN, textWidth, WIDTH } from "../theme.ts";
import { type AttentionRun, sizesOf, tokensOf } from "../../analysis/attention/runs.ts";
import { count, percent } from "../../analysis/words.ts";
import { type ClusteringOptions, type PatternClusters, patternClusters, shares } from "../../analysis/attention/pattern_clusters.ts";

export type ClusterFigureOptions = AttentionFigureOptions & ClusteringOptions;

/**
 * The share of each cluster over training, one panel per layer, all runs together.
 * @param clusters computed from the runs unless given.
 * @throws Error where there is no run or one without readings, runs differ in their model, and where `patternClusters` does.
 */
export function clusterFigure(
  runs: readonly AttentionRun[],
  options: ClusterFigureOptions = {},
  clusters: PatternClusters = (checkRuns(runs), patternClusters(runs, options)),
): Figure {
  checkRuns(runs);
  const x = scaleOfSteps(runs, options), { L, H } = sizesOf(runs), { task = about(runs).task, title } = options;
  const tokens = tokensOf(runs[0].spec), at = clusters.queries.map((query) => tokens[query]).join(", ");
  const heads = runs.length === 1 ? `${H} heads` : `${H} heads of ${runs.length} seeds`;
  return compose({
    title: title ?? clusterFinding(runs, clusters),
    subtitle:
      `${task ? `${task}. ` : ""}The attention at ${at} of each head at each reading, ${count(clusters.points.length)} patterns, in ` +
      `${clusters.k} clusters (k-means; mean silhouette ${clusters.silhouette.toFixed(2)}). Shares of a layer's ${heads}.`,
    panels: [
      ...range(L).map((layer) => layerPanel(runs, clusters, layer, x, L)),
      keyPanel(runs, clusters),
    ],
  });
}

/** Pixels between two points of a timeline. */
const COLUMN = 2;

/** Steps evenly spaced along the axis. */
function columns({ type, domain }: StepScale): number[] {
  const n = Math.floor((WIDTH - MARGIN.left - MARGIN.right) / COLUMN), [from, to] = domain;
  return range(n + 1).map((i) => type === "log" ? from * (to / from) ** (i / n) : from + (to - from) * i / n);
}

/** Cumulative shares of the clusters, [k + 1], from 0 to 1. */
const stacked = (all: readonly number[]) => all.reduce((sums, share) => [...sums, sums.at(-1)! + share], [0]);

function layerPanel(runs: readonly AttentionRun[], clusters: PatternClusters, layer: number, x: StepScale, L: number) {
  const steps = columns(x), stacks = shares(clusters, layer, steps).map(stacked);
  const edges = medianEdges(runs);
  const changes = steps.flatMap((step, i) =>
    i > 0 && i < steps.length - 1 && stacks[i].join() === stacks[i - 1].join() ? [] : [{ step, stack: stacks[i] }]
  );
  const areas = range(clusters.k).flatMap((c) => changes.map(({ step, stack }) => ({ c, step, low: stack[c], high: stack[c + 1] })));
  return timePanel({
    ...{ x, y: { ...SHARES, domain: [0, 1] }, label: `Layer ${layer}`, edges },
    ...{ height: layer === 0 || layer === L - 1 ? 200 : 174, over: true },
    place: L === 1 ? "only" : layer === 0 ? "first" : layer === L - 1 ? "last" : "middle",
    marks: [
      Plot.areaY(areas, {
        ...{ x: "step", y1: "low", y2: "high", z: "c", fill: ({ c }: { c: number }) => KINDS[c % KINDS.length].color, curve: "step-after" },
        ...{ stroke: "white", strokeWidth: 0.6, ariaDescription: "cluster" },
      }),
      ...numbers(clusters.k, steps, stacks, Object.values(edges).filter((edge) => edge !== null)),
    ],
  });
}

/** Columns that a number takes on either side, and the smallest share that fits it. */
const HALF = 6, HOLDS = 0.12;

/** The number of each cluster, placed where its band is thickest over the width of a number, away from the edges of phases. */
function numbers(k: number, steps: readonly number[], stacks: readonly (readonly number[])[], edges: readonly number[]): Plot.Markish[] {
  const free = range(steps.length).slice(HALF, -HALF).filter((i) =>
    edges.every((edge) => edge < steps[i - HALF] || edge > steps[i + HALF])
  );
  return range(k).flatMap((c) => {
    const places = free.map((i) => {
      const near = stacks.slice(i - HALF, i + HALF + 1), low = Math.max(...near.map((stack) => stack[c]));
      return { step: steps[i], low, high: Math.min(...near.map((stack) => stack[c + 1])) };
    });
    if (places.length === 0) return [];
    const thick = places.reduce((best, place) => place.high - place.low > best.high - best.low + 1e-9 ? place : best);
    if (thick.high - thick.low < HOLDS) return [];
    return [Plot.text([String(c + 1)], {
      ...{ x: [thick.step], y: [(thick.low + thick.high) / 2], fill: wordOn(c), fontWeight: 600, ariaDescription: "cluster number" },
    })];
  });
}

/** Text is dark on the light ones of `KINDS`. */
const wordOn = (c: number) => [1, 3, 5, 7].includes(c % KINDS.length) ? INK : "white";

/** The clusters' means with their names, in columns. */
function keyPanel(runs: readonly AttentionRun[], { centroids, names, counts, queries, k, points }: PatternClusters) {
  const options = { tokens: tokensOf(runs[0].spec), mask: runs[0].spec.model.mask, queries }, T = options.tokens.length;
  const cell = 15, map = queries.length === 1 ? 28 : 44, side = map + T * cell + 8, left = 16, top = 34;
  const lines = names.map((name) => [...name.split(", "), ""]);
  const wide = side + 8 + Math.max(...lines.flat().map((line) => textWidth(line, 12.5, true)));
  const across = Math.max(1, Math.min(k, Math.floor((WIDTH - left) / wide)));
  const row = Math.max(queries.length * cell + 26, 15 * Math.max(...lines.map(({ length }) => length)) + 8);
  const places = range(k).map((c) => ({ c, x: left + (c % across) * wide, y: top + Math.floor(c / across) * row }));
  const maps = places.map(({ c, x, y }) => ({ pattern: centroids[c], left: x + map, top: y, cell }));
  return pixelPanel(top + Math.ceil(k / across) * row + 2, [
    words([{ x: left, y: 14, text: "Mean pattern of each cluster, and its share of all patterns" }], { fontWeight: 600 }),
    ...shadeKey(WIDTH - 16, 14),
    Plot.rect(places, {
      ...{ x1: ({ x }) => x, x2: ({ x }) => x + 20, y1: ({ y }) => y, y2: ({ y }) => y + 17, ariaDescription: "key" },
      fill: ({ c }) => KINDS[c % KINDS.length].color,
    }),
    Plot.text(places, {
      ...{ x: ({ x }) => x + 10, y: ({ y }) => y + 9, text: ({ c }) => String(c + 1), fontWeight: 600, fill: ({ c }) => wordOn(c) },
    }),
    ...heatMarks(maps, options),
    ...maps.flatMap((map) => [...queries.length > 1 ? tokenMarks(map, options, "left") : [], ...tokenMarks(map, options, "below")]),
    words(places.flatMap(({ c, x, y }) => lines[c].map((text, i) => ({ x: x + side, y: y + 7 + 15 * i, text }))), { fontWeight: 600 }),
    words(places.map(({ c, x, y }) => ({ x: x + side, y: y + 7 + 15 * (lines[c].length - 1), text: percent(counts[c] / points.length) })), {
      fill: FAINT,
    }),
  ]);
}

/** Smaller changes of a share count as hardly any. */
const SLIGHT = 0.03;

/**
 * The finding: the pattern whose share of heads, over all layers, changes most between memorising (else the first reading) and the last
 * reading.
 */
export function clusterFinding(runs: readonly AttentionRun[], clusters: PatternClusters): string {
  const { memorised } = medianEdges(runs), first = Math.min(...runs.map(({ readings }) => readings[0].step));
  const last = Math.max(...runs.map(({ readings }) => readings.at(-1)!.step)), { L } = sizesOf(runs);
  const at = (step: number) => {
    const layers = range(L).map((layer) => shares(clusters, layer, [step])[0]);
    return range(clusters.k).map((c) => layers.reduce((sum, layer) => sum + layer[c] / L, 0));
  };
  const [before, after] = [at(memorised ?? first), at(last)];
  const [most] = range(clusters.k).sort((a, b) => Math.abs(after[b] - before[b]) - Math.abs(after[a] - before[a]));
  const verb = after[most] >= before[most] ? "spreads" : "shrinks", when = memorised === null ? "at first" : "when memorised";
  const name = `“${clusters.names[most]}”`;
  if (Math.abs(after[most] - before[most]) < SLIGHT) {
    return `The shares of patterns hardly change ${memorised === null ? "during training" : "after memorising"}: most that of ${
      most + 1
    }, ${name}, from ${percent(before[most])} to ${percent(after[most])}`;
  }
  return `Pattern ${most + 1}, ${name}, ${verb} from ${percent(before[most])} of the heads ${when} to ${percent(after[most])} at step ${
    count(last)
  }`;
}
