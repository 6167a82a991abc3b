/** Evaluations as a CSV file: what `deno task train --metrics` writes. */
import type { Metrics } from "../engine/engine.ts";
import { isAlwaysThere, METRIC_COLUMNS, METRIC_NAMES } from "../run/metrics.ts";
import { quote } from "../run/quote.ts";

/** What every evaluation has. */
const FIELDS = METRIC_NAMES.filter(isAlwaysThere);
const NONE = Object.fromEntries(METRIC_NAMES.map((name) => [name, NaN])) as Metrics;

export const METRICS_HEADER = `seed,${FIELDS.map((name) => METRIC_COLUMNS[name])}`;

export interface SeedMetrics {
  readonly seed: number;
  readonly metrics: readonly Metrics[];
}

/** The file's text: by seed as given, then by step. Numbers are written so that reading them gives the same bits. */
export function metricsCsv(runs: readonly SeedMetrics[]): string {
  const rows = runs.flatMap(({ seed, metrics }) => metrics.map((row) => `${seed},${FIELDS.map((field) => row[field]).join(",")}\n`));
  return `${METRICS_HEADER}\n${rows.join("")}`;
}

/** Whether a file of metrics would have the same row for both evaluations. */
export const isSameRow = (one: Metrics, other: Metrics): boolean => FIELDS.every((field) => one[field] === other[field]);

/**
 * The evaluations of each seed in a file's text; what the file doesn't have is NaN.
 * @throws Error in one line where the header is another, or a row isn't numbers or doesn't follow the one before it.
 */
export function parseMetrics(text: string): Map<number, Metrics[]> {
  const [header, ...lines] = text.split(/\r?\n/);
  if (header !== METRICS_HEADER) throw new Error(`the header must be ${METRICS_HEADER}, current value is ${quote(header)}`);
  const seeds = new Map<number, Metrics[]>();
  for (const [i, line] of lines.entries()) {
    if (line === "") continue;
    const fail = (requirement: string): never => {
      throw new Error(`line ${i + 2} must ${requirement}, current value is ${quote(line)}`);
    };
    const [seed, ...values] = line.split(",").map((value) => value.trim() === "" ? NaN : Number(value));
    if (values.length !== FIELDS.length || !Number.isInteger(seed) || values.some(Number.isNaN)) fail(`be ${FIELDS.length + 1} numbers`);
    const known: Metrics = { ...NONE, ...Object.fromEntries(FIELDS.map((field, at) => [field, values[at]])) };
    if (!seeds.has(seed)) seeds.set(seed, []);
    const rows = seeds.get(seed)!, last = rows.at(-1)?.step ?? -1;
    if (!Number.isSafeInteger(known.step) || known.step <= last) fail(`have a step above the ${last} before it`);
    rows.push(known);
  }
  return seeds;
}
