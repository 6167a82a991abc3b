/**
 * Figures of representations: how similar the network's features of two answers are, the circles they lie on, and the power of embedding,
 * features and logits by frequency.
 */
import * as Plot from "@observablehq/plot";
import { strongest } from "../analysis/network/fourier.ts";
import type { Reading } from "../analysis/network/reading.ts";
import { taskName } from "../run/operations.ts";
import type { RunSpec } from "../run/spec.ts";
import { picture, planePanel, tint } from "./inside.ts";
import { compose, FAINT, type Figure, HALO, INK, MARGIN, type Panel, panel, VALIDATION, WIDTH } from "./theme.ts";
import { count, percent } from "../analysis/words.ts";

/** The parts of a probe that these figures need; `probe` returns them. */
export interface Probed {
  readonly spec: RunSpec;
  /** The run's key frequencies, the strongest first. */
  readonly keys: readonly number[];
  /** Whether the key frequencies were found over the neurons, the paper's rule, or in the logits. */
  readonly rule?: "neurons" | "logits";
  /** By step, ascending. */
  readonly readings: readonly Reading[];
}

/**
 * Cosine matrix, spectra and circles of one network, at one of its readings.
 * @param at index of the reading; default: the last.
 */
export function representationFigure({ spec, keys, rule, readings }: Probed, at = readings.length - 1, title?: string): Figure {
  const reading = readings[at];
  return compose({
    title: title ?? representationFinding(keys, reading),
    subtitle:
      `${of(spec)} at step ${count(reading.step)}. Left: the cosine between the mean features of every two answers. Right: shares of ` +
      `power by frequency${
        few(keys) ? `, key frequencies${rule === "neurons" ? " of the neurons" : ""} in colour` : ""
      }. Below: the power of the logits' waves over a and b, by area, and the answers in ` +
      `the planes of the strongest frequencies.`,
    panels: [
      [similarityPanel(reading, { width: 320, name: "Cosine similarity of the answers" }), spectrumPanel(reading, keys, WIDTH - 320)],
      lowerPanels(reading, keys),
    ],
  });
}

/** The cosine matrices of up to four readings side by side, of more the first, the last and two between: from random to circulant. */
export function similarityFigure({ spec, readings }: Pick<Probed, "spec" | "readings">, title?: string): Figure {
  const last = readings.at(-1)!, first = readings[0];
  return compose({
    title: title ??
      `The distance between two answers explains ${percent(first.circulant)} of how similar they are at step ${count(first.step)}` +
        (readings.length > 1 ? `, ${percent(last.circulant)} at step ${count(last.step)}` : ""),
    subtitle:
      `${of(spec)}. The cosine between the mean features of every two answers, about their common mean. Stripes along the diagonal mean ` +
      `that it depends on (i − j) mod ${spec.data.prime} alone.`,
    panels: [similarityPanels(four(readings))],
  });
}

/** The matrices of up to four readings, side by side. */
export const similarityPanels = (readings: readonly Reading[]): readonly Panel[] =>
  readings.map((reading, i) => similarityPanel(reading, { width: WIDTH / 4, name: `Step ${count(reading.step)}`, key: i === 0 }));

/** Up to four elements of a list: the first, the last, and two evenly spaced between. */
const four = <T>(list: readonly T[]): T[] =>
  list.length <= 4 ? [...list] : [0, 1, 2, 3].map((i) => list[Math.round(i * (list.length - 1) / 3)]);

const of = ({ data: { operation, prime }, seed }: RunSpec) => `${taskName(operation, prime)}, seed ${seed}`;

/** The finding of a reading. */
export function representationFinding(keys: readonly number[], { circulant, explained }: Reading): string {
  return `${keyWords(keys)} ${keys.length === 1 ? "explains" : "explain"} ${percent(explained)} of the logits; the distance ` +
    `between two answers explains ${percent(circulant)} of how similar they are`;
}

