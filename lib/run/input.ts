/** A run, or a grid of runs, as people write it in a notebook, in a file, on the command line. */
import * as v from "valibot";
import { checked, fields, isPlain, value } from "./check.ts";
import { type Entry, type Part, PART_ENTRIES, PARTS, type RunSpec, SEED } from "./fields.ts";
import type { Value } from "./kinds.ts";
import { type PresetName, PRESETS } from "./presets.ts";

type Partially<T> = { readonly [K in keyof T]?: T[K] extends object ? Partial<T[K]> : T[K] };
/** A run as people write it: a preset's name, and what differs from it. */
export type RunInput = Partially<RunSpec> & { readonly preset?: PresetName };

type Lists<T> = { readonly [K in keyof T]?: NonNullable<T[K]> extends infer V ? V | readonly V[] : never };
/** A run's input, each field a value or a list of values. */
export type Grid = { readonly [P in Part]?: Lists<RunSpec[P]> } & Lists<Pick<RunInput, "preset" | "seed">>;

const PRESET_NAMES = Object.keys(PRESETS);
const preset = value<Value>("preset", (name) => {
  return typeof name === "string" && PRESET_NAMES.includes(name) ? undefined : `one of ${PRESET_NAMES.join(", ")}`;
});

/** What `RunInput` or `Grid` says, `each` being what may stand in place of a single value. */
function inputSchema(what: string, entries: readonly Entry[], each: (single: v.GenericSchema) => v.GenericSchema) {
  const optional = (single: v.GenericSchema) => v.exactOptional(each(single));
  const parts = PARTS.map((part) => {
    const own = entries.filter((entry) => entry.part === part).map(({ name, field: { kind } }) =>
      [name, optional(value(name + (kind.aside ?? ""), kind.refuse))] as const
    );
    return [part, v.exactOptional(fields(part, Object.fromEntries(own)))] as const;
  });
  const all = { ...Object.fromEntries(parts), seed: optional(value("seed", SEED.kind.refuse)), preset: optional(preset) };
  return fields(what, all, { none: `it must be an object with fields among ${Object.keys(all).join(", ")}` });
}

/** What a run may be written as. */
export const runInputSchema = (entries: readonly Entry[] = PART_ENTRIES) => inputSchema("run", entries, (single) => single);
/** What a grid may be written as. */
const GRID = inputSchema("run", PART_ENTRIES, (single) => v.lazy((input) => Array.isArray(input) ? v.array(single) : single));

/** The grid, if it is one. What is wrong with a value is wrong with each run that has it. @throws Error in one line. */
export const checkedGrid = (grid: unknown): Grid =>
  checked(GRID, grid, isPlain(grid) ? "Cannot use this run" : "Cannot use this grid") as Grid;
