/** `deno task db`: what the lab's database holds, asked, checked, joined with others, carried out and in. Results go to stdout. */
import { writeWhole } from "../run/files.ts";
import { checkRule, type NamedRule, namedRule } from "../lab/experiment.ts";
import { finalInfo } from "../lab/final_info.ts";
import { RULES } from "../run/grokking.ts";
import { merge } from "../lab/merge.ts";
import { SENT } from "../lab/record/artifacts.ts";
import { exportRecorded, importRecorded } from "../lab/record/record.ts";
import { Lab } from "../lab/store.ts";
import { recompute, verify } from "../lab/verify.ts";
import { answer, Closed, type Format, schema, stdout } from "./db_query.ts";
import { exists, here } from "./files.ts";
import { choice, type Flag, flagHelp, type Given, nearest, numberOf, parse } from "./flags.ts";
import { run } from "./main.ts";
import { LAB } from "./process.ts";
import { plural } from "./progress.ts";

/** A command line that has been read. */
interface Call {
  readonly db: string;
  readonly given: Given;
  /** The words after the subcommand's name. */
  readonly words: readonly string[];
  /** As typed, for the record. */
  readonly command: string;
}

interface Subcommand {
  /** What stands after its name in the help. */
  readonly usage: string;
  readonly summary: string;
  /** What else its own help says. */
  readonly more?: string;
  readonly flags?: Readonly<Record<string, Flag>>;
  /** How many words it takes, and what they are. Default: none. */
  readonly words?: readonly [least: number, most: number, what: string];
  /** @returns the exit code. */
  readonly run: (call: Call) => number | Promise<number>;
}

const DB: Record<string, Flag> = {
  "db": { value: "FILE", help: "the lab's database [data/lab.db]" },
  "help": { help: "this text, or that of a subcommand" },
};
const EXPERIMENT: Flag = { value: "NAME", help: "one that the database has; must be given" };
const METRICS = ["all", "thin", "none"] as const;

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  "list": {
    usage: "",
    summary: "The experiments and how far they are: what plain deno task db shows",
    more: `The median counts runs that never grokked as later than all others; – where half of them never did.`,
    run: (call) => list(open(call, true)),
  },
  "query": {
    usage: `["SQL" | -]`,
    summary: "Runs an SQL query; without one, shows the tables and views",
    more: `The statement stands in quotes, or with - comes from stdin. It can only read. Numbers in the table have six digits that count.`,
    flags: { "csv": { help: "as CSV, numbers in full" }, "json": { help: "as a JSON array of objects" } },
    words: [0, 1, "at most one SQL statement, in quotes"],
    run: query,
  },
  "merge": {
    usage: "OTHER.db …",
    summary: "Adds the runs of other databases: shards of a sweep, for example",
    more: `Their files come along. Of a run that both have, the one that is further along stays; runs in training come as stopped.
Doing it again changes nothing.`,
    words: [1, Infinity, "the databases to merge"],
    run: mergeAll,
  },
  "verify": {
    usage: "",
    summary: "Looks for damage and contradictions; exit code 1 where it finds something",
    more: `Checks the database itself, the files of its runs, whether evaluations lack, and whether milestones follow from them.
It changes nothing.`,
    run: check,
  },
  "recompute": {
    usage: "",
    summary: "Computes all milestones and phases from the evaluations anew, with a new rule if you give one",
    more: `Imported runs with a part of their evaluations keep the milestones that they came with.`,
    flags: {
      "rule": { value: "NAME", help: "a new rule's name; the table milestones then has rows by it" },
      "accuracy": { value: "X", help: "the validation accuracy that counts as grokked, as a share of 1" },
      "exclusive": { help: "only what is above it counts, not the accuracy itself" },
      "times": { value: "N", help: "evaluations in a row that must count" },
      "memorised": { value: "X", help: "a train accuracy above this counts as memorised [0.99]" },
    },
    run: recomputeAll,
  },
  "export": {
    usage: "--experiment NAME --to FOLDER",
    summary: "Writes an experiment's results as small text files, with where they come from",
    flags: {
      "experiment": EXPERIMENT,
      "to": { value: "FOLDER", help: "where to; must be given" },
      "metrics": { value: "WHICH", help: "evaluations: all, thin (as many as a figure needs) or none [thin]" },
      "attention": { help: "attention logs too, as much of them as figures need: a file a run" },
      "weights": { help: "weights on the way too, where the experiment watches them: a file a state" },
    },
    run: exportTo,
  },
  "import": {
    usage: "FOLDER",
    summary: "Adds results that were exported",
    words: [1, 1, "one folder of exported results"],
    run: importFrom,
  },
  "final-info": {
    usage: "--experiment NAME",
    summary: "The AI-Scientist template's final_info.json, with honest figures beside its own",
    flags: {
      "experiment": EXPERIMENT,
      "where": { value: "SQL", help: `a condition on run_summary, like "layers = 2 AND d_model = 128" [all its runs]` },
      "out": { value: "FILE", help: "where to [stdout]" },
    },
    run: writeFinalInfo,
  },
};

