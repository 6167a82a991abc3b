/** Recorded results from their text: whatever doesn't fit is an error that names file and line. */
// @ts-types="@types/d3-dsv"
import { csvParseRows } from "d3-dsv";
import { type RunInput, runSpec, specHash } from "../../run/spec.ts";
import type { Metrics } from "../../engine/engine.ts";
import type { Artifact } from "../artifacts.ts";
import { isRecordedFile } from "./artifacts.ts";
import { checkExperiment } from "../experiment.ts";
import {
  ARTIFACTS_HEADER,
  FILES,
  FORMAT,
  KEPT,
  METRIC_FIELDS,
  METRICS,
  METRICS_HEADER,
  milestoneColumn,
  milestoneColumns,
  nested,
} from "./files.ts";
import {
  type Field,
  type Header,
  type Precision,
  type Recorded,
  type RecordedRun,
  runsHeader,
  secondsOf,
  TRANSITION,
  UNKNOWN,
  VERSION,
} from "./files.ts";
import type { Work } from "./files.ts";
import { milestoneRow, phaseRow } from "../milestones.ts";
import type { Row, Value } from "../store.ts";
import { checkWatch, type Watch } from "../watch.ts";

const STATUSES = ["waiting", "stopped", "grokked", "finished", "failed"];
const SESSION_TEXTS = ["name", "command", "started", "ended", "engine", "adapter", "driver", "system", "processor", "deno", "commit"];
/** What the lab has of every evaluation. The others there aren't before the first update. */
const ALWAYS: ReadonlySet<string> = new Set(METRIC_FIELDS.slice(0, 5));

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
  const sessions = provenance.sessions.map(({ wallSeconds: _, ...session }) => session);
  return { name, question, rules: [rule, ...otherRules], margin, keep, watch, declared, kept, command, sessions, runs };
}

function readHeader(text: string): Header {
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const { message } = error as Error, line = /\(line (\d+) /.exec(message)?.[1] ?? text.split("\n").length;
    throw new Error(`${FILES.experiment}, line ${line}: it must be JSON: ${message.replaceAll("\n", " ")}`);
  }
  /** The value at a path, if it is as required. */
  const check = (path: readonly (string | number)[], ok: (value: unknown) => boolean, requirement: string) => {
    const value = path.reduce<unknown>((at, key) => (at as Record<string | number, unknown> | undefined | null)?.[key], json);
    if (ok(value)) return;
    const shown = JSON.stringify(value)?.slice(0, 80);
    throw new Error(`${FILES.experiment}, line ${lineOf(text, path)}: ${path.join(".")} must be ${requirement}, current value is ${shown}`);
  };
  const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
  const isText = (value: unknown) => typeof value === "string";
  const isFlag = (value: unknown) => typeof value === "boolean";
  const isCount = (value: unknown) => Number.isInteger(value) && (value as number) >= 0;
  check(["format"], (value) => value === FORMAT, FORMAT);
  check(["version"], (value) => value === 1 || value === VERSION, `1 or ${VERSION}, which is all that this Grokbook reads`);
  check(["name"], isText, "a text");
  check(["question"], (value) => value === null || isText(value), "null or a text");
  check(["keep"], (value) => value === "checkpoint" || value === "nothing", "checkpoint or nothing");
  check(["otherRules"], Array.isArray, "a list");
  const header = json as unknown as Header;
  for (const path of [["rule"], ...header.otherRules.map((_, i) => ["otherRules", i])]) {
    check([...path, "name"], isText, "a text");
    check([...path, "inclusive"], isFlag, "true or false");
  }
  for (const [i, rule] of [header.rule, ...header.otherRules].entries()) {
    try {
      // Whatever the runs are.
      checkExperiment({ name: header.name, rule, margin: header.margin, runs: [runSpec()] });
    } catch (error) {
      throw new Error(
        `${FILES.experiment}, line ${lineOf(text, i === 0 ? ["rule"] : ["otherRules", i - 1, "name"])}: ${(error as Error).message}`,
      );
    }
  }
  check(["base"], (value) => isObject(value) && Object.values(value as object).every(isObject), "the parts of a spec");
  check(
    ["swept"],
    (value) => Array.isArray(value) && value.every((field) => /^\w+\.\w+$/.test(field)),
    "a list of fields such as model.layers",
  );
  check(["runs"], (value) => isCount(value) && value !== 0, "a whole number from 1");
  check(["metrics", "kept"], (value) => isText(value) && Object.hasOwn(KEPT, value as string), `one of ${Object.keys(KEPT).join(", ")}`);
  check(["metrics", "evaluations"], isCount, "a whole number");
  if (header.version > 1) {
    check(["artifacts"], isCount, "a whole number");
    check(["watch"], isWatch, "null or what an experiment may watch");
  }
  for (const name of Object.values(METRICS)) {
    check(["metrics", "precision", name], (value) => value === "f32" || value === "f64", "f32 or f64");
  }
  for (const name of ["command", "declared"]) check(["provenance", name], isText, "a text");
  check(["provenance", "sessions"], Array.isArray, "a list");
  for (const i of header.provenance.sessions.keys()) {
    const path = ["provenance", "sessions", i];
    for (const name of SESSION_TEXTS) check([...path, name], isText, "a text");
    check([...path, "software"], isFlag, "true or false");
    check([...path, "cores"], isCount, "a whole number");
  }
  return header;
}

