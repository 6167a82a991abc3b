/**
 * The weights of a network during training: its embedding in the planes of its two strongest frequencies, where circles form; its output
 * head as an image, where stripes form.
 */
import * as Plot from "@observablehq/plot";
import { encode } from "fast-png";
import { type Matrix, plane, powerSpectrum, strongest } from "../analysis/network/fourier.ts";
import type { Inside } from "../analysis/network/weights.ts";
import { compose, FAINT, type Figure, HALO, INK, MARGIN, type Panel, panel, TRAIN, VALIDATION, WIDTH } from "./theme.ts";
import { capital, count } from "../analysis/words.ts";

/** Pixels: the widths of the head's image and of each of the two planes beside it, and the height that makes the planes' frames square. */
const PICTURE = 292, PLANE = (WIDTH - PICTURE) / 2, HEIGHT = PLANE - 20 + MARGIN.close + 44;

/** The output head and the embedding's circles, of one network. */
export function insideFigure(inside: Inside, title = insideFinding(inside)): Figure {
  const { seed, step } = inside;
  return compose({
    title,
    subtitle: `Seed ${seed} at step ${count(step)}. ${READING}`,
    panels: [insidePanels(inside)],
  });
}

/** The output head alone. */
export function headFigure(inside: Inside, title = `The output head at step ${count(inside.step)}`): Figure {
  const row = inside.reads === "neurons" ? "neuron" : "direction of the residual stream";
  return compose({
    title,
    subtitle: `Seed ${inside.seed}. One column per answer, one row per ${row}.`,
    panels: [[headPanel(inside)]],
  });
}

/** The embedding's circles alone. */
export function embeddingFigure(inside: Inside, title = insideFinding(inside)): Figure {
  const { seed, step } = inside, [, ...planes] = insidePanels(inside);
  return compose({ title, subtitle: `Seed ${seed} at step ${count(step)}. ${capital(PLANES)}`, panels: [planes] });
}

const PLANES =
  "the numbers as the network embeds them, in the planes of its two strongest frequencies. Where they form a circle, a line goes round it.";
export const READING = `Left: the output head, one column per answer. Right: ${PLANES}`;

/** The finding: the share of the embedding's power at its two strongest frequencies. */
export function insideFinding({ embedding }: Inside): string {
  const spectrum = powerSpectrum(embedding), two = strongest(spectrum, 2);
  const share = two.reduce((sum, k) => sum + spectrum[k - 1], 0);
  return `Two of ${spectrum.length} frequencies, ${two.join(" and ")}, hold ${Math.round(100 * share)} % of the embedding`;
}

/** The panels of `insideFigure`, to be placed side by side. */
export function insidePanels(inside: Inside): readonly Panel[] {
  const { embedding } = inside, spectrum = powerSpectrum(embedding);
  return [headPanel(inside), ...strongest(spectrum, 2).map((k) => planePanel(embedding, k, spectrum[k - 1]))];
}

/** W_U as an image with one square per weight: vermilion above zero, blue below, full colour at the largest absolute weight. */
export function headPanel({ head, reads }: Pick<Inside, "head" | "reads">): Panel {
  const { rows, columns } = head;
  return panel({
    ...{ width: PICTURE, height: HEIGHT, marginLeft: 40, marginRight: 14, marginTop: MARGIN.close, marginBottom: 44 },
    x: { domain: [0, columns], axis: null },
    y: { domain: [rows, 0], axis: null },
    marks: [
      Plot.image([0], {
        ...{ x: columns / 2, y: rows / 2, width: PICTURE - 54, height: HEIGHT - MARGIN.close - 44 },
        src: () => picture(head),
        preserveAspectRatio: "none",
        imageRendering: "pixelated",
        ariaDescription: "output head",
      }),
      Plot.frame({ stroke: FAINT, strokeOpacity: 0.5 }),
      ...name("Output head W_U", 40),
      Plot.text(["answer →"], { frameAnchor: "bottom-right", dy: 22, fill: FAINT }),
      Plot.text([`${reads} →`], { frameAnchor: "bottom-left", dx: -12, rotate: -90, textAnchor: "start", fill: FAINT }),
    ],
  });
}

/**
 * The numbers 0 … p − 1 in the plane of frequency k, connected in their order on the circle. `share`: the frequency's share of the power of
 * `whole`, 0 … 1.
 */
