/** What tests read off a figure. */
import { assert } from "@std/assert";
import { DOMParser } from "linkedom";
import type { Figure } from "../../lib/figures/theme.ts";
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
