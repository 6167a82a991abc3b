/**
 * The style of all figures, and how Plot's panels are combined into one: a `Figure` is a self-contained SVG with a title that states the
 * finding, a subtitle that says how to read it, and panels below each other.
 */
// @ts-types="@types/d3-array"
import { ticks as linearTicks } from "d3-array";
import { escapeMarkup } from "./markup.ts";
import * as Plot from "@observablehq/plot";
import { DOMParser } from "linkedom";
import { count } from "../analysis/words.ts";

/**
 * One colour for training and one for validation, throughout the project. Blue and vermilion are distinct under all common forms of colour
 * blindness; in grey, the lines' dash and width differ. `text` is the colour for text, which needs more contrast than lines.
 */
export const TRAIN = { name: "training", color: "#0b5394", text: "#0b5394", dash: "5 3", width: 1.6 } as const;
export const VALIDATION = { name: "validation", color: "#d55e00", text: "#b34700", dash: "none", width: 2.4 } as const;
export type Series = typeof TRAIN | typeof VALIDATION;

export const INK = "#1a1a1a";
export const FAINT = "#6b6b6b";
export const GRID = "#e4e4e4";
/** A white outline keeps text readable where a line crosses it. */
export const HALO = { stroke: "white", strokeWidth: 4, paintOrder: "stroke", strokeLinejoin: "round" } as const;

export const FONT = "Inter, 'Helvetica Neue', Arial, sans-serif";
export const WIDTH = 720;
/** Pixels. `top` has room for labels between the y axis's name and the frame; `close`, the smaller top margin, has not. */
export const MARGIN = { left: 62, right: 78, top: 42, close: 30, bottom: 46 } as const;
const SIZE = { title: 16, subtitle: 12.5, text: 12.5 };
const LINE = 1.35;

/** A panel: the options for Plot, a plain object. */
export type Panel = Plot.PlotOptions & { readonly height: number };

/** Jupyter puts an SVG into a box of fixed size. This style lets the box shrink in a narrow window, as images do on other pages. */
const SHRINKING = "<style>.output_svg>div{max-width:100%;height:auto!important}</style>";

/** A finished figure: pixels at scale 1, and the SVG text. */
export class Figure {
  constructor(readonly svg: string, readonly title: string, readonly width: number, readonly height: number) {}

  /** Prints as its title. */
  toString(): string {
    return this.title;
  }

  /** The SVG for Jupyter's page. */
  get shown(): string {
    return this.svg.replace(/<\/svg>$/, `${SHRINKING}</svg>`);
  }

  /** The output of a notebook cell. */
  [Symbol.for("Jupyter.display")](): Record<string, string> {
    return { "image/svg+xml": this.shown };
  }
}

/** The height of a status line, in pixels. */
const STATUS = 28;

/** The figure with a status line above it, on the progress of training or that it was stopped. */
export function withStatus({ svg, title, width, height }: Figure, status: string): Figure {
  const box = `viewBox="0 ${-STATUS} ${width} ${height + STATUS}" width="${width}" height="${height + STATUS}"`;
  const line = `<rect y="${-STATUS}" width="100%" height="${STATUS}" fill="#eef2f7"/>` +
    `<text x="16" y="-9" font-size="${SIZE.subtitle}" font-weight="600" fill="${INK}">${escapeMarkup(status)}</text>`;
  return new Figure(
    svg.replace(/viewBox="[^"]*" width="\d+" height="\d+"/, box).replace(/<\/svg>$/, `${line}</svg>`),
    title,
    width,
    height + STATUS,
  );
}

/** The part of Plot's options that all panels share. */
export function panel(options: Panel): Panel {
  return {
    width: WIDTH,
    marginLeft: MARGIN.left,
    marginRight: MARGIN.right,
    marginTop: MARGIN.top,
    marginBottom: MARGIN.bottom,
    style: { fontFamily: FONT, fontSize: `${SIZE.text}px`, color: INK, background: "white" },
    ...options,
  };
}

/** The marks of a frame: grid lines, tick labels, and the axes' names at their ends. */
export function axes(
  x: { ticks: readonly number[]; label: string | null },
  y: { ticks: readonly number[]; format: (y: number) => string; label: string },
  marginTop: number = MARGIN.top,
  marginLeft: number = MARGIN.left,
) {
  return [
    Plot.gridY(y.ticks, { stroke: GRID, strokeOpacity: 1 }),
    Plot.gridX(x.ticks, { stroke: GRID, strokeOpacity: 1 }),
    // Not `tickFormat`, with which a logarithmic axis would leave out some labels.
    Plot.axisY(y.ticks, { tickSize: 0, text: y.format, label: null, color: FAINT }),
    Plot.axisX(x.ticks, { tickSize: 4, text: count, label: null, color: FAINT }),
    Plot.text(x.label ? [x.label] : [], { frameAnchor: "bottom-right", dy: 38, lineAnchor: "bottom", textAnchor: "end", fill: FAINT }),
    Plot.text([y.label], {
      frameAnchor: "top-left",
      dx: 16 - marginLeft,
      dy: 4 - marginTop,
      lineAnchor: "top",
      textAnchor: "start",
      fontWeight: 600,
    }),
  ];
}

