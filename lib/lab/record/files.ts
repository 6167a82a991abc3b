/**
 * Recorded results as text: an experiment in small files that a person can read, a spreadsheet can open and git can compare.
 *
 * `experiment.json`: what was asked, by which rules, what all runs share, who computed it where. `runs.csv`: one row per run, with the
 * fields in which runs differ and what came of it. `metrics.csv`: their evaluations, each run under its number in `runs.csv`.
 * `artifacts.csv`: files that go along with them, with their checksums. What isn't there is an empty cell.
 * Equal results give equal bytes: no times but those of the work, and runs in the order of what differs.
 */
// @ts-types="@types/d3-dsv"
import { csvFormatRows } from "d3-dsv";
import { checksum } from "../../run/files.ts";
import { METRIC_COLUMNS, METRIC_NAMES, type MetricName, metricsIn } from "../../run/metrics.ts";
import { entryAt, isNeutral, PART_ENTRIES, valueAt } from "../../run/fields.ts";
import type { Value as Field } from "../../run/kinds.ts";
import { type RunSpec, specHash, stableJson } from "../../run/spec.ts";
import type { Metrics } from "../../engine/engine.ts";
import type { Environment } from "../environment.ts";
import type { NamedRule } from "../experiment.ts";
import { RULES } from "../../run/grokking.ts";
import type { Artifact } from "../artifacts.ts";
import { milestoneRow } from "../milestones.ts";
import type { Row } from "../store.ts";
import { THINNING } from "./thin.ts";
import type { Watch } from "../watch.ts";
import { swept } from "../../run/grid.ts";
import { withoutFolders } from "../../run/command.ts";

export const FILES = { experiment: "experiment.json", runs: "runs.csv", metrics: "metrics.csv", artifacts: "artifacts.csv" } as const;

export const FORMAT = "grokbook-recorded";
/**
 * Of the format: that which is written. Version 1 is read too; it had no `transition_step`, `watch` and `artifacts`. Another one is
 * refused.
 */
export const VERSION = 2;

/** What a record has of the evaluations, and that in words. */
export const KEPT = { all: "all evaluations", thin: THINNING, none: "no evaluations" } as const;
export type Kept = keyof typeof KEPT;

/** Times are UTC, as ISO 8601. */
export interface RecordedSession extends Environment {
  readonly name: string;
  readonly command: string;
  readonly started: string;
  /** When it last wrote. */
  readonly ended: string;
}

/** A piece of a run's training. */
export interface Work {
  /** Place among the record's sessions. */
  readonly session: number;
  readonly from: number;
  readonly to: number;
  readonly seconds: number;
}

export interface RecordedRun {
  /** Its steps are those that the experiment asks for. */
  readonly spec: RunSpec;
  readonly status: string;
  /** Updates done. */
  readonly step: number;
  readonly error: string | null;
  /** Whether these evaluations are a part of those that were made. */
  readonly thinned: boolean;
  readonly metrics: readonly Metrics[];
  /** By the record's rules, in their order, over all evaluations that were made, with `transition_step` where that is known. */
  readonly milestones: readonly Row[];
  readonly work: readonly Work[];
  /** Files that go along, in the record's folder. */
  readonly artifacts: readonly Artifact[];
}

type FullRule = Required<NamedRule>;

export interface Recorded {
  readonly name: string;
  readonly question: string | null;
  /** The experiment's, then others by which its runs are judged. */
  readonly rules: readonly [FullRule, ...FullRule[]];
  readonly margin: number | null;
  readonly keep: "checkpoint" | "nothing";
  readonly watch: Watch | null;
  readonly declared: string;
  readonly kept: Kept;
  /** How the record was made, as typed. */
  readonly command: string;
  readonly sessions: readonly RecordedSession[];
  readonly runs: readonly RecordedRun[];
}

export type { Field };

/** How the numbers of a column read back: each is the shortest text that gives the same number of this kind. */
export type Precision = "f32" | "f64";