/** Many key frequencies are no structure: then they are neither named nor coloured. */
const few = (keys: readonly number[]) => keys.length <= 8;

/** The key frequencies in words: named where they are few, else counted. */
export function keyWords(keys: readonly number[]): string {
  if (keys.length === 0) return "No frequencies";
  if (!few(keys)) return `${keys.length} frequencies`;
  const names = keys.toSorted((a, b) => a - b).map(String);
  return keys.length === 1 ? `Frequency ${names[0]}` : `Frequencies ${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

interface SimilarityOptions {
  readonly width: number;
  readonly name: string;
  /** Whether the colour key is drawn. */
  readonly key?: boolean;
}

/** The cosine matrix of the answers: vermilion 1, white 0, blue −1. Below it, how much of it the distance of the answers explains. */
export function similarityPanel({ similarity, circulant }: Reading, { width, name, key = true }: SimilarityOptions): Panel {
  const p = similarity.rows, large = width > 250, left = large ? 40 : 16, right = 14, top = MARGIN.close, side = width - left - right;
  const marks = large ? Array.from({ length: p }, (_, c) => c).filter((c) => c % nice(p / 4) === 0) : [];
  return panel({
    ...{
      width,
      height: side + top + (large ? 64 : 58),
      marginLeft: left,
      marginRight: right,
      marginTop: top,
      marginBottom: large ? 64 : 58,
    },
    x: { domain: [0, p], axis: null },
    y: { domain: [p, 0], axis: null },
    marks: [
      Plot.image([0], {
        ...{ x: p / 2, y: p / 2, width: side, height: side, src: () => picture(similarity, 1) },
        ...{ preserveAspectRatio: "none", imageRendering: "pixelated", ariaDescription: "cosine similarity" },
      }),
      Plot.frame({ stroke: FAINT, strokeOpacity: 0.5 }),
      Plot.text(marks, { x: (c) => c + 0.5, text: String, frameAnchor: "bottom", dy: 6, lineAnchor: "top", fill: FAINT }),
      Plot.text(marks, { y: (c) => c + 0.5, text: String, frameAnchor: "left", dx: -6, textAnchor: "end", fill: FAINT }),
      ...head(name, left, top),
      Plot.text([`distance explains ${percent(circulant)}`], {
        ...{ frameAnchor: "bottom-left", dy: large ? 38 : 20, lineAnchor: "bottom", textAnchor: "start", fill: FAINT },
      }),
      ...key ? colourKey(large ? 50 : 44) : [],
    ],
  });
}

/** The smallest of 1, 2, 5 times a power of ten that isn't below `rough`. */
const nice = (rough: number) => {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
  return [1, 2, 5, 10].map((m) => m * power).find((m) => m >= rough)!;
};

/** The colour key, `dy` pixels below the frame. */
const colourKey = (dy: number): Plot.Markish[] => {
  const values = [-1, -0.5, 0, 0.5, 1], place = { frameAnchor: "bottom-left", dy } as const;
  const words = [["−1", 0], ["1", values.length * 15 + 26]] as const;
  return [
    ...values.map((value, i) =>
      Plot.dot([value], {
        ...place,
        dx: 30 + 15 * i,
        symbol: "square",
        r: 6.5,
        fill: `rgb(${tint(value).join()})`,
        stroke: FAINT,
        strokeWidth: 0.4,
      })
    ),
    ...words.map(([text, dx]) => Plot.text([text], { ...place, dx, textAnchor: "start", lineAnchor: "middle", fill: FAINT })),
  ];
};

const head = (text: string, left: number, top: number) => [
  Plot.text([text], {
    ...{ frameAnchor: "top-left", dx: Math.min(0, 16 - left), dy: 4 - top, lineAnchor: "top", textAnchor: "start", fontWeight: 600 },
  }),
];

/** Power by frequency, one row each: of the embedding, the answers' mean features, and the logits along the answer. */
export const spectrumPanel = ({ embedding, features, logits }: Reading, keys: readonly number[], width = WIDTH): Panel =>
  powerPanel(
    [
      { name: "Embedding W_E", shares: embedding },
      { name: "Mean features of the answers", shares: features },
      { name: "Logits, at cos and sin of the answer's angle", shares: logits },
    ],
    keys,
    width,
  );

/** Shares of power by frequency, 0 … 1, [h]: frequency k = 1 … h at index k − 1. */
export interface Power {
  readonly name: string;
  readonly shares: ArrayLike<number>;
}

/** Shares of power by frequency, one row each on the same scale; key frequencies in colour, where they are few. */
export function powerPanel(rows: readonly Power[], keys: readonly number[], width: number): Panel {
  const inner = 96 * (rows.length - 1) + 74;
  const h = rows[0].shares.length, top = MARGIN.close, bottom = 64, row = 96, left = 44, height = inner + top + bottom;
  const bars = rows.flatMap(({ shares }, i) =>
    Array.from(shares, (share, at) => ({ i, k: at + 1, share, key: few(keys) && keys.includes(at + 1) }))
  );
  const most = Math.max(1e-6, ...bars.map(({ share }) => share));
  /** The height of a share in row i, whose baseline is at −i. */
  const y = (i: number, share: number) => 0.58 * share / most - i;
  const named = bars.filter(({ key, share }) => key && share > 0.02 * most);
  const step = nice(h / 6);
  return panel({
    ...{ width, height, marginLeft: left, marginRight: 16, marginTop: top, marginBottom: bottom },
    x: { domain: [0.5, h + 0.5], axis: null },
    y: { domain: [1 - rows.length, inner / row + 1 - rows.length + 0.12], axis: null },
    marks: [
      Plot.ruleY(rows, { y: (_, i) => -i, stroke: FAINT, strokeOpacity: 0.6 }),
      Plot.rect(bars, {
        ...{ x1: ({ k }) => k - 0.5, x2: ({ k }) => k + 0.5, y1: ({ i }) => -i, y2: ({ i, share }) => y(i, share) },
        ...{ insetLeft: Math.min(1, 120 / h / 4), insetRight: Math.min(1, 120 / h / 4), ariaDescription: "power" },
        fill: ({ key }) => key ? VALIDATION.color : "#9a9a9a",
      }),
      Plot.text(named, {
        ...{ x: "k", y: ({ i, share }) => y(i, share), text: ({ k }) => String(k), dy: -3, lineAnchor: "bottom", fill: VALIDATION.text },
        ...{ fontWeight: 600, fontSize: 11 },
      }),
      Plot.text(rows, {
        x: 0.5,
        y: (_, i) => 0.8 - i,
        text: "name",
        textAnchor: "start",
        lineAnchor: "bottom",
        dx: 16 - left,
        fontWeight: 600,
      }),
      Plot.text(rows, { x: 0.5, y: (_, i) => y(i, most), text: () => percent(most), dx: -6, textAnchor: "end", fill: FAINT }),
      Plot.text(rows, { x: 0.5, y: (_, i) => -i, text: () => "0", dx: -6, textAnchor: "end", fill: FAINT }),
      Plot.text(Array.from({ length: h }, (_, i) => i + 1).filter((k) => k === 1 || k % step === 0), {
        ...{ x: (k) => k, text: String, frameAnchor: "bottom", dy: 6, lineAnchor: "top", fill: FAINT },
      }),
      Plot.text(["frequency →"], { frameAnchor: "bottom-right", dy: 38, lineAnchor: "bottom", textAnchor: "end", fill: FAINT }),
    ],
  });
}

/** The lower row: the logits' power over pairs, and the answers' mean features in the planes of the two strongest key frequencies. */
function lowerPanels(reading: Reading, keys: readonly number[]): readonly Panel[] {
  const { means, features } = reading, planes = keys.length > 0 ? keys.slice(0, 2) : strongest(features, 2);
  const circles = planes.map((k) => planePanel(means, k, features[k - 1], "these features"));
  const bottom = circles[0].marginBottom!, side = 202, right = 14, lefts = [34, 19], height = side + MARGIN.close + bottom;
  return [
    pairPanel(reading, { width: side + lefts[0] + right, height, left: lefts[0], right, bottom }),
    ...circles.map((each) => ({ ...each, width: side + lefts[1] + right, height, marginLeft: lefts[1], marginRight: right })),
  ];
}

/** Waves below the first share of power aren't drawn; waves above the second are labelled. */
const SLIGHT = 5e-4, NAMED = 0.02;

/**
 * The power of the logits' waves over the frequencies of a and b, by the area of a dot: what depends on a + b lies on one diagonal, what
 * depends on a − b on the other. A network that adds has only a few dots, so that an image of all frequencies would look empty.
 */
function pairPanel(
  { pairs: { p, shares } }: Reading,
  { width, height, left, right, bottom }: { width: number; height: number; left: number; right: number; bottom: number },
): Panel {
  // Frequencies of b go from −o to h; of an even modulus, −p / 2 and p / 2 are one.
  const h = p >> 1, o = (p - 1) >> 1;
  const waves = Array.from(shares, (share, i) => ({ share, of: Math.floor(i / p), and: (i % p) - o }))
    .filter(({ share }) => share > SLIGHT).sort((x, y) => y.share - x.share);
  const under = (text: string, frameAnchor: "bottom-left" | "bottom" | "bottom-right") =>
    Plot.text([text], { frameAnchor, dy: 6, lineAnchor: "top", fill: FAINT });
  return panel({
    ...{ width, height, marginLeft: left, marginRight: right, marginTop: MARGIN.close, marginBottom: bottom },
    x: { domain: [-o - 0.5, h + 0.5], axis: null },
    y: { domain: [h + 0.5, -0.5], axis: null },
    r: { type: "identity" },
    marks: [
      Plot.line([[-o, o], [0, 0], [h, h]], { stroke: FAINT, strokeOpacity: 0.6, strokeDasharray: "1 3" }),
      Plot.dot(waves, {
        ...{ x: "and", y: "of", r: ({ share }) => 13 * Math.sqrt(share), fill: VALIDATION.color, fillOpacity: 0.75 },
        ...{ stroke: "white", strokeWidth: 0.4, ariaDescription: "logits over pairs" },
      }),
      ...waves.filter(({ share }) => share > NAMED).slice(0, 4).map(({ share, of, and }) => {
        const side = and > 0.7 * h ? -1 : 1; // labels stay within the frame, and above those of the diagonals
        return Plot.text([String(of)], {
          ...{
            x: [and],
            y: [of],
            dx: side * (13 * Math.sqrt(share) + 4),
            dy: of > 0.9 * h ? -24 : 0,
            textAnchor: side > 0 ? "start" : "end",
          },
          ...{ fontSize: 10.5, fill: INK, ...HALO },
        });
      }),
      Plot.frame({ stroke: FAINT, strokeOpacity: 0.5 }),
      ...head("Logits over pairs", left, MARGIN.close),
      under(`−${o}`, "bottom-left"),
      under("frequency of b", "bottom"),
      under(String(h), "bottom-right"),
      Plot.text(["frequency of a →"], { frameAnchor: "top-left", dx: -10, rotate: 90, textAnchor: "start", fill: FAINT }),
      ...([["a − b", -1, "start"], ["a + b", 1, "end"]] as const).map(([text, side, textAnchor]) =>
        Plot.text([text], { x: side * h, y: h, dx: -14 * side, dy: -4, textAnchor, lineAnchor: "bottom", fill: FAINT, ...HALO })
      ),
    ],
  });
}