/**
 * Round numbers for an axis: on a logarithmic one 1, 2, 5 times powers of ten, or only the powers where there are at least four of them.
 */
export function ticks(from: number, to: number, type: "log" | "linear"): number[] {
  if (type === "linear") return linearTicks(from, to, 5);
  const all: number[] = [];
  for (let e = Math.floor(Math.log10(from)); e <= Math.log10(to); e++) {
    for (const m of [1, 2, 5]) if (m * 10 ** e >= from * 0.999 && m * 10 ** e <= to * 1.001) all.push(Number(`${m}e${e}`));
  }
  const powers = all.filter((n) => Number.isInteger(Math.log10(n)));
  return powers.length >= 4 ? powers : all;
}

/** The approximate width of a text in pixels, in the widest font that a system may substitute for ours, DejaVu Sans. */
export const textWidth = (text: string, size: number = SIZE.text, bold = false) => text.length * size * (bold ? 0.6 : 0.53);

/** The left margin with room for tick labels, and at least the usual one. `beside`: pixels on both sides of the labels together. */
export const marginFor = (labels: readonly string[], beside = 28): number =>
  Math.max(MARGIN.left, beside + Math.max(0, ...labels.map((label) => textWidth(label))));

/** How many characters longer a line may be so that the break comes after a comma, colon or semicolon. */
const PAUSE = 15;

/** Where lines may break: not between a word and a number, before %, and within "2 of 5". */
const BREAK = /(?<=[;:]) | (?![\d%])(?!(?<=\d )of \d)/;

/** Breaks a text into as few lines as possible; a title of two lines is broken after punctuation or near the middle. */
function wrap(text: string, size: number, title: boolean, width: number): string[] {
  const fits = (line: string) => textWidth(line, size, title) <= width;
  // What would still be longer than a line is broken after commas, and else after as many characters as fit.
  const most = new RegExp(`.{1,${Math.floor(width / textWidth(" ", size, title))}}`, "gsu");
  const words = text.split(BREAK).flatMap((word) => fits(word) ? [word] : word.split(/(?<=,) /))
    .flatMap((word) => fits(word) ? [word] : word.match(most)!);
  const lines: string[] = [];
  for (const word of words) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length && fits(longer)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  if (!title || lines.length !== 2) return lines;
  const pairs = words.slice(1).map((_, i) => [words.slice(0, i + 1), words.slice(i + 1)].map((part) => part.join(" ")));
  const cost = ([first, second]: string[]) => Math.max(first.length, second.length) + (/[,;:]$/.test(first) ? 0 : PAUSE);
  return [...pairs.filter((pair) => pair.every(fits)), lines].sort((a, b) => cost(a) - cost(b))[0];
}

/** Rounds numbers within tags to hundredths of a pixel, so that they are the same on every machine; text stays unchanged. */
const rounded = (svg: string) =>
  svg.replaceAll(
    /<[^>]+>/g,
    (tag) => tag.replaceAll(/-?\d+\.\d{3,}(e-?\d+)?/g, (number) => String(Math.round(Number(number) * 100) / 100)),
  );

/** Draws panels below each other, those in a list side by side, under a title and a subtitle. */
export function compose(
  { title, subtitle, panels }: { title: string; subtitle: string; panels: readonly (Panel | readonly Panel[])[] },
): Figure {
  const inner = WIDTH - 2 * 16;
  let y = 12;
  const parts: string[] = [];
  const words = (text: string, size: number, weight: number, fill: string) => {
    for (const line of wrap(text, size, weight > 500, inner)) {
      y += size * LINE;
      parts.push(`<text x="16" y="${y}" font-size="${size}" font-weight="${weight}" fill="${fill}">${escapeMarkup(line)}</text>`);
    }
  };
  words(title, SIZE.title, 700, INK);
  y += 4;
  words(subtitle, SIZE.subtitle, 400, FAINT);
  y += 12;
  for (const row of panels.map((each) => [each].flat() as Panel[])) {
    let x = 0;
    for (const options of row) {
      parts.push(drawn(options).replace("<svg ", `<svg x="${x}" y="${y}" `));
      x += options.width ?? WIDTH;
    }
    y += Math.max(...row.map(({ height }) => height));
  }
  const height = Math.ceil(y + 6);
  const svg = rounded(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="${FONT}" role="img">` +
      `<title>${escapeMarkup(title)}</title><rect width="100%" height="100%" fill="white"/>${parts.join("")}</svg>`,
  );
  return new Figure(svg, title, WIDTH, height);
}

function drawn(options: Panel): string {
  const document = new DOMParser().parseFromString('<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml");
  const svg = Plot.plot({ ...options, document: document as unknown as NonNullable<Plot.PlotOptions["document"]> });
  // Plot's own style sheet would also apply to other figures on a page.
  svg.querySelector("style")?.remove();
  svg.removeAttribute("class");
  return svg.outerHTML;
}
