/** Evaluations as a CSV file: what `deno task train --metrics` writes. */
import type { Metrics } from "../engine/engine.ts";
import { isAlwaysThere, METRIC_COLUMNS, METRIC_NAMES, type MetricName, metricsIn } from "../run/metrics.ts";
import { quote } from "../run/quote.ts";

/** What every file has, of any version. */
const ALWAYS = METRIC_NAMES.filter(isAlwaysThere);
const NONE = Object.fromEntries(METRIC_NAMES.map((name) => [name, NaN])) as Metrics;

const headerOf = (fields: readonly MetricName[]) => `seed,${fields.map((name) => METRIC_COLUMNS[name])}`;

export interface SeedMetrics {
  readonly seed: number;
  readonly metrics: readonly Metrics[];
}

/**
 * The file's text: by seed as given, then by step. Numbers are written so that reading them gives the same bits; a cell is empty where
 * there is no value.
 */
export function metricsCsv(runs: readonly SeedMetrics[]): string {
  const fields = metricsIn(runs.flatMap(({ metrics }) => metrics)), cell = (value: number) => Number.isNaN(value) ? "" : String(value);
  const rows = runs.flatMap(({ seed, metrics }) => metrics.map((row) => `${seed},${fields.map((field) => cell(row[field])).join(",")}\n`));
  return `${headerOf(fields)}\n${rows.join("")}`;
}

/** Whether a row of a file is this evaluation; files of earlier versions have less of it. */
export const isSameRow = (evaluation: Metrics, row: Metrics): boolean =>
  METRIC_NAMES.every((field) => evaluation[field] === row[field] || !isAlwaysThere(field) && Number.isNaN(row[field]));

/** The metrics of a file with this header. @throws Error in one line where it isn't that of a file of metrics, of any version. */
function fieldsOf(header: string): MetricName[] {
  const columns = header.split(","), fields = METRIC_NAMES.filter((name) => columns.includes(METRIC_COLUMNS[name]));
  if (headerOf(fields) === header && ALWAYS.every((name) => fields.includes(name))) return fields;
  const more = METRIC_NAMES.filter((name) => !isAlwaysThere(name)).map((name) => METRIC_COLUMNS[name]).join(", ");
  throw new Error(`the header must be ${headerOf(ALWAYS)} and any of ${more} in this order, current value is ${quote(header)}`);
}

/**
 * The evaluations of each seed in a file's text; what the file doesn't have is NaN.
 * @throws Error in one line where the header is another, or a row isn't numbers or doesn't follow the one before it.
 */
export function parseMetrics(text: string): Map<number, Metrics[]> {
  const [header, ...lines] = text.split(/\r?\n/), fields = fieldsOf(header);
  const seeds = new Map<number, Metrics[]>();
  for (const [i, line] of lines.entries()) {
    if (line === "") continue;
    const fail = (requirement: string): never => {
      throw new Error(`line ${i + 2} must ${requirement}, current value is ${quote(line)}`);
    };
    const cells = line.split(","), [seed, ...values] = cells.map((cell) => cell.trim() === "" ? NaN : Number(cell));
    const wrong = (field: MetricName, at: number) => Number.isNaN(values[at]) && (isAlwaysThere(field) || cells[at + 1].trim() !== "");
    if (values.length !== fields.length || !Number.isInteger(seed) || fields.some(wrong)) fail(`be ${fields.length + 1} numbers`);
    const known: Metrics = { ...NONE, ...Object.fromEntries(fields.map((field, at) => [field, values[at]])) };
    if (!seeds.has(seed)) seeds.set(seed, []);
    const rows = seeds.get(seed)!, last = rows.at(-1)?.step ?? -1;
    if (!Number.isSafeInteger(known.step) || known.step <= last) fail(`have a step above the ${last} before it`);
    rows.push(known);
  }
  return seeds;
}
