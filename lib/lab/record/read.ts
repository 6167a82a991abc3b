/** Recorded results from their text: whatever doesn't fit is an error that names file and line. */
import { isAlwaysThere, METRICS } from "../../run/metrics.ts";
import { type RunInput, runSpec, specHash } from "../../run/spec.ts";
import type { Metrics } from "../../engine/engine.ts";
import type { Artifact } from "../artifacts.ts";
import { milestoneRow, phaseRow } from "../milestones.ts";
import type { Row, Value } from "../store.ts";
import { isRecordedFile } from "./artifacts.ts";
import { type Line, Table } from "./csv.ts";
import {
  ARTIFACTS_HEADER,
  checksumOf,
  type Field,
  FILES,
  type Header,
  headerChecksum,
  METRIC_FIELDS,
  metricsHeader,
  milestoneColumn,
  milestoneColumns,
  nested,
  type Precision,
  type Recorded,
  type RecordedRun,
  runsHeader,
  secondsOf,
  TRANSITION,
  UNKNOWN,
  type Work,
} from "./files.ts";
import { readHeader } from "./header.ts";

const STATUSES = ["waiting", "stopped", "grokked", "finished", "failed"];

/**
 * The record whose texts `file` gives. Every spec is hashed anew, and milestones are computed anew wherever all evaluations are there.
 * @throws Error in one line with file, line, requirement and current value.
 */
export function readRecorded(file: (name: string) => string): Recorded {
  const header = readHeader(file(FILES.experiment));
  const {
    name,
    question,
    margin,
    keep,
    watch = null,
    rule,
    otherRules,
    metrics: { kept },
    provenance: { command, declared, ...provenance },
  } = header;
  const table = new Table(FILES.runs, file(FILES.runs), runsHeader(header.swept, [rule, ...otherRules], header.version), header.runs);
  const metrics = kept === "none" ? new Map() : readMetrics(file(FILES.metrics), header);
  const artifacts = header.artifacts > 0 ? readArtifacts(file(FILES.artifacts), header) : new Map<number, Artifact[]>();
  const runs: RecordedRun[] = [], lines = new Map<string, number>();
  for (const row of table.rows()) {
    const run = readRun(row, metrics.get(runs.length + 1) ?? [], header), hash = row.text("hash");
    row.check("run", row.whole("run") === runs.length + 1, String(runs.length + 1));
    row.check("hash", !lines.has(hash), `another than in line ${lines.get(hash)}`);
    lines.set(hash, row.line);
    for (const { session } of run.work) {
      row.check("work", provenance.sessions[session] !== undefined, `that of sessions of ${FILES.experiment}`);
    }
    runs.push({ ...run, artifacts: artifacts.get(runs.length + 1) ?? [] });
  }
  checkSums(header, file);
  const sessions = provenance.sessions.map(({ wallSeconds: _, ...session }) => session);
  return { name, question, rules: [rule, ...otherRules], margin, keep, watch, declared, kept, command, sessions, runs };
}

/** That all texts are those that were written; what is wrong with a cell is said before, with its place. */
function checkSums(header: Header, file: (name: string) => string): void {
  for (const [name, wanted] of Object.entries(header.sha256 ?? {})) {
    const text = file(name),
      sumOf = (text: string) => name === FILES.experiment ? headerChecksum(header) : checksumOf(text),
      is = sumOf(text);
    if (is === wanted) continue;
    if (sumOf(text.replaceAll("\r\n", "\n")) === wanted) {
      throw new Error(
        `${name} must be as it was written, its lines must end in LF, they end in CRLF, as git with core.autocrlf writes them`,
      );
    }
    throw new Error(`${name} must be as it was written, with the SHA-256 ${wanted}, current value is ${is}`);
  }
}

/** The evaluations of each run, by its number. */
function readMetrics(text: string, { runs, metrics: { evaluations, precision } }: Header): Map<number, Metrics[]> {
  const all = new Map<number, Metrics[]>();
  const fields = METRIC_FIELDS.filter((field) => METRICS[field].column in precision);
  let last = { run: 0, step: 0 };
  for (const row of new Table(FILES.metrics, text, metricsHeader(fields), evaluations).rows()) {
    const run = row.whole("run"), step = row.whole("step");
    row.check("run", run >= Math.max(1, last.run) && run <= runs, `a run's number from ${Math.max(1, last.run)} to ${runs}`);
    row.check("step", run > last.run || step > last.step, `above ${last.step}`);
    const values = METRIC_FIELDS.map((field) => {
      const { column, range } = METRICS[field], value = fields.includes(field) ? row.number(column) : null;
      row.check(column, value !== null || !isAlwaysThere(field), "a number");
      row.check(column, value === null || range.has(value), range.words);
      return [field, value === null ? NaN : asStored(value, precision[column])];
    });
    if (run > last.run) all.set(run, []);
    all.get(run)!.push({ step, ...Object.fromEntries(values) });
    last = { run, step };
  }
  return all;
}