function isWatch(value: unknown): boolean {
  try {
    if (value !== null) {
      checkWatch(value as Watch, (part, requirement) => {
        throw new Error(`${part} must be ${requirement}`);
      });
    }
    return true;
  } catch {
    return false;
  }
}

/** The line of a field of JSON, or of what is around it where it is missing. */
function lineOf(text: string, path: readonly (string | number)[]): number {
  let at = 0;
  for (const [i, key] of path.entries()) {
    const before = path[i - 1];
    for (let n = typeof key === "number" ? 1 : 0; n <= (typeof before === "number" ? before : 0); n++) {
      const next = text.indexOf(`"${key}":`, at + 1);
      if (next >= 0) at = next;
    }
  }
  return text.slice(0, at).split("\n").length;
}

/** A CSV file whose columns are known. */
class Table {
  readonly #lines: string[][];

  /** @throws Error unless it has these columns and so many rows, and is written to its end. */
  constructor(readonly file: string, text: string, readonly header: readonly string[], count: number) {
    this.#lines = csvParseRows(text);
    const [columns = []] = this.#lines, end = this.#lines.length;
    if (!text.endsWith("\n")) this.fail(end, "it must end with a line break, it is cut off");
    const missing = header.filter((column) => !columns.includes(column));
    if (missing.length > 0) this.fail(1, `its columns must include ${missing.join(", ")}, current value is ${columns}`);
    if (columns.join() !== header.join()) this.fail(1, `its columns must be ${header}, current value is ${columns}`);
    for (const [i, { length }] of this.#lines.entries()) {
      if (length !== header.length) this.fail(i + 1, `it must have ${header.length} cells, current value is ${length}`);
    }
    if (end - 1 !== count) this.fail(end, `it must be the last of ${count + 1} lines as ${FILES.experiment} says, current value is ${end}`);
  }

  *rows(): Generator<Line> {
    for (let i = 1; i < this.#lines.length; i++) yield new Line(this, i + 1, this.#lines[i]);
  }

  fail(line: number, what: string): never {
    throw new Error(`${this.file}, line ${line}: ${what}`);
  }
}

class Line {
  constructor(readonly table: Table, readonly line: number, readonly cells: readonly string[]) {}

  text(column: string): string {
    return this.cells[this.table.header.indexOf(column)];
  }

  check(column: string, ok: boolean, requirement: string): void {
    if (!ok) this.table.fail(this.line, `${column} must be ${requirement}, current value is ${JSON.stringify(this.text(column))}`);
  }

  /** `null` where the cell is empty. */
  number(column: string): number | null {
    const text = this.text(column), value = Number(text);
    this.check(column, !Number.isNaN(value) && text.trim() === text, "a number");
    return text === "" ? null : value;
  }

  whole(column: string): number {
    const value = this.number(column);
    this.check(column, Number.isInteger(value) && value! >= 0, "a whole number");
    return value!;
  }
}

/** The evaluations of each run, by its number. */
function readMetrics(text: string, { runs, metrics: { evaluations, precision } }: Header): Map<number, Metrics[]> {
  const all = new Map<number, Metrics[]>();
  let last = { run: 0, step: 0 };
  for (const row of new Table(FILES.metrics, text, METRICS_HEADER, evaluations).rows()) {
    const run = row.whole("run"), step = row.whole("step");
    row.check("run", run >= Math.max(1, last.run) && run <= runs, `a run's number from ${Math.max(1, last.run)} to ${runs}`);
    row.check("step", run > last.run || step > last.step, `above ${last.step}`);
    const values = METRIC_FIELDS.map((field) => {
      const value = row.number(METRICS[field]);
      row.check(METRICS[field], value !== null || !ALWAYS.has(field), "a number");
      return [field, value === null ? NaN : asStored(value, precision[METRICS[field]])];
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
