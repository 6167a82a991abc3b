/** `deno task ok`: format, lint, types (also of the notebooks' code), then the tests; stops at the first that fails. */
import { basename, join } from "node:path";
import { projectNotebooks } from "./notebooks.ts";
import { ROOT, run } from "./process.ts";

const HELP = `deno task ok [--checks]

Checks the format, lints, checks the types of lib, tests and the notebooks' code, and runs the tests. Stops at the first
that fails. With --checks, the tests are left out.`;

interface Notebook {
  readonly cells: readonly { readonly cell_type: string; readonly source: string | readonly string[] }[];
}

/** A notebook's code as one module: the code cells one after the other, each under its number. */
export function script(notebook: Notebook): string {
  return notebook.cells.flatMap(({ cell_type, source }, i) =>
    cell_type === "code" ? [`// cell ${i + 1}\n${typeof source === "string" ? source : source.join("")}\n`] : []
  ).join("\n");
}

/** Writes the project's notebooks' code beside `notebooks/`, so that relative imports and the import map hold, while `use` looks at it. */
async function withNotebooks(use: (files: string[]) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ dir: ROOT, prefix: ".notebooks-" });
  try {
    await use(
      projectNotebooks().map((notebook) => {
        const file = join(folder, `${basename(notebook, ".ipynb")}.ts`);
        Deno.writeTextFileSync(file, script(JSON.parse(Deno.readTextFileSync(join(ROOT, "notebooks", notebook)))));
        return file;
      }),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

class Failure extends Error {}

async function deno(what: string, args: readonly string[]): Promise<void> {
  const code = await run(Deno.execPath(), args);
  if (code !== 0) throw new Failure(`Not ok: ${what} failed, exit code is ${code}, must be 0`);
}

async function main(): Promise<void> {
  // Of a notebook the code is checked, below: asked about the file itself, Deno 2.9.6 says no even to what it has formatted.
  await deno("format", ["fmt", "--quiet", "--check"]);
  await withNotebooks(async (notebooks) => {
    await deno("format", ["fmt", "--quiet", "--check", ...notebooks]);
    await deno("lint", ["lint", "--quiet", "lib", "tests", ...notebooks]);
    await deno("type check", ["check", "--quiet", "lib", "tests", ...notebooks]);
  });
  if (!Deno.args.includes("--checks")) await deno("test", ["task", "--quiet", "test"]);
}

if (import.meta.main) {
  const unknown = Deno.args.find((arg) => !["--checks", "--help"].includes(arg));
  if (unknown !== undefined) {
    console.error(`Cannot check: unknown argument, current value is ${unknown}, must be --checks or --help`);
    Deno.exit(2);
  }
  if (Deno.args.includes("--help")) {
    console.log(HELP);
    Deno.exit(0);
  }
  try {
    await main();
    console.log("ok");
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
