/** `deno task notebooks`: runs every notebook in the real kernel, checks what it shows, and keeps its outputs. */
import { dirname, join, relative } from "node:path";
import { writeWhole } from "../files.ts";
import { FILES } from "../lab/recorded_files.ts";
import { RECORD } from "../notebook_sweep.ts";
import { here } from "./files.ts";
import { type Flag, flagHelp, parse } from "./flags.ts";
import { run } from "./main.ts";
import { filesIn, ROOT } from "./process.ts";
import { duration } from "./progress.ts";
import { ensure, environment } from "./setup.ts";

const FLAGS: Record<string, Flag> = {
  check: { help: "leave the notebooks as they are" },
  record: { help: "train anew what they take from data/recorded, which can take hours, and record it; stopped, it goes on" },
  help: { help: "this text" },
};
const HELP =
  `Runs notebooks without a browser, in the Deno kernel, and keeps their outputs in place. A notebook with an error, a lost figure
or noise on stderr stays as it was, and the exit code is 1. Long experiments come from data/recorded; nothing is trained that is there.

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
export interface Notebook {
  readonly cells: readonly { readonly cell_type: string; readonly source: Text; readonly outputs?: readonly Output[] }[];
  readonly metadata: { readonly kernelspec?: { readonly name: string } };
}

export const joined = (text: Text = "") => (typeof text === "string" ? text : text.join(""));

/** Pictures, tables and texts among a cell's outputs. */
export const pictures = (outputs: readonly Output[] = []) =>
  outputs.filter(({ data = {} }) => ["image/svg+xml", "image/png", "text/html", "text/markdown"].some((type) => type in data));

/** A cell declares what it shows by how often it says `show`, `watch` and `sweep`; of a list of things that is the least. */
const declared = (source: Text) => joined(source).match(/\bawait (?:show|watch|sweep)\(/g)?.length ?? 0;

/** The names of the notebooks. */
export const notebookNames = () =>
  filesIn("notebooks", ".ipynb").filter((file) => !file.includes(".ipynb_checkpoints")).map((file) => file.replace(/^notebooks./, ""));

/** What is wrong with an executed notebook, cell by cell; empty where nothing is. */
export function problems(notebook: Notebook): string[] {
  const wrong = notebook.metadata.kernelspec?.name === "deno" ? [] : ["its kernel must be deno"];
  notebook.cells.forEach(({ cell_type, source, outputs = [] }, i) => {
    if (cell_type !== "code") return;
    const say = (what: string) => wrong.push(`cell ${i + 1}: ${what}`);
    for (const { output_type, name, ename, evalue, text } of outputs) {
      if (output_type === "error") say(`error ${ename}: ${evalue}`);
      if (output_type === "execute_result") say("ends in a value, which the kernel may lose: show it, or give it a name");
      if (name === "stderr") say(`on stderr: ${joined(text).trim()}`);
    }
    const [shown, expected] = [pictures(outputs).length, declared(source)];
    const several = /\bawait show\(\.\.\./.test(joined(source));
    if (several ? shown < expected : shown !== expected) {
      say(`shows ${shown} figures and tables, must show ${several ? "at least " : ""}${expected}`);
    }
    if (/file:\/\/|\/(?:home|root|work|Users)\//.test(JSON.stringify(outputs))) say("names a path of the machine that ran it");
  });
  return wrong;
}

/** Where `--record` trains, and leaves what is to be recorded. */
const RECORDING = join(ROOT, "data", "out", "record");

/**
 * Runs a notebook where it stands; with `record`, its sweeps train all anew and leave the results in that folder.
 * @returns the executed copy, as text. @throws Error where Jupyter can't.
 */
export async function execute(name: string, { record }: { readonly record?: string } = {}): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    const { code, stderr } = await new Deno.Command("jupyter-nbconvert", {
      args: [
        ...["--to", "notebook", "--execute", name, "--output-dir", folder, "--allow-errors"],
        ...[`--ExecutePreprocessor.timeout=${record ? -1 : CELL_LIMIT}`, "--ExecutePreprocessor.record_timing=False"],
      ],
      cwd: join(ROOT, "notebooks"),
      env: { ...environment(), ...record ? { [RECORD]: record } : {} },
      stdout: "null",
      stderr: "piped",
    }).output();
    if (code !== 0) {
      throw new Error(
        `Cannot execute ${name}: nbconvert's exit code must be 0, current value is ${code}\n${new TextDecoder().decode(stderr)}`,
      );
    }
    return await Deno.readTextFile(join(folder, name));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Moves what a notebook left to be recorded to where notebooks find it. @returns the experiments' names. */
async function keepRecorded(): Promise<string[]> {
  const names = [...Deno.readDirSync(RECORDING)].flatMap((
    { name, isDirectory },
  ) => (isDirectory && !name.endsWith(".files") ? [name] : []));
  for (const name of names) {
    const from = join("data", "out", "record", name), to = join(ROOT, "data", "recorded", name);
    // `experiment.json` comes last: without it, or with one that doesn't fit, the others aren't read.
    const files = filesIn(from, "").map((file) => relative(from, file)).sort((a, b) =>
      Number(a === FILES.experiment) - Number(b === FILES.experiment)
    );
    for (const file of files) {
      await Deno.mkdir(dirname(join(to, file)), { recursive: true });
      await writeWhole(join(to, file), await Deno.readFile(join(RECORDING, name, file)));
    }
    await Deno.remove(join(RECORDING, name), { recursive: true });
  }
  return names;
}

async function main(args: string[]): Promise<number> {
  const words: string[] = [], given = parse(args, FLAGS, words);
  if (given.has("help")) {
    console.log(HELP);
    return 0;
  }
  const all = notebookNames(), names = all.filter((name) => words.length === 0 || words.some((word) => name.includes(word)));
  if (names.length === 0) {
    throw new Error(`Cannot run ${words.join(", ")}: must be a part of one of ${all.join(", ")}`);
  }
  const missing = await ensure(["vulkan", "jupyter", "kernel"]);
  if (missing.length > 0) throw new Error(`Cannot run notebooks: must have ${missing.join(" and ")}; deno task doctor says how to get it`);
  const width = Math.max(...names.map((name) => name.length));
  const record = given.has("record");
  if (record) await Deno.mkdir(RECORDING, { recursive: true });
  let wrong = 0;
  for (const name of names) {
    const began = performance.now();
    const text = await execute(name, record ? { record: RECORDING } : {});
    const found = problems(JSON.parse(text));
    wrong += found.length;
    console.log(`${name.padEnd(width)}  ${duration((performance.now() - began) / 1000)}  ${found.length === 0 ? "ok" : "not kept:"}`);
    for (const line of found) console.log(`  ${line}`);
    if (found.length > 0) continue;
    if (!given.has("check")) await writeWhole(join(ROOT, "notebooks", name), text);
    if (record) {
      for (const experiment of await keepRecorded()) {
        console.log(`  recorded in ${here(join(ROOT, "data", "recorded", experiment))}`);
      }
    }
  }
  return wrong > 0 ? 1 : 0;
}

if (import.meta.main) await run(main);
