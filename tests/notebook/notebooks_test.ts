/**
 * Every notebook of the project runs in the real Deno kernel under nbconvert, into a copy; the lesson, which takes long, only where no
 * browser runs it (browser_test.ts). What the committed one shows has to come again: the same cells, every figure and table in its place,
 * no error, no noise, and the findings that its prose tells.
 */
import { join } from "node:path";
import { assert, assertEquals } from "@std/assert";
import { output, ROOT } from "../../lib/cli/process.ts";
import {
  asKept,
  asks,
  execute,
  joined,
  type Notebook,
  type Output,
  pictures,
  problems,
  projectNotebooks,
} from "../../lib/cli/notebooks.ts";
import { canBrowse } from "./jupyter.ts";
import { committed, differences, LESSON, shortfalls, withoutText } from "./notebook_checks.ts";

const notebooks = projectNotebooks();
/** Where a lab is in use, its own runs would stand beside the recorded ones. */
const folder = Deno.makeTempDirSync(), lab = join(folder, "lab.db");
Deno.test.afterAll(() => Deno.removeSync(folder, { recursive: true }));

Deno.test("there is a notebook, and README links all that git knows", async () => {
  assert(notebooks.includes(LESSON));
  const tracked = (await output("git", ["-C", ROOT, "ls-files", "--", "notebooks"])).split("\n").filter((file) => file.endsWith(".ipynb"));
  // Where this isn't a git checkout, there is nothing to compare with.
  if (tracked.length > 0) assertEquals(tracked.map((file) => file.replace("notebooks/", "")).sort(), notebooks);
});

Deno.test("a notebook that README doesn't link is its user's, which no test of the project's looks at", () =>
  assertEquals(projectNotebooks([...notebooks, "mine.ipynb", "grok.ipynb"]), notebooks));

Deno.test("a loop is found in code, not in comments and texts", () => {
  const found = (code: string) => /\bfor\b|\bwhile\b/.test(withoutText(code));
  const code = [
    "for (const x of xs) show(x);",
    'const url = "http://a"; while (true) {}',
    "`a`; for (;;) {}",
    "a / b; /* x */ for (;;) {}",
  ];
  const text = [
    "// two seeds for each setting",
    'show("later for one");',
    "/* for\n * a while */ f();",
    "`one ${name} for all`",
    "'for \\' while'",
  ];
  assertEquals([code.map(found), text.map(found)], [code.map(() => true), text.map(() => false)]);
});

for (const name of notebooks) {
  const notebook = committed(name);

  Deno.test(`${name}: committed with its figures, by the core and one study, with no training code`, () => {
    assertEquals(problems(notebook, { kept: true }), []);
    const code = notebook.cells.filter((cell) => cell.cell_type === "code").map((cell) => joined(cell.source));
    const imports = code.flatMap((source) => source.match(/\bfrom "([^"]+)"/g) ?? []);
    const [core, study = "", ...others] = new Set(imports);
    assertEquals([core, others], ['from "../lib/mod.ts"', []]);
    assert(study === "" || /^from "\.\.\/lib\/studies\/\w+\/mod\.ts"$/.test(study), study);
    assert(code[0].startsWith("import "), "the first cell imports");
    assert(!/\bfor\b|\bwhile\b|GPU|tensor/.test(withoutText(code.join("\n"))), "loops and tensors belong into lib/");
    assert(pictures(notebook.cells.flatMap((cell) => cell.outputs ?? [])).length > 0);
  });

  if (name === LESSON && canBrowse) continue;
  Deno.test(`${name}: runs in the real kernel and shows the same`, async () =>
    assertEquals(shortfalls(name, JSON.parse(await execute(name, { lab }))), []));
}

