/**
 * Sweeps along the boundary between success and failure: of a grid over two settings, only the runs are trained that determine the
 * boundary. What is trained next follows from what the lab has, so that such a sweep, too, can be stopped at any moment and continued.
 */
import { refine, type RefineOptions } from "../analysis/statistics/refine.ts";
import { entryAt, valueAt } from "../run/fields.ts";
import { inOneLine } from "../run/quote.ts";
import { type RunSpec, specHash } from "../run/spec.ts";
import type { Experiment } from "./experiment.ts";
import { standing, type SweptRun } from "./standing.ts";
import { counted, type SweepOptions } from "./sweep.ts";

/** The settings that span the map, as dotted fields that are numbers: `model.dModel`, `optim.weightDecay`. */
export interface Axes {
  readonly x: string;
  /** Without it, the map is a line. */
  readonly y?: string;
}

/** The runs of one pair of values, which differ in their seed alone. */
export interface BoundaryCell {
  readonly x: number;
  readonly y: number;
  /** Whether most of its runs grok, or all around it say so; `null` where that isn't known, or not asked at this precision. */
  readonly groks: boolean | null;
  /** Whether its own runs say so. */
  readonly asked: boolean;
  /** Of its runs that have ended, how many grokked and how many didn't. */
  readonly grokked: number;
  readonly failed: number;
}

export interface BoundaryMap {
  /** Ascending. */
  readonly xs: readonly number[];
  readonly ys: readonly number[];
  /** `cells[j][i]` has `ys[j]` and `xs[i]`. */
  readonly cells: readonly (readonly BoundaryCell[])[];
  /** What must be trained next; empty once the boundary is known. */
  readonly wanted: readonly RunSpec[];
}

/** How near to each other the two sides of the boundary are to be asked: `refine`'s options but for the seeds, which the grid has. */
export type Precision = Omit<RefineOptions, "of">;

/**
 * What is known of the map of a grid. `answers` has for each run whether it grokked, `null` where it hasn't ended.
 * @throws Error unless the runs are a full grid over the axes, each cell with the same number of seeds and one setting.
 */
export function boundaryMap(
  runs: readonly RunSpec[],
  axes: Axes,
  answers: readonly (boolean | null)[],
  precision: Precision = {},
): BoundaryMap {
  const at = runs.map((spec) => [numberAt(spec, axes.x), axes.y === undefined ? 0 : numberAt(spec, axes.y)] as const);
  const values = (axis: 0 | 1) => [...new Set(at.map((each) => each[axis]))].sort((a, b) => a - b);
  const xs = values(0), ys = values(1), of = runs.length / (xs.length * ys.length);
  const groups = Map.groupBy(runs.keys(), (k) => at[k].join());
  const cells = ys.map((y) =>
    xs.map((x) => {
      const places = groups.get([x, y].join()) ?? [], settings = new Set(places.map((k) => settingOf(runs[k]))).size;
      if (places.length !== of || settings !== 1) {
        const cell = [`${axes.x} ${x}`, ...axes.y === undefined ? [] : [`${axes.y} ${y}`]].join(", ");
        throw new Error(
          `Cannot map a boundary: each of ${xs.length} × ${ys.length} cells must have the same number of seeds and one setting, ` +
            `${cell} has ${places.length} runs of ${settings}, of ${runs.length} in all`,
        );
      }
      const count = (answer: boolean) => places.filter((k) => answers[k] === answer).length;
      return { places, yes: count(true), no: count(false) };
    })
  );
  const { places, wanted } = refine([xs.length, ys.length], (i, j) => cells[j][i], { ...precision, of });
  return {
    xs,
    ys,
    cells: places.map((row, j) =>
      row.map(({ verdict, asked }, i) => {
        return { x: xs[i], y: ys[j], groks: verdict, asked, grokked: cells[j][i].yes, failed: cells[j][i].no };
      })
    ),
    wanted: wanted.flatMap(({ i, j, more }) => cells[j][i].places.filter((k) => answers[k] === null).slice(0, more)).map((k) => runs[k]),
  };
}

const settingOf = (spec: RunSpec) => JSON.stringify({ ...spec, seed: null });

/**
 * Where success turns into failure along x, at one y: between these two values, which were both asked, or, coarser, lie next to each other.
 */
export interface Edge {
  readonly y: number;
  readonly from: number;
  readonly to: number;
  /** Whether networks grok from `to` on; else up to `from`. */
  readonly rises: boolean;
}

export function edgesOf({ cells }: BoundaryMap): Edge[] {
  return cells.flatMap((row) => {
    const known = row.filter(({ groks }) => groks !== null);
    return known.slice(1).flatMap(({ x: to, y, groks }, i) => groks === known[i].groks ? [] : [{ y, from: known[i].x, to, rises: groks! }]);
  });
}