/** What stands in `experiment.json`. */
export interface Header extends Pick<Recorded, "name" | "question" | "margin" | "keep" | "watch"> {
  readonly format: typeof FORMAT;
  readonly version: number;
  readonly rule: FullRule;
  readonly otherRules: readonly FullRule[];
  /** The fields that all runs share, as in a spec. */
  readonly base: Readonly<Record<string, Readonly<Record<string, Field>>>>;
  /** The others: columns of `runs.csv`. */
  readonly swept: readonly string[];
  readonly runs: number;
  readonly metrics: {
    readonly kept: Kept;
    readonly what: string;
    readonly evaluations: number;
    readonly precision: Readonly<Record<string, Precision>>;
  };
  /** Lines of `artifacts.csv`. */
  readonly artifacts: number;
  readonly provenance: {
    readonly command: string;
    readonly declared: string;
    readonly sessions: readonly (RecordedSession & { readonly wallSeconds: number })[];
  };
  /** Checksums of the record's files of text, by their names; that of `experiment.json` is of all else in it. Absent in older records. */
  readonly sha256?: Readonly<Record<string, string>>;
}

/** The checksum of all that stands in a header but for its checksums. */
export const headerChecksum = ({ sha256: _, ...rest }: Header): string => checksumOf(stableJson(rest));
/** The checksum of a text. */
export const checksumOf = (text: string): string => checksum(new TextEncoder().encode(text));

/** The metrics that a record may have beside the step; which it has, `metricsIn` says. */
export const METRIC_FIELDS = METRIC_NAMES.filter((name) => name !== "step");
/** The columns of `metrics.csv`. */
export const metricsHeader = (fields: readonly MetricName[]): string[] => ["run", "step", ...fields.map((name) => METRIC_COLUMNS[name])];

export const ARTIFACTS_HEADER = ["run", "kind", "step", "file", "bytes", "sha256"] as const;

/** What the lab has of a run's milestones by a rule. */
export const MILESTONES = Object.keys(milestoneRow([], RULES.first));
/** The columns of a run's milestones by a rule. */
export const milestoneColumns = (version = VERSION): string[] => version === 1 ? MILESTONES : [...MILESTONES, TRANSITION];
export const TRANSITION = "transition_step";
/** In place of a transition's step of a run with a part of its evaluations, where its record didn't say. */
export const UNKNOWN = "unknown";

/** Where a milestone stands in `runs.csv`: those of the experiment's own rule, the first, have plain names. */
export const milestoneColumn = (name: string, rule: string, place: number) => place === 0 ? name : `${rule}.${name}`;

/** The columns of `runs.csv`. */
export const runsHeader = (fields: readonly string[], rules: readonly { readonly name: string }[], version = VERSION): string[] => [
  ...["run", "hash", ...fields, "seed", "steps", "status", "step", "error", "evaluations", "thinned"],
  ...rules.flatMap(({ name }, place) => milestoneColumns(version).map((column) => milestoneColumn(column, name, place))),
  ...["seconds", "work"],
];

/** A run's fields as columns name them; its seed and its steps have columns of their own. */
const fieldsOf = (spec: RunSpec): Map<string, Field> =>
  new Map(PART_ENTRIES.filter(({ field }) => !field.extent).map((entry) => [entry.path, valueAt(spec, entry)]));

/** Fields in their parts, as a spec has them. */
export function nested(fields: Iterable<readonly [string, Field]>, parts: Record<string, Record<string, Field>> = {}): typeof parts {
  for (const [name, value] of fields) {
    const [part, field] = name.split(".");
    (parts[part] ??= {})[field] = value;
  }
  return parts;
}

/** Seconds, to a thousandth: clocks know no more. */
export const milliseconds = (seconds: number) => Math.round(seconds * 1000) / 1000;

