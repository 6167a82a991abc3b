/** A surface over two numeric settings, from runs: for each pair of values, when networks grok, and whether most do. */
import { type Tally, tally } from "../runs/tally.ts";
import { type BoardRun, isOpen, type Outcome, outcome } from "../runs/run.ts";
import { nameOf, valueOf } from "../runs/settings.ts";
import { list, wordsOf } from "../words.ts";
import type { RunSpec } from "../../run/spec.ts";

/** An axis of a map: a field of the runs' specs, or its ratio to another field. */
export interface SurfaceAxis {
  /** `model.dModel` */
  readonly field: string;
  /** What it is divided by: `data.prime`. */
  readonly per?: string;
  /** The name in figures. Default: the field's own. */
  readonly label?: string;
}

/** The default axes: the width of the network relative to its task, and weight decay. */
export const RATIO: SurfaceAxis = { field: "model.dModel", per: "data.prime", label: "d_model / p" };

export const DECAY: SurfaceAxis = { field: "optim.weightDecay" };

/** The runs at a pair of values. With a `map`, where the majority is known, only the runs that have ended count. */
export interface SurfaceCell extends Tally {
  readonly x: number;
  readonly y: number;
  /** Whether most of its runs grok, by its own runs or, with a `map`, by its neighbours; `null` where that isn't known. */
  readonly groks: boolean | null;
  /** Whether that comes from its own runs. */
  readonly asked: boolean;
  /** The last step at which any of its runs could be judged; `null` where none could yet. */
  readonly watched: number | null;
}

export interface Surface {
  /** Ascending. */
  readonly xs: readonly number[];
  readonly ys: readonly number[];
  /** `cells[j][i]` has `ys[j]` and `xs[i]`. */
  readonly cells: readonly (readonly SurfaceCell[])[];
  /** Names of the axes, and how their values are written. */
  readonly names: { readonly x: string; readonly y: string };
  readonly say: { readonly x: (value: number) => string; readonly y: (value: number) => string };
}

export interface SurfaceAxes {
  /** Default: d_model / p. */
  readonly x?: SurfaceAxis;
  /** Default: weight decay. */
  readonly y?: SurfaceAxis;
  /**
   * The result of a search for the boundary, over the same two fields: then only the cells that it trained are judged by their own runs;
   * the others get its answer. Values that it didn't need are left out.
   */
  readonly map?: SearchedMap;
}

/** What a search for a boundary knows about each pair of values of its two fields; `cells[j][i]` has `ys[j]` and `xs[i]`. */
export interface SearchedMap {
  readonly xs: readonly number[];
  readonly ys: readonly number[];
  readonly cells: readonly (readonly (Pick<SurfaceCell, "groks" | "asked"> & { readonly grokked: number; readonly failed: number })[])[];
}

/**
 * The surface of all given runs, including those that haven't begun. A diverged run counts as ended without grokking.
 * @throws Error without runs, where an axis isn't numeric, where runs of a cell differ in more than their seed, and where the runs don't
 * fit the map.
 */
export function surfaceOf(runs: readonly BoardRun[], { x = RATIO, y = DECAY, map }: SurfaceAxes = {}): Surface {
  if (runs.length === 0) throw new Error("Cannot draw a surface: there must be at least one run, current value is 0");
  const groups = Map.groupBy(runs, ({ spec }) => [valueAlong(spec, x), valueAlong(spec, y)].join());
  for (const [name, group] of groups) {
    const settings = new Set(group.map(({ spec }) => JSON.stringify({ ...spec, seed: 0 }))).size;
    if (settings > 1) {
      fail(
        `runs at ${x.label ?? nameOf(x.field)}, ${y.label ?? nameOf(y.field)} ${name} must differ in their seed alone`,
        `${settings} settings`,
      );
    }
  }
  const place = (axis: SurfaceAxis) => (value: number) => value / (map && axis.per ? shared(runs, axis.per) : 1);
  const distinct = (axis: SurfaceAxis) => [...new Set(runs.map(({ spec }) => valueAlong(spec, axis)))].sort((a, b) => a - b);
  const xs = map ? map.xs.map(place(x)) : distinct(x), ys = map ? map.ys.map(place(y)) : distinct(y);
  const all = ys.map((v, j) =>
    xs.map((u, i) => {
      const group = (groups.get([u, v].join()) ?? []).map(outcome), known = map?.cells[j][i];
      return { x: u, y: v, ...known ? mapped(group, known) : counted(group) };
    })
  );
  all.flat().forEach(({ x: u, y: v, runs, open }, k) => {
    const { grokked = 0, failed = 0 } = map?.cells.flat()[k] ?? {};
    if (map && runs - open < grokked + failed) fail(`its runs must be those of the map, ${grokked + failed} at ${u}, ${v}`, runs - open);
  });
  const known = ({ runs, groks }: SurfaceCell) => runs > 0 || groks !== null;
  const columns = [...xs.keys()].filter((i) => all.some((row) => known(row[i]))), rows = all.filter((row) => row.some(known));
  const cells = rows.map((row) => columns.map((i) => row[i]));
  const values = { x: columns.map((i) => xs[i]), y: rows.map(([{ y }]) => y) };
  return {
    xs: values.x,
    ys: values.y,
    cells,
    names: { x: x.label ?? nameOf(x.field), y: y.label ?? nameOf(y.field) },
    say: { x: wordsOf(values.x), y: wordsOf(values.y) },
  };
}

/** A run's value along an axis. @throws Error where that isn't a number. */
export const valueAlong = (spec: RunSpec, { field, per }: SurfaceAxis): number => numberAt(spec, field) / (per ? numberAt(spec, per) : 1);

function numberAt(spec: RunSpec, field: string): number {
  const value = valueOf(spec, field);
  if (typeof value !== "number") fail(`${field} must be a number in all runs`, JSON.stringify(value));
  return value as number;
}

function shared(runs: readonly BoardRun[], field: string): number {
  const values = new Set(runs.map(({ spec }) => numberAt(spec, field)));
  if (values.size > 1) fail(`${field} must be the same in all runs of a map`, list([...values].map(String)));
  return [...values][0];
}

function fail(requirement: string, value: string | number): never {
  throw new Error(`Cannot draw a surface: ${requirement}, current value is ${value}`);
}

function counted(group: readonly Outcome[]): Omit<SurfaceCell, "x" | "y"> {
  const all = tally(group), { grokked, open } = all, n = group.length;
  const groks = 2 * grokked > n ? true : n > 0 && 2 * (n - grokked - open) >= n ? false : null;
  return { ...all, groks, asked: n > 0, watched: watched(group) };
}

function mapped(group: readonly Outcome[], { groks, asked }: Pick<SurfaceCell, "groks" | "asked">): Omit<SurfaceCell, "x" | "y"> {
  const some = !asked ? [] : groks === null ? group : group.filter((run) => !isOpen(run));
  return { ...tally(some), groks, asked, watched: watched(some) };
}

/** The last step at which any of these runs could be judged; `null` where none could yet. */
export function watched(runs: readonly Outcome[]): number | null {
  const longest = Math.max(0, ...runs.map(({ judged }) => judged));
  return longest > 0 ? longest : null;
}