export async function main(args: string[]): Promise<number> {
  const words: string[] = [];
  const flags = Object.assign({}, DB, ...Object.values(SUBCOMMANDS).map((subcommand) => subcommand.flags));
  const given = parse(args, flags, words), [name = "list", ...rest] = words;
  const known = Object.keys(SUBCOMMANDS), subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : null;
  if (!subcommand) throw new Error(`Cannot read ${name}: must be a known subcommand${nearest(name, known)}; --help lists all`);
  if (given.has("help")) {
    console.log(words.length === 0 ? help() : subcommandHelp(name, subcommand));
    return 0;
  }
  const own = { ...subcommand.flags, ...DB }, foreign = [...given.keys()].find((flag) => !Object.hasOwn(own, flag));
  if (foreign !== undefined) {
    const flags = Object.keys(own).map((flag) => `--${flag}`).join(", ");
    throw new Error(`Cannot use --${foreign} with ${name}: must be one of ${flags}`);
  }
  const [least, most, what] = subcommand.words ?? [0, 0, "nothing but flags"];
  if (rest.length < least || rest.length > most) {
    throw new Error(`Cannot ${name}: must have ${what}, current value is ${rest.map((word) => JSON.stringify(word)).join(" ") || "none"}`);
  }
  const command = ["deno task db", ...args].join(" ");
  try {
    return await subcommand.run({ db: given.get("db") as string ?? LAB, given, words: rest, command });
  } catch (error) {
    if (error instanceof Closed) return 0;
    throw error;
  }
}

/** The database of a call, which has to be there. */
async function open({ db }: Call, readOnly: boolean): Promise<Lab> {
  if (!await exists(db)) throw new Error(`Cannot open ${here(db)}: it must be there, there is none; deno task sweep makes one`);
  return Lab.open(db, { readOnly });
}

/** The value of a flag that has to be given. */
function needed({ given }: Call, flag: string): string {
  const value = given.get(flag);
  if (typeof value !== "string") throw new Error(`Cannot do without --${flag}: must have a value, there is none`);
  return value;
}

const LIST = `SELECT experiment, n_runs AS runs, n_runs - n_open AS done, n_grokked AS grokked, n_never AS never, n_diverged AS diverged,
  n_open AS open, median_grokking_step AS "median step" FROM experiment_overview`;

async function list(opening: Promise<Lab>): Promise<number> {
  using lab = await opening;
  using out = stdout();
  if (lab.query("SELECT 1 FROM experiments LIMIT 1").length > 0) answer(lab, LIST, "table", out);
  else out.write("There are no experiments yet; deno task sweep --help lists those that can begin.\n");
  return 0;
}

async function query(call: Call): Promise<number> {
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
  answer(lab, LIST, "table", out);
  out.write(`\ndeno task db query "SELECT state, count(*) AS runs FROM run_summary GROUP BY state"\n`);
  return 0;
}

async function mergeAll({ db, words }: Call): Promise<number> {
  const sources: Lab[] = [];
  try {
    // Before anything is written, all have to be there.
    for (const path of words) sources.push(Lab.open(path, { readOnly: true }));
    using into = Lab.open(db);
    for (const from of sources) {
      const { runs, entered, further, evaluations, files } = await merge(from, into, console.error);
      console.log(
        `${here(from.path)}: ${plural(runs, "run")}, ${entered} new, ${further} further along; ` +
          `${plural(evaluations, "evaluation")} and ${plural(files, "file")} entered`,
      );
    }
  } finally {
    for (const lab of sources) lab.close();
  }
  return 0;
}