/** The text of each file of a record, by its name; without evaluations there is no `metrics.csv`, and without files no `artifacts.csv`. */
export function recordedFiles(recorded: Recorded): Map<string, string> {
  const { name, question, rules, margin, keep, watch, kept, command, declared } = recorded;
  const differing = [...swept(recorded.runs.map(({ spec }) => spec), { written: true }).keys()].filter((field) =>
    field !== "seed" && field !== "schedule.steps"
  );
  const runs = sorted(recorded.runs, differing);
  const known = metricsIn(runs.flatMap(({ metrics }) => metrics)).filter((field) => field !== "step");
  const precision = Object.fromEntries(
    known.map((field) => [METRIC_COLUMNS[field], runs.every((run) => run.metrics.every((row) => isSingle(row[field]))) ? "f32" : "f64"]),
  ) as Record<string, Precision>;
  const lines = runs.flatMap(({ metrics }, i) => metrics.map((row) => metricsLine(i + 1, row, known, precision)));
  const rows = runs.map((run, i) => runCells(i + 1, run, differing).map((cell) => cell === null ? "" : String(cell)));
  const files = runs.flatMap(({ artifacts }, i) =>
    artifacts.map((each) => [i + 1, ...ARTIFACTS_HEADER.slice(1).map((name) => each[name])])
  );
  const [rule, ...otherRules] = rules;
  const header: Header = {
    format: FORMAT,
    version: VERSION,
    ...{ name, question, rule, otherRules, margin, keep, watch },
    base: nested(shared(runs)),
    swept: differing,
    runs: runs.length,
    metrics: { kept, what: KEPT[kept], evaluations: lines.length, precision },
    artifacts: files.length,
    provenance: {
      ...{ command: withoutFolders(command), declared },
      sessions: recorded.sessions.map(({ name, command, started, ended, ...environment }) => ({
        ...{ name, command: withoutFolders(command), started, ended, wallSeconds: (Date.parse(ended) - Date.parse(started)) / 1000 },
        ...environment,
      })),
    },
  };
  const tables = new Map<string, string>([
    ...kept === "none" ? [] : [[FILES.metrics, `${metricsHeader(known)}\n${lines.join("")}`] as const],
    ...files.length === 0
      ? []
      : [[FILES.artifacts, `${csvFormatRows([[...ARTIFACTS_HEADER], ...files.map((row) => row.map(String))])}\n`] as const],
    [FILES.runs, `${csvFormatRows([runsHeader(differing, rules), ...rows])}\n`],
  ]);
  const sha256 = Object.fromEntries([...tables].map(([file, text]) => [file, checksumOf(text)]));
  const whole = { ...header, sha256: { [FILES.experiment]: headerChecksum(header), ...sha256 } };
  return new Map([...tables, [FILES.experiment, `${JSON.stringify(whole, null, 2)}\n`]]);
}

/** The fields in which all runs agree, but for those that came later and change nothing in them. */
function shared(runs: readonly RecordedRun[]): [string, Field][] {
  const [first, ...others] = runs.map(({ spec }) => fieldsOf(spec));
  return [...first].filter(([path, value]) =>
    others.every((fields) => fields.get(path) === value) && !isNeutral(runs[0].spec, entryAt(path)!)
  );
}

/** Runs by what differs, then by seed. */
function sorted(runs: readonly RecordedRun[], differing: readonly string[]): RecordedRun[] {
  const keyed = runs.map((run) => {
    const fields = fieldsOf(run.spec);
    return { run, key: [...differing.map((field) => fields.get(field)!), run.spec.seed, specHash(run.spec)] };
  });
  const compare = (a: Field, b: Field) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : Number(a !== b);
  return keyed.sort((a, b) => a.key.map((value, i) => compare(value, b.key[i])).find((order) => order !== 0) ?? 0).map(({ run }) => run);
}

function runCells(number: number, { spec, metrics, work, ...run }: RecordedRun, differing: readonly string[]): (Field | null)[] {
  const fields = fieldsOf(spec);
  return [
    ...[number, specHash(spec), ...differing.map((field) => fields.get(field)!), spec.seed, spec.schedule.steps],
    ...[run.status, run.step, run.error, metrics.length, Number(run.thinned)],
    ...run.milestones.flatMap((each) => milestoneColumns().map((name) => Object.hasOwn(each, name) ? each[name] : UNKNOWN)),
    secondsOf(work),
    work.map(({ session, from, to, seconds }) => `${session + 1}:${from}-${to}:${seconds}`).join(" "),
  ];
}

/** All the seconds of a run's training. */
export const secondsOf = (work: readonly Work[]) => milliseconds(work.reduce((sum, { seconds }) => sum + seconds, 0));

function metricsLine(number: number, row: Metrics, fields: readonly MetricName[], precision: Readonly<Record<string, Precision>>): string {
  const cells = fields.map((field) =>
    Number.isNaN(row[field]) ? "" : precision[METRIC_COLUMNS[field]] === "f32" ? single(row[field]) : String(row[field])
  );
  return `${number},${row.step},${cells}\n`;
}

const isSingle = (value: number) => Number.isNaN(value) || Math.fround(value) === value;

/** The shortest text that reads back to the same f32. Where fewer than six digits do, the others are zeros, which fall away. */
function single(value: number): string {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(Number(value.toPrecision(9)));
}
