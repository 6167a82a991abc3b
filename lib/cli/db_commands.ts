/** What the subcommands of `deno task db` do. Results go to stdout. */
import { writeWhole } from "../run/files.ts";
import { RULES } from "../run/grokking.ts";
import { checkRule, type NamedRule, namedRule } from "../lab/experiment.ts";
import { finalInfo } from "../lab/final_info.ts";
import { mergeAll } from "../lab/merge.ts";
import { hasExperiments, OVERVIEW } from "../lab/overview.ts";
import { SENT } from "../lab/record/artifacts.ts";
import { exportRecorded } from "../lab/record/export.ts";
import { enterRecord, readRecord } from "../lab/record/import.ts";
import { withLab } from "../lab/opening.ts";
import { Lab } from "../lab/store.ts";
import { recompute } from "../lab/recompute.ts";
import { retrain } from "../lab/retrain.ts";
import { verify } from "../lab/verify.ts";
import { quote } from "../run/quote.ts";
import { openEngine } from "../train/engines.ts";
import { answer, type Format, schema, stdout } from "./db_query.ts";
import { ENGINE_FLAGS, engineRequest } from "./engine.ts";
import { here, labMustBeThere, prepareFile } from "./files.ts";
import { choice, type Flag, type Given, numberOf, seedsOf } from "./flags.ts";
import { stoppable } from "./main.ts";
import { plural } from "./progress.ts";
import { printable, say, tell } from "./terminal.ts";

/** A command line that has been read. */
export interface Call {
  readonly db: string;
  readonly given: Given;
  /** The words after the subcommand's name. */
  readonly words: readonly string[];
  /** As typed, for the record. */
  readonly command: string;
}

/** The database of a call, which has to be there. */
export async function open({ db }: Call, readOnly: boolean): Promise<Lab> {
  await labMustBeThere(db);
  return Lab.open(db, { readOnly, say });
}

/** The value of a flag that has to be given. */
export function needed({ given }: Call, flag: string): string {
  const value = given.get(flag);
  if (typeof value !== "string") throw new Error(`Cannot do without --${flag}: must have a value, there is none`);
  return value;
}

export async function list(call: Call): Promise<number> {
  using lab = await open(call, true);
  using out = stdout();
  if (hasExperiments(lab)) answer(lab, OVERVIEW, "table", out);
  else out.write("There are no experiments yet; deno task sweep --help lists those that can begin.\n");
  return 0;
}

export async function query(call: Call): Promise<number> {
  const { given, words: [word] } = call;
  if (given.has("csv") && given.has("json")) throw new Error("Cannot use --csv and --json together: must be one of them");
  const format: Format = given.has("csv") ? "csv" : given.has("json") ? "json" : "table";
  if (word === undefined && format !== "table") {
    throw new Error(`Cannot write ${format.toUpperCase()}: must have an SQL statement, there is none`);
  }
  using lab = await open(call, true);
  const sql = word === "-" ? await new Response(Deno.stdin.readable).text() : word;
  using out = stdout();
  if (sql !== undefined) {
    answer(lab, sql, format, out);
    return 0;
  }
  out.write(`${schema(lab, out.columns ?? 120)}\n\nExperiments\n`);
  answer(lab, OVERVIEW, "table", out);
  out.write(`\ndeno task db query "SELECT state, count(*) AS runs FROM run_summary GROUP BY state"\n`);
  return 0;
}

export async function mergeLabs({ db, words }: Call): Promise<number> {
  const sources: Lab[] = [];
  try {
    for (const path of words) sources.push(Lab.open(path, { readOnly: true }));
    await mergeAll(sources, db, {
      say,
      done: (from, { runs, entered, further, evaluations, files }) =>
        tell(
          `${here(from.path)}: ${plural(runs, "run")}, ${entered} new, ${further} further along; ` +
            `${plural(evaluations, "evaluation")} and ${plural(files, "file")} entered`,
        ),
    });
  } finally {
    for (const lab of sources) lab.close();
  }
  return 0;
}

export const VERIFY_FLAGS: Readonly<Record<string, Flag>> = {
  "retrain": {
    value: "N",
    help:
      "train N of the runs again that the cpu engine trained, from their seeds: all evaluations must have the same bits, on any machine; " +
      "means over batches may differ right after an end between two evaluations",
  },
  "threads": ENGINE_FLAGS.threads,
};

