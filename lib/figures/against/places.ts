/** The runs of each value, and where a value lies on the axis. */
import { medianStep } from "../../analysis/runs/times.ts";
import { type BoardRun, type Outcome, outcome } from "../../analysis/runs/run.ts";
import type { Value } from "../../run/kinds.ts";
import type { RunSpec } from "../../run/spec.ts";

/** The runs at one value. */
export interface Place {
  /** `FULL` for a batch of all pairs. */
  readonly value: number;
  readonly runs: readonly Outcome[];
  readonly grokked: number | null;
  readonly memorised: number | null;
}

/** Stands for a batch of all pairs, which is larger than any other. */
export const FULL = Infinity;

/** The places of all values, ascending. @throws Error without a run, and where a value isn't a number. */
export function placesOf(runs: readonly BoardRun[], of: (spec: RunSpec) => Value, field: string): Place[] {
  const groups = Map.groupBy(runs, ({ spec }) => {
    const value = of(spec);
    if (typeof value === "number" && Number.isFinite(value)) return value;
    if (value === "full") return FULL;
    throw new Error(
      `Cannot draw steps against ${field}: it must be a number in all runs, current value is ${
        typeof value === "number" ? value : JSON.stringify(value)
      }`,
    );
  });
  if (groups.size === 0) throw new Error(`Cannot draw steps against ${field}: there must be at least one run, current value is 0`);
  return [...groups].sort(([a], [b]) => a < b ? -1 : 1).map(([value, group]) => {
    const runs = group.map(outcome).sort((a, b) => a.seed - b.seed);
    const median = (of: (run: Outcome) => number | null) => medianStep(runs.map(of));
    return { value, runs, grokked: median((run) => run.grokked), memorised: median((run) => run.memorised) };
  });
}

/** Pixels that a column needs for its label. */
const COLUMN = 46;

export type Across = "log" | "linear" | "columns";

/** How values lie on the x axis. */
export interface PlaceAxis {
  readonly across: Across;
  /** The scale on which `x`, `cells` and `within` are. */
  readonly type: "log" | "linear";
  readonly x: (place: Place) => number;
  /** The part of the axis that belongs to each place: up to halfway to its neighbours. */
  readonly cells: readonly (readonly [number, number])[];
  /** The position at a share, from 0 to 1, of the largest part of the `i`th cell that is symmetric around its value. */
  readonly within: (i: number, share: number) => number;
}

/**
 * The axis for these places, `width` pixels wide. Default: logarithmic where all values are positive and the largest is at least ten times
 * the smallest, else linear; columns where values would come too close, or one is no number.
 * @throws Error where the axis asked for has no place for a value.
 */
export function axisOf(places: readonly Place[], label: string, width: number, wanted?: Across): PlaceAxis {
  const values = places.map(({ value }) => value), across = wanted ?? scaleFor(values, width);
  if (across === "log" && values[0] <= 0) {
    throw new Error(`Cannot draw steps against ${label} on a logarithmic axis: a value must be positive, current value is ${values[0]}`);
  }
  if (across !== "columns" && values.at(-1) === FULL) {
    throw new Error(`Cannot draw steps against ${label} on a ${across} axis: its values must be numbers, current value is "full"`);
  }
  const type = across === "log" ? "log" : "linear";
  const x = ({ value }: Place) => across === "columns" ? values.indexOf(value) : value;
  const cells = cellsOf(places.map(x), type), cores = cells.map((cell, i) => core(cell, x(places[i]), type));
  return { across, type, x, cells, within: (i, share) => between(cores[i], share, type) };
}

function scaleFor(values: readonly number[], width: number): Across {
  if (values.at(-1) === FULL) return "columns";
  const type = values[0] > 0 && values.at(-1)! >= 10 * values[0] ? "log" : "linear";
  const place = type === "log" ? Math.log : Number, all = place(values.at(-1)!) - place(values[0]);
  const narrowest = Math.min(...values.slice(1).map((value, i) => (place(value) - place(values[i])) / all));
  return narrowest * width * (1 - 1 / values.length) < COLUMN ? "columns" : type;
}

function cellsOf(values: readonly number[], type: "log" | "linear"): [number, number][] {
  const [to, from] = type === "log" ? [Math.log, Math.exp] : [Number, Number];
  const at = values.map((value) => to(value));
  const gaps = at.slice(1).map((value, i) => value - at[i]);
  const half = (gap: number | undefined) => (gap ?? Math.min(...gaps, 1)) / 2;
  return at.map((value, i) => [from(value - half(gaps[i - 1] ?? gaps[i])), from(value + half(gaps[i] ?? gaps[i - 1]))]);
}

/** The largest part of a cell that is symmetric around its value. */
function core([low, high]: readonly [number, number], value: number, type: "log" | "linear"): [number, number] {
  if (type === "linear") return [value - Math.min(value - low, high - value), value + Math.min(value - low, high - value)];
  const half = Math.min(value / low, high / value);
  return [value / half, value * half];
}

function between([low, high]: readonly [number, number], share: number, type: "log" | "linear"): number {
  return type === "log" ? low * (high / low) ** share : low + (high - low) * share;
}