async function check(call: Call): Promise<number> {
  using lab = await open(call, true);
  using out = stdout();
  const { findings, runs, evaluations, files } = await verify(lab);
  for (const { about, text } of findings) out.write(`${about}: ${text}\n`);
  const looked = `${plural(runs, "run")}, ${plural(evaluations, "evaluation")}, ${plural(files, "file")}`;
  out.write(findings.length === 0 ? `ok: ${looked}\n` : `${plural(findings.length, "finding")}\n`);
  return findings.length === 0 ? 0 : 1;
}

async function recomputeAll(call: Call): Promise<number> {
  const rule = newRule(call);
  using lab = await open(call, false);
  const { runs, changed, thinned } = recompute(lab, rule);
  console.log(`${plural(runs, "run")} by ${plural(lab.rules().length, "rule")}: ${changed} changed`);
  if (thinned > 0) console.log(`${plural(thinned, "run")} with a part of their evaluations keep what they were imported with`);
  return 0;
}

function newRule(call: Call): NamedRule | undefined {
  const { given } = call, flags = Object.keys(SUBCOMMANDS.recompute.flags!);
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
    throw new Error(`Cannot read --${flag}: must be ${requirement}, current value is ${JSON.stringify(value)}`);
  });
  return rule;
}

async function exportTo(call: Call): Promise<number> {
  const experiment = needed(call, "experiment"), to = needed(call, "to");
  const metrics = choice("metrics", call.given.get("metrics") as string ?? "thin", METRICS);
  const sent = SENT.filter((kind) => call.given.has(kind));
  using lab = await open(call, true);
  const { runs, evaluations, files, bytes } = await exportRecorded(lab, experiment, to, { metrics, files: sent, command: call.command });
  const what = [
    plural(runs, "run"),
    ...sent.length > 0 ? [`${plural(files, "file")} of ${sent.join(" and ")}`] : [],
    plural(evaluations, "evaluation"),
  ];
  console.log(`${what.slice(0, -1).join(", ")} and ${what.at(-1)} in ${to}, ${Math.ceil(bytes / 1024)} KiB`);
  return 0;
}

async function importFrom({ db, words: [folder] }: Call): Promise<number> {
  using lab = Lab.open(db);
  const { experiment, runs, entered, files } = await importRecorded(lab, folder);
  console.log(`${experiment}: ${plural(runs, "run")}, ${entered} entered${files > 0 ? `, ${plural(files, "file")}` : ""}`);
  return 0;
}

async function writeFinalInfo(call: Call): Promise<number> {
  const experiment = needed(call, "experiment"), where = call.given.get("where"), out = call.given.get("out");
  using lab = await open(call, true);
  const text = `${JSON.stringify(finalInfo(lab, experiment, typeof where === "string" ? { where } : {}), null, 2)}\n`;
  if (typeof out === "string") await writeWhole(out, text);
  else {
    using output = stdout();
    output.write(text);
  }
  return 0;
}

function help(): string {
  const heads = Object.entries(SUBCOMMANDS).map(([name, { usage }]) => `  ${name} ${usage}`.trimEnd());
  const width = Math.max(...heads.map((head) => head.length)) + 2;
  const lines = Object.values(SUBCOMMANDS).map(({ summary }, i) => `${heads[i].padEnd(width)}${summary}`);
  return `Queries, checks, merges, exports and imports the results of sweeps: experiments, runs, evaluations and milestones, in one SQLite file.

  deno task db [subcommand] [flags]

Subcommands
${lines.join("\n")}

${flagHelp("Flags", Object.entries(DB))}
Examples
  deno task db query "SELECT weight_decay, ratio, n_runs, n_grokked, median_grokking_step FROM phase_boundary"
  deno task db query --csv "SELECT * FROM run_summary WHERE experiment = 'exp1_weight_decay'" > runs.csv
  deno task db merge shard-0.db shard-1.db shard-2.db
  deno task db export --experiment exp1_weight_decay --to data/recorded/exp1_weight_decay
`;
}

function subcommandHelp(name: string, { usage, summary, more, flags = {} }: Subcommand): string {
  const head = [`${summary}.`, ...more === undefined ? [] : [more], "", `  deno task db ${`${name} ${usage}`.trim()} [flags]`].join("\n");
  return `${head}\n\n${flagHelp("Flags", Object.entries({ ...flags, ...DB }))}`;
}

if (import.meta.main) await run(main);