export function planePanel(matrix: Matrix, k: number, share: number, whole = "the embedding"): Panel {
  const p = matrix.rows, points = plane(matrix, k);
  const reach = 1.2 * Math.max(1e-9, ...points.flatMap(({ x, y }) => [Math.abs(x), Math.abs(y)]));
  const order = inOrder(k, p).map((a) => ({ a, ...points[a] }));
  const circle = isCircle(order), pixels = (PLANE - 20) / (2 * reach);
  // Each label lies on the outer side of its dot, and is left out where it would cover another one; off a circle, also where it would cover
  // a dot.
  const places = order.filter((_, i) => i % Math.ceil(p / 16) === 0).map(({ a, x, y }) => {
    const far = 11 / Math.max(1e-9, Math.hypot(x, y));
    return { a, x, y, dx: far * x, dy: -far * y };
  });
  const dots = circle ? [] : order.map(({ x, y }) => ({ x: x * pixels, y: -y * pixels }));
  const named = apart(places, (place) => ({ x: place.x * pixels + place.dx, y: place.dy - place.y * pixels }), dots);
  return panel({
    ...{ width: PLANE, height: HEIGHT, marginLeft: 6, marginRight: 14, marginTop: MARGIN.close, marginBottom: 44 },
    x: { domain: [-reach, reach], axis: null },
    y: { domain: [-reach, reach], axis: null },
    marks: [
      Plot.frame({ stroke: FAINT, strokeOpacity: 0.5 }),
      Plot.line(circle ? [...order, order[0]] : [], {
        x: "x",
        y: "y",
        stroke: FAINT,
        strokeWidth: 0.8,
        strokeOpacity: 0.7,
        ariaDescription: "circle",
      }),
      Plot.dot(order, { x: "x", y: "y", r: 2.2, fill: VALIDATION.color, ariaDescription: `frequency ${k}` }),
      ...named.map(({ dx, dy, ...point }) =>
        Plot.text([point], { x: "x", y: "y", text: [String(point.a)], dx, dy, fontSize: 10.5, fill: INK, ...HALO })
      ),
      ...name(`Frequency ${k}`, 6),
      Plot.text([`${Math.round(100 * share)} % of ${whole}${circle ? "" : ", no circle"}`], {
        frameAnchor: "bottom-right",
        dy: 22,
        fill: FAINT,
      }),
    ],
  });
}

/** The longest path that counts as a circle, in circumferences of a circle with the mean radius. */
const ROUND = 2;

/**
 * Whether points lie on a circle in the given order: the closed path through them is less than `ROUND` times as long as the circumference.
 */
export function isCircle(order: readonly { readonly x: number; readonly y: number }[]): boolean {
  const way = order.reduce((sum, { x, y }, i) => {
    const next = order[(i + 1) % order.length];
    return sum + Math.hypot(next.x - x, next.y - y);
  }, 0);
  const radius = order.reduce((sum, { x, y }) => sum + Math.hypot(x, y), 0) / order.length;
  return way < ROUND * 2 * Math.PI * radius;
}

/** The size of a label, in pixels. */
const NAME = { width: 16, height: 12 };

interface Point {
  readonly x: number;
  readonly y: number;
}

/** The labels that cover neither an earlier one nor any of these dots, all in pixels. */
function apart<T>(names: readonly T[], at: (name: T) => Point, dots: readonly Point[]): T[] {
  const kept: Point[] = [];
  const beyond = (other: Point, { x, y }: Point, part: number) =>
    Math.abs(other.x - x) >= part * NAME.width || Math.abs(other.y - y) >= part * NAME.height;
  return names.filter((name) => {
    const here = at(name), free = kept.every((other) => beyond(other, here, 1)) && dots.every((dot) => beyond(dot, here, 0.5));
    if (free) kept.push(here);
    return free;
  });
}

const name = (text: string, marginLeft: number) => [
  Plot.text([text], {
    ...{
      frameAnchor: "top-left",
      dx: marginLeft === 40 ? 16 - marginLeft : 0,
      dy: 4 - MARGIN.close,
      lineAnchor: "top",
      textAnchor: "start",
    },
    fontWeight: 600,
  }),
];

/** 0 … p − 1 in their order on the circle of frequency k: the number a lies at the angle 2πka / p. */
export function inOrder(k: number, p: number): number[] {
  return Array.from({ length: p }, (_, a) => a).sort((a, b) => (k * a % p) - (k * b % p));
}

/** Pixels per side of a weight's square: some renderers blur an image that they enlarge. */
const SQUARE = 6;

/** The largest absolute value, never 0. */
const largest = ({ values }: Matrix) => Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);

/** A matrix as a PNG in a data URL: vermilion above zero, blue below, full colour at `most`. */
export function picture(matrix: Matrix, most = largest(matrix)): string {
  const { rows, columns, values } = matrix;
  const [width, height] = [SQUARE * columns, SQUARE * rows], data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      data.set(tint(values[Math.floor(y / SQUARE) * columns + Math.floor(x / SQUARE)] / most), 3 * (y * width + x));
    }
  }
  const png = encode({ width, height, data, channels: 3, depth: 8 });
  return `data:image/png;base64,${btoa(Array.from(png, (byte) => String.fromCharCode(byte)).join(""))}`;
}

const [BELOW, ABOVE] = [TRAIN.color, VALIDATION.color].map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
/** The RGB colour of x, −1 … 1, from blue over white to vermilion. */
export const tint = (x: number) => (x < 0 ? BELOW : ABOVE).map((full) => Math.round(255 + Math.abs(x) * (full - 255)));
