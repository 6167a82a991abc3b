/** `deno task db`: queries and checks the lab's database, merges others into it, exports and imports results. */
import { commandLine } from "../run/command.ts";
import { quote } from "../run/quote.ts";
import {
  type Call,
  check,
  importFrom,
  list,
  mergeLabs,
  query,
  recomputeAll,
  RULE_FLAGS,
  VERIFY_FLAGS,
  writeFinalInfo,
} from "./db_commands.ts";
import { EXPORT_FLAGS, exportAs } from "./db_export.ts";
import { Closed } from "./db_query.ts";
import { database } from "./files.ts";
import { type Flag, flagHelp, nearest, parse } from "./flags.ts";
import { run } from "./main.ts";
import { LAB } from "./process.ts";
import { runTraining } from "./restart.ts";
import { tell } from "./terminal.ts";

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

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  "list": {
    usage: "",
    summary: "The experiments and how far they are: what plain deno task db shows",
    more: `The median counts runs that never grokked as later than all others; – where half of them never did.`,
    run: list,
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
    run: mergeLabs,
  },
  "verify": {
    usage: "",
    summary: "Looks for what isn't as it should be; exit code 1 where it finds something",
    more: `Checks every column of the database: hashes and milestones are computed anew, numbers must be in range, and checksums of
what was stored must fit; and the files of its runs. It changes nothing.`,
    flags: VERIFY_FLAGS,
    run: check,
  },
  "recompute": {
    usage: "",
    summary: "Computes all milestones and phases from the evaluations anew, with a new rule if you give one",
    more: `Imported runs with a part of their evaluations keep the milestones that they came with.`,
    flags: RULE_FLAGS,
    run: recomputeAll,
  },
  "export": {
    usage: "--experiment NAME --to FOLDER",
    summary: "Writes an experiment's results as small text files, with where they come from; or its networks, or tables",
    more:
      `Over an earlier record of the experiment, the new one must have all that it holds, or nothing is written: every run, as many steps,
weights and logs, and all evaluations where it has all.
With --hooked, TransformerLens reads what is written, and deno task train --from-hooked reads it back. With --parquet, pandas, polars and
R's arrow do; the column run is the same in both tables.`,
    flags: {
      "experiment": EXPERIMENT,
      "to": { value: "FOLDER", help: "where to; must be given" },
      ...EXPORT_FLAGS,
    },
    run: exportAs,
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

/** The flags of all subcommands. */
export const FLAGS: Readonly<Record<string, Flag>> = Object.assign({}, DB, ...Object.values(SUBCOMMANDS).map(({ flags }) => flags));

export async function main(args: string[]): Promise<number> {
  const words: string[] = [];
  const given = parse(args, FLAGS, words), [name = "list", ...rest] = words;
  const known = Object.keys(SUBCOMMANDS), subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : null;
  if (!subcommand) throw new Error(`Cannot read ${name}: must be a known subcommand${nearest(name, known)}; --help lists all`);
  if (given.has("help")) {
    tell(words.length === 0 ? help() : subcommandHelp(name, subcommand));
    return 0;
  }
  const own = { ...subcommand.flags, ...DB }, foreign = [...given.keys()].find((flag) => !Object.hasOwn(own, flag));
  if (foreign !== undefined) {
    const flags = Object.keys(own).map((flag) => `--${flag}`).join(", ");
    throw new Error(`Cannot use --${foreign} with ${name}: must be one of ${flags}`);
  }
  const empty = rest.find((word) => word.trim() === "");
  if (empty !== undefined) throw new Error(`Cannot ${name}: its words must not be empty, current value is ${quote(empty)}`);
  const [least, most, what] = subcommand.words ?? [0, 0, "nothing but flags"];
  if (rest.length < least || rest.length > most) {
    throw new Error(`Cannot ${name}: must have ${what}, current value is ${rest.map((word) => quote(word)).join(" ") || "none"}`);
  }
  const command = commandLine("deno task db", args);
  try {
    return await subcommand.run({ db: database(given.get("db") as string ?? LAB), given, words: rest, command });
  } catch (error) {
    if (error instanceof Closed) return 0;
    throw error;
  }
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
  deno task db export --hooked --run 4 --to lens
  deno task db export --parquet --to tables
`;
}

function subcommandHelp(name: string, { usage, summary, more, flags = {} }: Subcommand): string {
  const head = [`${summary}.`, ...more === undefined ? [] : [more], "", `  deno task db ${`${name} ${usage}`.trim()} [flags]`].join("\n");
  return `${head}\n\n${flagHelp("Flags", Object.entries({ ...flags, ...DB }))}`;
}

if (import.meta.main) {
  const trains = Deno.args.some((arg) => arg === "--retrain" || arg.startsWith("--retrain="));
  await (trains ? runTraining(main, "cpu") : run(main));
}