export async function check(call: Call): Promise<number> {
  const count = call.given.has("retrain") ? numberOf("retrain", needed(call, "retrain")) : null, { threads } = engineRequest(call.given);
  if (count !== null && !(Number.isSafeInteger(count) && count >= 1)) {
    throw new Error(`Cannot read --retrain: must be a whole number from 1, current value is ${count}`);
  }
  if (threads !== undefined && count === null) throw new Error("Cannot use --threads: must be given with --retrain, nothing else trains");
  using lab = await open(call, true);
  using out = stdout();
  const { findings, runs, evaluations, files } = await verify(lab), all = [...findings];
  const looked = [`${plural(runs, "run")}, ${plural(evaluations, "evaluation")}, ${plural(files, "file")}`];
  let code: number | undefined;
  // What can't be read can't be compared.
  if (count !== null && findings.length === 0) {
    const engine = await openEngine("cpu", threads === undefined ? {} : { threads });
    const { result: again, code: stopped } = await stoppable((signal) => retrain(lab, count, engine, signal));
    all.push(...again.findings);
    looked.push(
      `${again.runs} of ${plural(again.of, "run")} of the cpu engine trained again, ${plural(again.evaluations, "evaluation")} compared`,
    );
    code = stopped;
  }
  for (const { about, text } of all) out.write(`${printable(`${about}: ${text}`)}\n`);
  out.write(all.length === 0 ? `ok: ${looked.join("; ")}\n` : `${plural(all.length, "finding")}\n`);
  return code ?? (all.length === 0 ? 0 : 1);
}

export async function recomputeAll(call: Call): Promise<number> {
  const rule = newRule(call);
  using lab = await open(call, false);
  const { runs, changed, thinned } = recompute(lab, rule);
  tell(`${plural(runs, "run")} by ${plural(lab.rules().length, "rule")}: ${changed} changed`);
  if (thinned > 0) tell(`${plural(thinned, "run")} with a part of their evaluations keep what they were imported with`);
  return 0;
}

/** The flags that make a new rule. */
export const RULE_FLAGS: Readonly<Record<string, Flag>> = {
  "rule": { value: "NAME", help: "a new rule's name; the table milestones then has rows by it" },
  "accuracy": { value: "X", help: "the validation accuracy that counts as grokked, as a share of 1" },
  "exclusive": { help: "only what is above it counts, not the accuracy itself" },
  "times": { value: "N", help: "evaluations in a row that must count" },
  "memorised": { value: "X", help: "a train accuracy above this counts as memorised [0.99]" },
};

function newRule(call: Call): NamedRule | undefined {
  const { given } = call, flags = Object.keys(RULE_FLAGS);
  if (!flags.some((flag) => given.has(flag))) return undefined;
  const number = (flag: string) => numberOf(flag, needed(call, flag));
  const name = needed(call, "rule");
  if (Object.hasOwn(RULES, name)) {
    throw new Error(`Cannot add rule ${name}: must be a new one, ${Object.keys(RULES).join(" and ")} are always there`);
  }
  const rule = namedRule({
    name,
    accuracy: number("accuracy"),
    inclusive: !given.has("exclusive"),
    times: number("times"),
    ...given.has("memorised") && { memorised: number("memorised") },
  });
  checkRule(rule, (field, requirement, value) => {
    const flag = field === "name" ? "rule" : field;
    throw new Error(`Cannot read --${flag}: must be ${requirement}, current value is ${quote(value)}`);
  });
  return rule;
}

const METRICS = ["all", "thin", "none"] as const;

export async function exportTo(call: Call): Promise<number> {
  const experiment = needed(call, "experiment"), to = needed(call, "to");
  const metrics = choice("metrics", call.given.get("metrics") as string ?? "thin", METRICS);
  const sent = SENT.filter((kind) => call.given.has(kind));
  using lab = await open(call, true);
  const networks = call.given.has("networks") ? seedsOf(needed(call, "networks"), "--networks:") : [];
  const [ended, replace] = ["ended", "replace"].map((flag) => call.given.has(flag));
  const options = { metrics, files: sent, networks, ended, replace, command: call.command };
  const { runs, evaluations, files, bytes } = await exportRecorded(lab, experiment, to, options);
  const kinds = [...sent, ...networks.length > 0 ? ["networks"] : []];
  const what = [
    plural(runs, "run"),
    ...kinds.length > 0 ? [`${plural(files, "file")} of ${kinds.join(" and ")}`] : [],
    plural(evaluations, "evaluation"),
  ];
  tell(`${what.slice(0, -1).join(", ")} and ${what.at(-1)} in ${to}, ${Math.ceil(bytes / 1024)} KiB`);
  return 0;
}

export async function importFrom({ db, words: [folder] }: Call): Promise<number> {
  // First of all: a folder that can't be imported leaves no database behind.
  const record = await readRecord(folder);
  const { experiment, runs, entered, left, files } = await withLab(db, (lab) => enterRecord(lab, record), { say });
  tell(`${experiment}: ${plural(runs, "run")}, ${entered} entered${files > 0 ? `, ${plural(files, "file")}` : ""}`);
  if (left > 0) say(`${plural(left, "run")} in training in ${here(db)} stay as they are there; import again when they have ended`);
  return 0;
}

export async function writeFinalInfo(call: Call): Promise<number> {
  const experiment = needed(call, "experiment"), where = call.given.get("where"), out = call.given.get("out");
  if (typeof out === "string") await prepareFile("--out", out);
  using lab = await open(call, true);
  const text = `${JSON.stringify(finalInfo(lab, experiment, typeof where === "string" ? { where } : {}), null, 2)}\n`;
  if (typeof out === "string") await writeWhole(out, text);
  else {
    using output = stdout();
    output.write(text);
  }
  return 0;
}
