/** `deno task notebooks`: runs every notebook in the real kernel, checks what it shows, and keeps its outputs. */
import { rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { writeAll, writeWhole } from "../run/files.ts";
import { quote } from "../run/quote.ts";
import { FILES } from "../lab/record/files.ts";
import { ENGINE, THREADS } from "../notebook/show.ts";
import { BUDGET, LAB_FILE, LABS, RECORD, UNFINISHED } from "../notebook/sweep.ts";
import { ENGINE_FLAGS, type EngineRequest, engineRequest } from "./engine.ts";
import { here } from "./files.ts";
import { type Flag, flagHelp, parse, seconds } from "./flags.ts";
import { run } from "./main.ts";
import { filesIn, ROOT } from "./process.ts";
import { duration } from "./progress.ts";
import { ensure, environment } from "./setup.ts";

export const FLAGS: Record<string, Flag> = {
  check: { help: "leave the notebooks as they are" },
  record: {
    help:
      "train again what they train themselves, which can take hours, and record it; what takes days, a sweep trains; if stopped, the same command continues",
  },
  budget: {
    value: "TIME",
    help:
      "with --record: train each experiment for at most this long, 90s, 8m or 2.5h, and show what was done by then; the same command continues",
  },
  ...ENGINE_FLAGS,
  help: { help: "this text" },
};
const HELP =
  `Runs notebooks without a browser, in the Deno kernel, and keeps their outputs in place. A notebook with an error, a lost figure
or noise on stderr stays as it was, and the exit code is 1. Long experiments come from data/recorded; what is recorded is not trained again.
A cell with the tag "predict" is run and checked like the others, but kept without its outputs: the reader is to guess first.

  deno task notebooks [names…] [flags]

Without names: all of them. A name is a part of one.

${flagHelp("Flags", Object.entries(FLAGS))}`;

/** Seconds that a cell may take on a slow machine before nbconvert gives up. */
const CELL_LIMIT = 900;

type Text = string | readonly string[];
export interface Output {
  readonly output_type: string;
  readonly name?: string;
  readonly text?: Text;
  readonly ename?: string;
  readonly evalue?: string;
  readonly data?: Record<string, unknown>;
}
export interface Cell {
  readonly cell_type: string;
  readonly source: Text;
  readonly outputs?: readonly Output[];
  readonly metadata?: { readonly tags?: readonly string[] };
}
export interface Notebook {
  readonly cells: readonly Cell[];
  readonly metadata: { readonly kernelspec?: { readonly name: string } };
}

/** The tag of a cell whose output answers a question that the reader is first to think about: it is run, and kept without outputs. */
export const PREDICT = "predict";

/** Whether the reader is to guess what this cell will show. */
export const asks = ({ metadata }: Cell) => metadata?.tags?.includes(PREDICT) ?? false;

/** A notebook as it is kept: without the outputs of cells that ask for a guess. */
export const asKept = <Book extends Notebook>(notebook: Book): Book => ({
  ...notebook,
  cells: notebook.cells.map((cell) => asks(cell) ? { ...cell, outputs: [], execution_count: null } : cell),
});

export const joined = (text: Text = "") => (typeof text === "string" ? text : text.join(""));

/** Pictures, tables and texts among a cell's outputs. */
export const pictures = (outputs: readonly Output[] = []) =>
  outputs.filter(({ data = {} }) => ["image/svg+xml", "image/png", "text/html", "text/markdown"].some((type) => type in data));

/** A cell declares what it shows by how often it says `show`, `watch` and `sweep`; of a list of things that is the least. */
const declared = (source: Text) => joined(source).match(/\bawait (?:show|watch|sweep)\(/g)?.length ?? 0;

/** The names of all notebooks in the folder, those of its user among them. */
export const notebookNames = () =>
  filesIn("notebooks", ".ipynb").filter((file) => !file.includes(".ipynb_checkpoints")).map((file) => file.replace(/^notebooks./, ""));

/** The names of the project's own notebooks: those that README links. */
export function projectNotebooks(names: readonly string[] = notebookNames()): string[] {
  const readme = Deno.readTextFileSync(join(ROOT, "README.md"));
  return names.filter((name) => readme.includes(`](notebooks/${name})`));
}

/**
 * What is wrong with an executed notebook, cell by cell; empty where nothing is.
 * @param kept whether it is as it is kept, without the outputs of cells that ask for a guess.
 */
export function problems(notebook: Notebook, { kept = false } = {}): string[] {
  const wrong = notebook.metadata.kernelspec?.name === "deno" ? [] : ["its kernel must be deno"];
  notebook.cells.forEach((cell, i) => {
    const { cell_type, source, outputs = [] } = cell;
    if (cell_type !== "code") return;
    const say = (what: string) => wrong.push(`cell ${i + 1}: ${what}`);
    if (kept && asks(cell)) return outputs.length > 0 && say("shows what the reader is to guess, must be kept without outputs");
    for (const { output_type, name, ename, evalue, text } of outputs) {
      if (output_type === "error") say(`error ${ename}: ${evalue}`);
      if (output_type === "execute_result") say("ends in a value, which the kernel may lose: show it, or give it a name");
      if (name === "stderr") say(`on stderr: ${joined(text).trim()}`);
    }
    const [shown, expected] = [pictures(outputs).length, declared(source)];
    const several = /\bawait show\(\s*\.\.\./.test(joined(source));
    if (several ? shown < expected : shown !== expected) {
      say(`shows ${shown} figures and tables, must show ${several ? "at least " : ""}${expected}`);
    }
    if (/file:\/\/|\/(?:home|root|work|Users)\//.test(JSON.stringify(outputs))) say("names a path of the machine that ran it");
  });
  return wrong;
}

const NOTEBOOKS = join(ROOT, "notebooks");

/** Where `--record` trains, and leaves what is to be recorded, and notebooks whose experiments aren't whole yet. */
const RECORDING = join(ROOT, "data", "out", "record");

/** Where a notebook is, and how `--record` is done. */
export interface Execution {
  /** Default: notebooks/. */
  readonly folder?: string;
  /** Where sweeps train all anew and leave the results. */
  readonly record?: string;
  /** Seconds that each experiment may take. */
  readonly budget?: number;
  /** What its cells train with. */
  readonly on?: EngineRequest;
  /** The lab's database. Default: the project's. */
  readonly lab?: string;
}

/**
 * Runs a notebook where it stands. Databases that one of the project's own names are made anew for it: they are those of its copies.
 * @returns the executed copy, as text. @throws Error where Jupyter can't.
 */
export async function execute(name: string, { folder = NOTEBOOKS, record, budget, on = {}, lab }: Execution = {}): Promise<string> {
  const copy = await Deno.makeTempDir(), project = folder === NOTEBOOKS && projectNotebooks().includes(name);
  try {
    const { code, stderr } = await new Deno.Command("jupyter-nbconvert", {
      args: [
        ...["--to", "notebook", "--execute", name, "--output-dir", copy, "--allow-errors"],
        ...[`--ExecutePreprocessor.timeout=${record ? -1 : CELL_LIMIT}`, "--ExecutePreprocessor.record_timing=False"],
        // On a busy machine a kernel starts slowly, and its last outputs come late.
        ...["--ExecutePreprocessor.startup_timeout=300", "--ExecutePreprocessor.iopub_timeout=60"],
      ],
      cwd: folder,
      env: {
        ...environment(),
        ...record && { [RECORD]: record },
        ...budget && { [BUDGET]: String(budget) },
        ...lab && { [LAB_FILE]: lab },
        ...project && { [LABS]: copy },
        ...on.engine && { [ENGINE]: on.engine },
        ...on.threads && { [THREADS]: String(on.threads) },
      },
      stdout: "null",
      stderr: "piped",
    }).output();
    if (code !== 0) {
      throw new Error(
        `Cannot execute ${name}: nbconvert's exit code must be 0, current value is ${code}\n${new TextDecoder().decode(stderr)}`,
      );
    }
    return await Deno.readTextFile(join(copy, name));
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}

/** Of what a notebook left: the experiments that are whole, and what is said of those that aren't. */
function leftBehind() {
  const entries = [...Deno.readDirSync(RECORDING)];
  return {
    whole: entries.flatMap(({ name, isDirectory }) => (isDirectory && !name.endsWith(".files") ? [name] : [])),
    unfinished: entries.flatMap(({ name }) => (name.endsWith(UNFINISHED) ? [name.slice(0, -UNFINISHED.length)] : [])),
  };
}

/** Nothing of an earlier notebook is taken for this one's; the lab stays, and with it all that was trained. */
async function clear(): Promise<void> {
  await Deno.mkdir(RECORDING, { recursive: true });
  const { whole, unfinished } = leftBehind();
  for (const name of [...whole, ...unfinished.map((name) => name + UNFINISHED)]) await rm(join(RECORDING, name), { recursive: true });
}

/** Moves experiments that a notebook left to be recorded to where notebooks find them. */
async function keepRecorded(names: readonly string[]): Promise<void> {
  for (const name of names) {
    const from = join("data", "out", "record", name), to = join(ROOT, "data", "recorded", name);
    // `experiment.json` comes last: without it, or with one that doesn't fit, the others aren't read.
    const files = filesIn(from, "").map((file) => relative(from, file)).sort((a, b) =>
      Number(a === FILES.experiment) - Number(b === FILES.experiment)
    );
    await writeAll(files.map((file) => [join(to, file), Deno.readFileSync(join(RECORDING, name, file))] as const));
    await Deno.remove(join(RECORDING, name), { recursive: true });
  }
}

async function main(args: string[]): Promise<number> {
  const words: string[] = [], given = parse(args, FLAGS, words);
  if (given.has("help")) {
    console.log(HELP);
    return 0;
  }
  const record = given.has("record"), budget = given.has("budget") ? seconds("budget", given.get("budget") as string) : undefined;
  if (budget !== undefined && !record) {
    throw new Error("Cannot keep to --budget: must be given with --record, without which nothing long is trained");
  }
  const on = engineRequest(given);
  const all = notebookNames(), has = (name: string, word: string) => word.trim() !== "" && name.includes(word);
  const stray = words.filter((word) => !all.some((name) => has(name, word)));
  if (stray.length > 0) {
    throw new Error(`Cannot run ${stray.map((word) => quote(word)).join(", ")}: must be a part of one of ${all.join(", ")}`);
  }
  const names = all.filter((name) => words.length === 0 || words.some((word) => has(name, word)));
  const missing = await ensure(["jupyter", "kernel"]);
  if (missing.length > 0) throw new Error(`Cannot run notebooks: must have ${missing.join(" and ")}; deno task doctor says how to get it`);
  const width = Math.max(...names.map((name) => name.length));
  let wrong = 0;
  for (const name of names) {
    const began = performance.now();
    if (record) await clear();
    const text = await execute(name, { on, ...record && { record: RECORDING }, ...budget !== undefined && { budget } });
    const found = problems(JSON.parse(text)),
      kept = `${JSON.stringify(asKept(JSON.parse(text)), null, 1)}\n`,
      { whole, unfinished } = record ? leftBehind() : { whole: [], unfinished: [] };
    wrong += found.length;
    const part = unfinished.length > 0;
    const verdict = found.length > 0 ? "not kept:" : part ? `in part: ${here(join(RECORDING, name))}` : "ok";
    console.log(`${name.padEnd(width)}  ${duration((performance.now() - began) / 1000)}  ${verdict}`);
    for (const line of found) console.log(`  ${line}`);
    for (const experiment of unfinished) {
      console.log(`  ${experiment}: ${await Deno.readTextFile(join(RECORDING, experiment + UNFINISHED))}; the same command continues`);
    }
    if (found.length > 0) continue;
    if (part) await writeWhole(join(RECORDING, name), kept);
    if (given.has("check") || part) continue;
    await writeWhole(join(ROOT, "notebooks", name), kept);
    await keepRecorded(whole);
    for (const experiment of whole) console.log(`  recorded in ${here(join(ROOT, "data", "recorded", experiment))}`);
  }
  return wrong > 0 ? 1 : 0;
}

if (import.meta.main) await run(main);
