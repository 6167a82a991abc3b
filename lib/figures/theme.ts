/**
 * How every figure of the project looks, and how Plot's panels become one: a `Figure` is a self-contained SVG with a title that
 * states the finding, a line that says how to read it, and panels below each other. No GPU, no SQL, no notebook.
 */
// @ts-types="@types/d3-array"
import { ticks as linearTicks } from "d3-array";
import { escapeMarkup } from "./markup.ts";
import * as Plot from "@observablehq/plot";
import { DOMParser } from "linkedom";
import { count } from "../analysis/words.ts";

/**
 * One colour for training and one for validation through the whole project. Blue and vermilion stay apart for every common colour
 * blindness; in grey, the dash and the width of the lines tell them apart. `text` is darker: words need more contrast than lines.
 */
export const TRAIN = { name: "training", color: "#0b5394", text: "#0b5394", dash: "5 3", width: 1.6 } as const;
export const VALIDATION = { name: "validation", color: "#d55e00", text: "#b34700", dash: "none", width: 2.4 } as const;
export type Series = typeof TRAIN | typeof VALIDATION;

export const INK = "#1a1a1a";
export const FAINT = "#6b6b6b";
export const GRID = "#e4e4e4";
/** A white outline keeps words readable where a line crosses them. */
export const HALO = { stroke: "white", strokeWidth: 4, paintOrder: "stroke", strokeLinejoin: "round" } as const;

export const FONT = "Inter, 'Helvetica Neue', Arial, sans-serif";
export const WIDTH = 720;
/** `top` has room for words above the frame, below the name of y; `close` has not. */
export const MARGIN = { left: 62, right: 78, top: 42, close: 30, bottom: 46 } as const;
const SIZE = { title: 16, subtitle: 12.5, text: 12.5 };
const LINE = 1.35;

/** A panel is what Plot takes: a plain object. */
export type Panel = Plot.PlotOptions & { readonly height: number };

/** Jupyter's page puts an SVG into a box of fixed size. This lets the box shrink in a narrow window, as pictures do in other pages. */
const SHRINKING = "<style>.output_svg>div{max-width:100%;height:auto!important}</style>";

/** A finished figure: pixels at scale 1, and the SVG text. */
export class Figure {
  constructor(readonly svg: string, readonly title: string, readonly width: number, readonly height: number) {}

  /** Printed, it says its finding. */
  toString(): string {
    return this.title;
  }

  /** The SVG as a part of Jupyter's page. */
  get shown(): string {
    return this.svg.replace(/<\/svg>$/, `${SHRINKING}</svg>`);
  }

  /** How a notebook cell shows it. */
  [Symbol.for("Jupyter.display")](): Record<string, string> {
    return { "image/svg+xml": this.shown };
  }
}

/** Height of the line that a figure of something unfinished has on top. */
const STATUS = 28;

/** The figure with a line above it that says how far its runs are: that they train, or that they were stopped. */
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

/** The marks of a frame: rules of the grid, the axes' ticks, and the axes' names at their ends. */
export function axes(
  x: { ticks: readonly number[]; label: string | null },
  y: { ticks: readonly number[]; format: (y: number) => string; label: string },
  marginTop: number = MARGIN.top,
) {
  return [
    Plot.gridY(y.ticks, { stroke: GRID, strokeOpacity: 1 }),
    Plot.gridX(x.ticks, { stroke: GRID, strokeOpacity: 1 }),
    // Not `tickFormat`, of which a logarithmic axis would leave out some.
    Plot.axisY(y.ticks, { tickSize: 0, text: y.format, label: null, color: FAINT }),
    Plot.axisX(x.ticks, { tickSize: 4, text: count, label: null, color: FAINT }),
    Plot.text(x.label ? [x.label] : [], { frameAnchor: "bottom-right", dy: 38, lineAnchor: "bottom", textAnchor: "end", fill: FAINT }),
    Plot.text([y.label], {
      frameAnchor: "top-left",
      dx: 16 - MARGIN.left,
      dy: 4 - marginTop,
      lineAnchor: "top",
      textAnchor: "start",
      fontWeight: 600,
    }),
  ];
}

/** Round numbers for an axis: 1, 2, 5 times powers of ten on a logarithmic one, thinned to the powers where there are many. */
export function ticks(from: number, to: number, type: "log" | "linear"): number[] {
  if (type === "linear") return linearTicks(from, to, 5);
  const all: number[] = [];
  for (let e = Math.floor(Math.log10(from)); e <= Math.log10(to); e++) {
    for (const m of [1, 2, 5]) if (m * 10 ** e >= from * 0.999 && m * 10 ** e <= to * 1.001) all.push(Number(`${m}e${e}`));
  }
  const powers = all.filter((n) => Number.isInteger(Math.log10(n)));
  return powers.length >= 4 ? powers : all;
}

/** Roughly how many pixels a text takes in the widest of the fonts that a system may have for ours, DejaVu Sans. */
export const textWidth = (text: string, size: number = SIZE.text, bold = false) => text.length * size * (bold ? 0.6 : 0.53);

/** By so many letters a line may be longer for the sake of a break after a comma. */
const PAUSE = 15;

/** Breaks a text into as few lines as there must be; a title, if into two, where it pauses or in the middle. */
function wrap(text: string, size: number, title: boolean, width: number): string[] {
  const words = text.split(/(?<=[;:]) | (?![\d%])(?!(?<=\d )of \d)/); // a number stays with its noun, with its %, and in "2 of 5"
  const fits = (line: string) => textWidth(line, size, title) <= width;
  const lines: string[] = [];
  for (const word of words) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length && fits(longer)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  if (!title || lines.length !== 2) return lines;
  const pairs = words.slice(1).map((_, i) => [words.slice(0, i + 1), words.slice(i + 1)].map((part) => part.join(" ")));
  const cost = ([first, second]: string[]) => Math.max(first.length, second.length) + (/[,;:]$/.test(first) ? 0 : PAUSE);
  return pairs.filter((pair) => pair.every(fits)).sort((a, b) => cost(a) - cost(b))[0];
}

/** Hundredths of a pixel are enough, and the same on every machine. What the words say stays. */
const rounded = (svg: string) =>
  svg.replaceAll(
    /<[^>]+>/g,
    (tag) => tag.replaceAll(/-?\d+\.\d{3,}(e-?\d+)?/g, (number) => String(Math.round(Number(number) * 100) / 100)),
  );

/** Draws panels below each other, those in a list side by side, under a title and a line that says how to read them. */
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
  // Plot's own style sheet would apply to other figures of a page as well.
  svg.querySelector("style")?.remove();
  svg.removeAttribute("class");
  return svg.outerHTML;
}
