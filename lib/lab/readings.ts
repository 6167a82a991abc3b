/**
 * What probes read in runs as a table, a line a state: so a record can keep the progress of networks whose weights are too large for it.
 * `deno task probe --experiment` writes it; beside a record it is called `readings.csv`.
 */
// @ts-types="@types/d3-dsv"
import { csvFormatRow, csvParseRows } from "d3-dsv";
import type { Progress } from "../analysis/network/reading.ts";
import { specHash } from "../run/spec.ts";
import { quote } from "../run/quote.ts";
import { within } from "./cut.ts";
import { type Course, type ProbeOptions, probeRuns, whyNoneOf } from "./probe.ts";
import type { Lab } from "./store.ts";
import type { StoredRun } from "./stored.ts";

/** What the table of a record is called in its folder. */
export const READINGS = "readings.csv";

/** The columns of a line about a state, and where in a reading they are; losses by the run's own formula, the rest as shares of 1. */
const COLUMNS: Readonly<Record<string, string>> = {
  step: "step",
  train_loss: "whole.trainLoss",
  train_acc: "whole.trainAcc",
  val_loss: "whole.valLoss",
  val_acc: "whole.valAcc",
  key_frequencies: "keys",
  explained: "explained",
  restricted_loss: "restricted.loss",
  restricted_acc: "restricted.acc",
  excluded_loss: "excluded.trainLoss",
  excluded_acc: "excluded.trainAcc",
  similarity: "circulant",
  neurons: "neuronShare",
  embedding_gini: "embeddingGini",
  weight_norm: "weightNorm",
  neuron_key_frequencies: "neuronKeys",
  neuron_explained: "byNeurons.explained",
  neuron_restricted_loss: "byNeurons.restricted.loss",
  neuron_restricted_acc: "byNeurons.restricted.acc",
  neuron_excluded_loss: "byNeurons.excluded.trainLoss",
  neuron_excluded_acc: "byNeurons.excluded.trainAcc",
};

type Value = number | readonly number[];
/** Part of a reading, or all of it. */
type Part = { [name: string]: Value | Part };

/** What a line says of a state, by the names of columns. */
export const progressRow = (reading: Progress): Record<string, Value> =>
  Object.fromEntries(
    // Every path ends in a number or a list of them.
    Object.entries(COLUMNS).map(([name, path]) => [
      name,
      path.split(".").reduce((part: unknown, key) => (part as Part)[key], reading) as Value,
    ]),
  );

/** A row's cells, numbers in full. */
const cells = (row: Record<string, Value>) =>
  Object.values(row).map((value) => typeof value === "number" ? String(value) : value.join(" "));

/** A table of readings; with a run's hash before each line, of several runs. */
export function readingsCsv(runs: readonly { readonly hash?: string; readonly readings: readonly Progress[] }[]): string {
  const lines = runs.flatMap(({ hash, readings }) =>
    readings.map((reading) => ({ first: hash === undefined ? [] : [hash], row: progressRow(reading) }))
  );
  const head = [...lines[0].first.map(() => "hash"), ...Object.keys(lines[0].row)];
  return [head, ...lines.map(({ first, row }) => [...first, ...cells(row)])].map((line) => `${csvFormatRow(line)}\n`).join("");
}

/** The table of an experiment's runs that have weights. @throws Error where there are none, and where `probeRuns` does. */
export async function experimentReadings(lab: Lab, experiment: string, options: ProbeOptions = {}): Promise<string> {
  const runs = await probeRuns(lab, experiment, options);
  if (runs.length === 0) {
    throw new Error(
      `Cannot probe ${experiment}: at least one of its runs must have weights in ${lab.folder}, none has; ${whyNoneOf(lab, experiment)}`,
    );
  }
  return readingsCsv(runs.map(({ spec, readings }) => ({ hash: specHash(spec), readings })));
}

/**
 * The runs of an experiment with what a table says of them within its steps, those that it has nothing of left out.
 * @throws Error in one line with the table's line, the requirement and the current value.
 */
export function withReadings(lab: Lab, experiment: string, table: string): (StoredRun & Course)[] {
  const names = Object.keys(COLUMNS), [head = [], ...lines] = csvParseRows(table), wanted = ["hash", ...names].join(", ");
  if (head.join(", ") !== wanted) {
    throw new Error(`${READINGS}, line 1: its columns must be ${wanted}, current value is ${quote(head.join(", "))}`);
  }
  const read = lines.map(([hash, ...texts], i) => {
    return { hash, reading: readingOf(names.map((name, c) => [COLUMNS[name], valueOf(name, texts[c] ?? "", i + 2)])) };
  });
  const byRun = Map.groupBy(read, ({ hash }) => hash);
  return lab.runs(experiment).flatMap((run) => {
    const all = (byRun.get(specHash(run.spec)) ?? []).map(({ reading }) => reading);
    const readings = within(run.spec, all).sort((a, b) => a.step - b.step);
    const last = readings.at(-1);
    return last ? [{ ...run, rule: "logits" as const, keys: last.keys, neuronKeys: last.neuronKeys, readings }] : [];
  });
}

function valueOf(name: string, text: string, line: number): Value {
  const list = name.endsWith("key_frequencies"),
    right = list ? /^(\d+( \d+)*)?$/.test(text) : /\S/.test(text) && Number.isFinite(Number(text));
  if (!right) {
    const requirement = list ? "whole numbers with spaces between" : "a number";
    throw new Error(`${READINGS}, line ${line}: ${name} must be ${requirement}, current value is ${quote(text)}`);
  }
  return list ? text.split(" ").filter(Boolean).map(Number) : Number(text);
}

/** A reading of what stands at its paths. */
function readingOf(values: readonly (readonly [path: string, value: Value])[]): Progress {
  const whole: Part = {};
  for (const [path, value] of values) {
    const keys = path.split("."), last = keys.pop()!; // a path has one key at least
    keys.reduce((part, key) => (part[key] ??= {}) as Part, whole)[last] = value;
  }
  return whole as unknown as Progress; // the columns are all that it has
}