/** The files of each run, by its number. */
function readArtifacts(text: string, { runs, artifacts }: Header): Map<number, Artifact[]> {
  const all = new Map<number, Artifact[]>();
  for (const row of new Table(FILES.artifacts, text, ARTIFACTS_HEADER, artifacts).rows()) {
    const run = row.whole("run"), file = row.text("file"), sha256 = row.text("sha256");
    row.check("run", run >= 1 && run <= runs, `a run's number from 1 to ${runs}`);
    row.check("kind", ["attention-thin", "weights"].includes(row.text("kind")), "attention-thin or weights");
    row.check("file", isRecordedFile(file), "a file of the record, like attention/0123456789abcdef.safetensors");
    row.check("sha256", /^[0-9a-f]{64}$/.test(sha256), "64 hexadecimal digits");
    const artifact = { kind: row.text("kind"), step: row.whole("step"), file, bytes: row.whole("bytes"), sha256 };
    all.set(run, [...all.get(run) ?? [], artifact]);
  }
  return all;
}

const asStored = (value: number, precision: Precision) => precision === "f32" ? Math.fround(value) : value;

function readRun(
  row: Line,
  metrics: readonly Metrics[],
  { version, rule, otherRules, base, swept }: Header,
): Omit<RecordedRun, "artifacts"> {
  const fields = swept.map((field): [string, Field] => [field, fieldOf(row.text(field))]);
  const { schedule, ...parts } = nested(fields, structuredClone(base) as Record<string, Record<string, Field>>);
  const input = { ...parts, schedule: { ...schedule, steps: row.whole("steps") }, seed: row.whole("seed") } as unknown as RunInput;
  let spec;
  try {
    spec = runSpec(input);
  } catch (error) {
    row.table.fail(row.line, (error as Error).message);
  }
  const hash = specHash(spec), thinned = row.whole("thinned");
  row.check("hash", row.text("hash") === hash, `${hash}, which its fields give`);
  row.check("status", STATUSES.includes(row.text("status")), `one of ${STATUSES.join(", ")}`);
  row.check("thinned", thinned <= 1, "0 or 1");
  row.check("evaluations", row.whole("evaluations") === metrics.length, `${metrics.length}, as many as ${FILES.metrics} has of it`);
  const found = [rule, ...otherRules].map((each, place): Row => {
    const column = (name: string) => milestoneColumn(name, each.name, place);
    const isUnknown = (name: string) => name === TRANSITION && thinned === 1 && row.text(column(name)) === UNKNOWN;
    const recorded: Record<string, Value> = Object.fromEntries(
      milestoneColumns(version).filter((name) => !isUnknown(name)).map((name) => [name, row.number(column(name))]),
    );
    const transition = version > 1 && { [TRANSITION]: phaseRow(metrics, each)?.transition_step ?? null };
    const computed = thinned ? { censored: Number(recorded.grokking_step === null) } : { ...milestoneRow(metrics, each), ...transition };
    for (const [name, value] of Object.entries(computed)) {
      row.check(
        column(name),
        recorded[name] === value,
        `${value ?? "empty"} by rule ${each.name}, as ${thinned ? "the row" : FILES.metrics} gives it`,
      );
    }
    return recorded;
  });
  const text = row.text("error");
  const work = readWork(row);
  row.check("seconds", row.number("seconds") === secondsOf(work), `${secondsOf(work)}, the sum of its work`);
  const run = { status: row.text("status"), step: row.whole("step"), error: text === "" ? null : text, thinned: thinned === 1 };
  return { spec, ...run, metrics, milestones: found, work };
}

function readWork(row: Line): Work[] {
  return row.text("work").split(" ").filter((piece) => piece !== "").map((piece) => {
    const match = /^([1-9]\d*):(\d+)-(\d+):(\d+(?:\.\d+)?)$/.exec(piece);
    row.check("work", match !== null, "session:from-to:seconds, with spaces between");
    const [session, from, to, seconds] = match!.slice(1).map(Number);
    return { session: session - 1, from, to, seconds };
  });
}

/** A spec's field from its cell. */
function fieldOf(text: string): Field {
  if (text === "true" || text === "false") return text === "true";
  return text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
}