function numberAt(spec: RunSpec, field: string): number {
  const entry = entryAt(field), value = entry && valueAt(spec, entry);
  if (typeof value === "number") return value;
  throw new Error(
    `Cannot map a boundary: an axis must be a field that is a number, like model.dModel, current value is ${inOneLine(field)}`,
  );
}

/** The map of an experiment as far as the lab knows it. Trains nothing. @throws Error where `boundaryMap` does. */
export function knownMap(lab: SweepOptions["lab"], experiment: Experiment, axes: Axes, precision: Precision = {}): BoundaryMap {
  const answers = standing(lab, experiment).map(({ run, ended }) => ended ? run.grokkingStep !== null : null);
  return boundaryMap(experiment.runs, axes, answers, precision);
}

/** `limit` holds for all rounds together. */
export interface BoundaryOptions extends SweepOptions {
  readonly axes: Axes;
  readonly precision?: Precision;
  /** After every piece of work, as of `sweep`: the runs of the rounds up to now, in the order in which they were wanted. */
  readonly onProgress?: NonNullable<SweepOptions["onProgress"]>;
  /** Before each round: what is known, and wanted next. */
  readonly onRound?: (map: BoundaryMap) => void;
}

/**
 * Trains of an experiment's grid what its boundary needs, round after round, until both sides of it are known, or the sweep is stopped. In
 * the lab the experiment has the runs that were trained for it; the rest of the grid can be added by `sweep` at any time.
 * @returns the map as far as it is known.
 * @throws what `sweep` and `boundaryMap` throw.
 */
export async function sweepBoundary(
  experiment: Experiment,
  { axes, precision, onRound, limit = Infinity, onProgress, ...options }: BoundaryOptions,
): Promise<BoundaryMap> {
  // In the order in which they were wanted first: a run may be wanted again where it was not trained.
  const swept = new Map<RunSpec, SweptRun>();
  const enter = (runs: readonly SweptRun[]) => {
    for (const run of runs) swept.set(run.spec, run);
    return [...swept.values()];
  };
  let left = limit, map = knownMap(options.lab, experiment, axes, precision);
  while (map.wanted.length > 0 && left > 0) {
    const runs = map.wanted;
    onRound?.(map);
    const { runs: ended, tried } = await counted({ ...experiment, runs }, {
      ...options,
      ...onProgress && { onProgress: (news, now) => onProgress(news, enter(now)) },
      ...left < Infinity && { limit: left },
    });
    enter(ended);
    left -= tried;
    map = knownMap(options.lab, experiment, axes, precision);
    // Stopped, out of time, or refused by the engine: another round would change nothing.
    if (runs.every((run) => map.wanted.includes(run)) || options.signal?.aborted) return map;
  }
  return map;
}

/** What a boundary would have cost, had it been asked for alone. */
export interface Saving {
  readonly map: BoundaryMap;
  /** Places of the runs that it takes, and no others. */
  readonly asked: ReadonlySet<number>;
  /** Runs and updates that it takes, and those of the full grid. */
  readonly runs: number;
  readonly ofRuns: number;
  readonly updates: number;
  readonly ofUpdates: number;
  /** Cells of the map with a known majority that the full grid contradicts. */
  readonly wrong: number;
}

/** What came of a run that has ended. */
export interface Known {
  readonly groks: boolean;
  readonly updates: number;
}

/**
 * Plays the search for a boundary on a grid that was trained in full: `known` has what came of each run.
 * @throws Error where that isn't known of a run, and where `boundaryMap` does.
 */
export function replay(runs: readonly RunSpec[], axes: Axes, known: readonly (Known | null)[], precision: Precision = {}): Saving {
  const results = runs.map((spec, k) => {
    const result = known[k];
    if (!result) throw new Error(`Cannot replay the search for a boundary: all runs must have ended, ${specHash(spec)} hasn't`);
    return result;
  });
  const full = boundaryMap(runs, axes, results.map(({ groks }) => groks), { precision: 1, stride: 1 });
  const placeOf = new Map(runs.map((spec, k) => [spec, k])), asked = new Set<number>();
  while (true) {
    const map = boundaryMap(runs, axes, results.map(({ groks }, k) => asked.has(k) ? groks : null), precision);
    for (const spec of map.wanted) asked.add(placeOf.get(spec)!);
    if (map.wanted.length > 0) continue;
    const sum = (places: Iterable<number>) => [...places].reduce((updates, k) => updates + results[k].updates, 0);
    const truth = full.cells.flat();
    return {
      map,
      asked,
      ...{ runs: asked.size, ofRuns: runs.length, updates: sum(asked), ofUpdates: sum(runs.keys()) },
      wrong: map.cells.flat().filter(({ groks }, k) => groks !== null && groks !== truth[k].groks).length,
    };
  }
}
