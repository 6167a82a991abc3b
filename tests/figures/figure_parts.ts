/** What tests read off a figure. */
import { assert } from "@std/assert";
import { DOMParser } from "linkedom";
import { type Figure, textWidth } from "../../lib/figures/theme.ts";
import type { Metrics } from "../../lib/run/metrics.ts";

interface Shape {
  readonly parentElement: Shape | null;
  getAttribute(name: string): string;
}

export function parsed({ svg }: Figure) {
  assert(!/NaN|Infinity|undefined|null/.test(svg), "a coordinate that is not a number");
  return new DOMParser().parseFromString(svg, "image/svg+xml");
}

/** The shapes of the marks of this description, by default all kinds of them. */
export const shapes = (figure: Figure, description: string, kinds = "path, line, circle, rect"): Shape[] =>
  [...parsed(figure).querySelectorAll(`[aria-description="${description}"]`)].flatMap((group) => [...group.querySelectorAll(kinds)]);

/** How many shapes the marks of each description have. */
export const marks = (figure: Figure, ...descriptions: string[]) => descriptions.map((each) => shapes(figure, each).length);

/** Its words; a tight space is a space. */
export const texts = (figure: Figure): string[] =>
  [...parsed(figure).querySelectorAll("text")].map((text) => text.textContent.replaceAll("\u00a0", " "));

/** Its title, read so, too. */
export const title = (figure: Figure) => figure.title.replaceAll("\u00a0", " ");

/** An evaluation that says little. */
export const metricsAt = (step: number, more: Partial<Metrics> = {}): Metrics => ({
  ...{ step, trainLoss: 1, trainAcc: 1, valLoss: 1, valAcc: 0.5, weightNorm: 5, gradNorm: 1, batchLoss: 1, batchAcc: 1, noisyAcc: NaN },
  ...more,
});

/** The left and right end in pixels of the first text that begins so. */
export function extent(figure: Figure, start: string, bold = false): [left: number, right: number] {
  const text = [...parsed(figure).querySelectorAll("text")].find(({ textContent }) => textContent.startsWith(start));
  assert(text, `no text ${start}`);
  let at = 0, anchor: string | null = null;
  for (let each = text as Shape | null; each; each = each.parentElement) {
    at += Number(each.getAttribute("transform")?.match(/translate\(([-\d.]+)/)?.[1] ?? 0);
    anchor ??= each.getAttribute("text-anchor");
  }
  const width = textWidth(text.textContent, 12.5, bold), left = at - (anchor === "end" ? width : anchor === "start" ? 0 : width / 2);
  return [left, left + width];
}