Deno.test("the checks catch an error, a lost figure, noise, a path, another kernel and a changed cell", () => {
  const figure = { output_type: "display_data", data: { "image/svg+xml": "<svg/>" } };
  const cell = (source: string, ...outputs: Output[]) => ({ cell_type: "code", source, outputs });
  const book = (...cells: Notebook["cells"]): Notebook => ({ cells, metadata: { kernelspec: { name: "deno" } } });
  const good = book(cell("await show(figure);", figure), cell("console.log(2)", { output_type: "stream", name: "stdout", text: "2\n" }));
  assertEquals(problems(good), []);
  assertEquals(differences(good, good), []);
  const caught = (notebook: Notebook, pattern: RegExp) => {
    assertEquals(problems(notebook).length, 1);
    assert(pattern.test(problems(notebook)[0]), problems(notebook)[0]);
  };
  caught(book(cell("await show(figure);")), /cell 1: shows 0 figures/);
  caught(book(cell("x", { output_type: "error", ename: "ReferenceError", evalue: "x is not defined" })), /x is not defined/);
  caught(book(cell("1 + 1", { output_type: "execute_result", data: { "text/plain": "2" } })), /ends in a value/);
  caught(book(cell("1", { output_type: "stream", name: "stderr", text: ["warning\n"] })), /on stderr: warning/);
  caught(book(cell("1", { output_type: "stream", name: "stdout", text: "at file:///home/me/lib/mod.ts" })), /a path of the machine/);
  caught({ ...good, metadata: { kernelspec: { name: "python3" } } }, /kernel must be deno/);
  assertEquals(differences(good, book(good.cells[0])).length, 1);
  assertEquals(differences(good, book(cell("await show(other);", figure), good.cells[1])), ["cell 1: its source changed"]);
  assertEquals(differences(good, book(good.cells[0], cell("console.log(2)"))), ["cell 2: outputs are [], must be [stream stdout]"]);
});

Deno.test("a cell that asks for a guess is run and checked, but kept without its outputs", () => {
  const figure = { output_type: "display_data", data: { "image/svg+xml": "<svg/>" } };
  const book = (outputs: readonly Output[]) => ({
    cells: [{ cell_type: "code", source: "await show(figure);", metadata: { tags: ["predict"] }, execution_count: 1, outputs }],
    metadata: { kernelspec: { name: "deno" } },
  });
  const fresh = book([figure]), kept = asKept(fresh);
  assertEquals([kept.cells[0].outputs, kept.cells[0].execution_count, fresh.cells[0].outputs.length], [[], null, 1]);
  assertEquals([problems(fresh), problems(kept, { kept: true })], [[], []]);
  assertEquals(problems(kept), ["cell 1: shows 0 figures and tables, must show 1"]);
  assertEquals(problems(fresh, { kept: true }), ["cell 1: shows what the reader is to guess, must be kept without outputs"]);
});

Deno.test("01 and 02 show no answer to what they ask first, and 02 answers in folded text", () => {
  const asking = ["01_first_grok.ipynb", "02_knobs.ipynb"].map((name) => committed(name).cells.filter(asks).length);
  assertEquals(asking, [1, 8]);
  const texts = committed("02_knobs.ipynb").cells.filter(({ cell_type }) => cell_type === "markdown").map(({ source }) => joined(source));
  const summaries = texts.flatMap((text) => text.match(/<summary[^>]*>/g) ?? []);
  // Bootstrap, in the classic Notebook, would take the triangle away.
  assertEquals(summaries, Array(4).fill('<summary style="display: list-item">'));
});

Deno.test("the project's own notebooks run on databases made anew, their user's on those that they name", async () => {
  const path = Deno.env.get("PATH") ?? "", bin = Deno.makeTempDirSync({ dir: folder });
  // In place of nbconvert: of all it is told, where databases are made anew. $4 is the notebook, $6 the folder for its copy.
  const script = '#!/bin/sh\nprintf "%s" "$GROKBOOK_NOTEBOOK_LABS" > "$6/$4"\n';
  await Deno.writeTextFile(join(bin, "jupyter-nbconvert"), script, { mode: 0o755 });
  Deno.env.set("PATH", `${bin}:${path}`);
  try {
    const anew = await execute("template.ipynb");
    assert(anew !== "" && !anew.startsWith(ROOT), anew);
    assertEquals([await execute("mine.ipynb"), await execute("template.ipynb", { folder: bin })], ["", ""]);
  } finally {
    Deno.env.set("PATH", path);
  }
});

Deno.test("deno task notebooks: help, and one line for a name that no notebook has", async () => {
  const call = async (...args: string[]) => {
    const options = { args: ["run", "-A", "lib/cli/notebooks.ts", ...args], cwd: ROOT, env: { NO_COLOR: "1" } };
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), options).output();
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  };
  const help = await call("--help");
  assertEquals([help.code, help.stdout.includes("deno task notebooks [names…]")], [0, true]);
  const none = await call("99_nothing");
  assertEquals([none.code, none.stdout], [1, ""]);
  assert(/^error: Cannot run "99_nothing": must be a part of one of 01_first_grok\.ipynb, /.test(none.stderr), none.stderr);
  const one = await call("01", "zzz", "template");
  assertEquals([one.code, one.stdout], [1, ""]);
  assert(/^error: Cannot run "zzz": must be a part of one of 01_first_grok\.ipynb, /.test(one.stderr), one.stderr);
});
