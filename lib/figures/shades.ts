/** Colours for steps: the sooner, the darker. Their hue differs from vermilion, which in other maps shows how many networks grok. */

/** The full colour, and a darker one for the lines of a surface. */
const STEP = "#0a7f78";
export const STEP_LINE = "#0b4f4b";
/** Shares of the full colour for the soonest and the latest step; black text stays readable on both. */
const SOONEST = 0.75, LATEST = 0.08;

const hex = (color: string) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
const FULL = hex(STEP);
const mixed = (share: number) => `#${FULL.map((part) => Math.round(255 + share * (part - 255)).toString(16).padStart(2, "0")).join("")}`;

export interface Shades {
  /** The colour of a step, on a logarithmic scale. */
  readonly of: (step: number) => string;
  /** n colours from the soonest to the latest. */
  readonly samples: (n: number) => string[];
}

/** Shades for these steps, which must be positive. */
export function shadesOf(steps: readonly number[]): Shades {
  const least = Math.log(Math.min(...steps)), range = Math.log(Math.max(...steps)) - least;
  const at = (share: number) => mixed(SOONEST + share * (LATEST - SOONEST));
  return {
    of: (step) => at(range > 0 ? (Math.log(step) - least) / range : 0),
    samples: (n) => Array.from({ length: n }, (_, i) => at(n > 1 ? i / (n - 1) : 0)),
  };
}
