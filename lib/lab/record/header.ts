/** `experiment.json` of a record: what may stand in it, and reading it. */
import * as v from "valibot";
import { inOneLine, quote } from "../../run/quote.ts";
import { runSpec } from "../../run/spec.ts";
import { checkExperiment } from "../experiment.ts";
import { checkWatch, type Watch } from "../watch.ts";
import { METRIC_COLUMNS, METRICS } from "../../run/metrics.ts";
import { FILES, FORMAT, type Header, KEPT, METRIC_FIELDS, VERSION } from "./files.ts";

// The message of each schema is its requirement, as an error says it.
const text = v.string("a text");
const flag = v.boolean("true or false");
const number = v.number("a number");
const count = v.pipe(v.number("a whole number"), v.safeInteger("a whole number"), v.minValue(0, "a whole number"));
const sha256 = v.pipe(text, v.regex(/^[0-9a-f]{64}$/, "64 hexadecimal digits"));
const field = v.union([v.string(), v.number(), v.boolean()], "a text, a number, true or false");
const list = <T extends v.GenericSchema>(each: T) => v.array(each, "a list");

/** An object with these fields and no others. */
function fields<T extends v.ObjectEntries>(entries: T) {
  const requirement = (schema: v.GenericSchema | undefined): string =>
    schema && "message" in schema && typeof schema.message === "string"
      ? schema.message
      : schema && "pipe" in schema
      ? requirement((schema.pipe as v.GenericSchema[])[0])
      : `an object with ${Object.keys(entries).join(", ")}`;
  return v.strictObject(entries, ({ expected }) => {
    if (expected === "never") return `one of ${Object.keys(entries).join(", ")}`;
    // A field that is missing is told what it must be.
    return requirement(expected === null ? undefined : entries[expected.slice(1, -1)] as v.GenericSchema | undefined);
  });
}

function isWatch(value: unknown): boolean {
  try {
    checkWatch(value as Watch, (part, requirement) => {
      throw new Error(`${part} must be ${requirement}`);
    });
    return true;
  } catch {
    return false;
  }
}

const PRECISION = v.picklist(["f32", "f64"], "f32 or f64");
const RULE = fields({ name: text, accuracy: number, inclusive: flag, times: number, memorised: number });
const SESSION = fields({
  ...{
    name: text,
    command: text,
    started: text,
    ended: text,
    wallSeconds: number,
    engine: text,
    adapter: text,
    driver: text,
    software: flag,
  },
  ...{ system: text, processor: text, cores: count, deno: text, commit: text },
});
const HEADER = fields({
  format: v.literal(FORMAT, FORMAT),
  version: v.picklist([1, VERSION], `1 or ${VERSION}, which is all that this Grokbook reads`),
  name: text,
  question: v.nullable(v.string("null or a text")),
  rule: RULE,
  otherRules: list(RULE),
  margin: v.nullable(v.number("null or a whole number of updates from 0")),
  keep: v.picklist(["checkpoint", "nothing"], "checkpoint or nothing"),
  // Version 1 had neither `watch` nor `artifacts`.
  watch: v.optional(v.nullable(v.custom<Watch>(isWatch, "null or what an experiment may watch"))),
  base: v.record(v.string(), v.record(v.string(), field, "an object"), "the parts of a spec"),
  swept: list(v.pipe(text, v.regex(/^\w+\.\w+$/, "a field such as model.layers"))),
  runs: v.pipe(v.number("a whole number from 1"), v.safeInteger("a whole number from 1"), v.minValue(1, "a whole number from 1")),
  metrics: fields({
    kept: v.picklist(Object.keys(KEPT) as (keyof typeof KEPT)[], `one of ${Object.keys(KEPT).join(", ")}`),
    what: text,
    evaluations: count,
    precision: fields(
      Object.fromEntries(METRIC_FIELDS.map((name) => [METRIC_COLUMNS[name], METRICS[name].later ? v.optional(PRECISION) : PRECISION])),
    ),
  }),
  artifacts: v.optional(count),
  provenance: fields({ command: text, declared: text, sessions: list(SESSION) }),
  // Checksums of the files that are there, by their names; of this one, of all else that stands in it. Records made before have none.
  sha256: v.optional(v.record(text, sha256, "an object of checksums")),
});

const BYTE_ORDER_MARK = "\ufeff";

/** The header in the text of `experiment.json`. @throws Error in one line with its place, the requirement and the current value. */
export function readHeader(source: string): Header {
  const fail = (line: number | string, what: string): never => {
    throw new Error(`${FILES.experiment}, line ${line}: ${inOneLine(what, 500)}`);
  };
  if (source.startsWith(BYTE_ORDER_MARK)) fail(1, "it must begin with {, it begins with a byte order mark");
  let json: unknown;
  try {
    json = JSON.parse(source);
  } catch (error) {
    const { message } = error as Error;
    fail(/\(line (\d+) /.exec(message)?.[1] ?? source.split("\n").length, `it must be JSON: ${message}`);
  }
  const { success, issues, output } = v.safeParse(HEADER, json, { abortEarly: true });
  if (!success) {
    const path = (issues[0].path ?? []).map(({ key }) => key as string | number), name = path.join(".") || "it";
    fail(lineOf(source, path), `${inOneLine(name)} must be ${issues[0].message}, current value is ${quote(issues[0].input)}`);
  }
  const header = output as unknown as Header;
  for (const name of header.version > 1 ? ["artifacts", "watch"] as const : []) {
    if (header[name] === undefined) fail(lineOf(source, []), `${name} must be there in version ${header.version}, it is missing`);
  }
  for (const [i, rule] of [header.rule, ...header.otherRules].entries()) {
    try {
      // Whatever the runs are.
      checkExperiment({ name: header.name, rule, margin: header.margin, runs: [runSpec()] });
    } catch (error) {
      fail(lineOf(source, i === 0 ? ["rule"] : ["otherRules", i - 1, "name"]), (error as Error).message);
    }
  }
  return header;
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
