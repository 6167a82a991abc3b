/**
 * Every notebook in notebooks/ runs in the real Deno kernel under nbconvert, into a copy. What the committed one shows has to come again:
 * the same cells, every figure and table in its place, no error, no noise, and the findings that its prose tells.
 */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { ROOT } from "../lib/cli/process.ts";
import { environment } from "../lib/cli/setup.ts";

/**
 * What the prose of a notebook claims, as it stands in the titles of its figures. Another driver rounds otherwise, and a run near the edge
 * may then take longer than it is watched: most have to grok, not all.
 */
const CLAIMS: Record<string, readonly RegExp[]> = {
  "01_first_grok.ipynb": [
    /All 10 networks memorise around step [\d,]+(?: but generalise only around|; [6-9] of 10 generalise)/,
    /With weight decay (?:1|2), networks grok around step [\d,]+; with (?:0|0\.5), none does/,
  ],
};

/** Seconds that a cell may take on a slow machine before nbconvert gives up. */
const CELL_LIMIT = 900;

type Text = string | readonly string[];
interface Output {
  readonly output_type: string;
  readonly name?: string;
  readonly text?: Text;
  readonly ename?: string;
  readonly evalue?: string;
  readonly data?: Record<string, unknown>;
}
interface Notebook {
  readonly cells: readonly { readonly cell_type: string; readonly source: Text; readonly outputs?: readonly Output[] }[];
  readonly metadata: { readonly kernelspec?: { readonly name: string } };
}

const joined = (text: Text = "") => (typeof text === "string" ? text : text.join(""));
const read = (path: string): Notebook => JSON.parse(Deno.readTextFileSync(path));
/** Pictures and tables among a cell's outputs. */
const pictures = (outputs: readonly Output[] = []) =>
  outputs.filter(({ data = {} }) => "image/svg+xml" in data || "image/png" in data || "text/html" in data);
/** A cell declares what it shows by how often it says `show` and `watch`. */
const declared = (source: Text) => joined(source).match(/\bawait (?:show|watch)\(/g)?.length ?? 0;

/** What is wrong with an executed notebook, cell by cell; empty where nothing is. */
function problems(notebook: Notebook): string[] {
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
    if (shown !== expected) say(`shows ${shown} figures and tables, must show ${expected}`);
    if (/file:\/\/|\/(?:home|root|work|Users)\//.test(JSON.stringify(outputs))) say("names a path of the machine that ran it");
  });
  return wrong;
}

/** Where a fresh run and the committed notebook differ in structure. */
function differences(committed: Notebook, fresh: Notebook): string[] {
  if (committed.cells.length !== fresh.cells.length) return [`${fresh.cells.length} cells, must be ${committed.cells.length}`];
  const kinds = (outputs: readonly Output[] = []) =>
    outputs.map(({ output_type, name, data = {} }) => [output_type, ...(name ? [name] : []), ...Object.keys(data).sort()].join(" "));
  return committed.cells.flatMap((cell, i) => {
    const other = fresh.cells[i];
    const [was, is] = [kinds(cell.outputs).join(", "), kinds(other.outputs).join(", ")];
    return [
      ...(joined(cell.source) === joined(other.source) && cell.cell_type === other.cell_type ? [] : [`cell ${i + 1}: its source changed`]),
      ...(was === is ? [] : [`cell ${i + 1}: outputs are [${is}], must be [${was}]`]),
    ];
  });
}

/** Runs a notebook where it stands and returns the executed copy. */
async function execute(name: string): Promise<Notebook> {
  const folder = await Deno.makeTempDir();
  try {
    const { code, stderr } = await new Deno.Command("jupyter-nbconvert", {
      args: [
        "--to",
        "notebook",
        "--execute",
        name,
        "--output-dir",
        folder,
        `--ExecutePreprocessor.timeout=${CELL_LIMIT}`,
        "--allow-errors",
      ],
      cwd: join(ROOT, "notebooks"),
      env: environment(),
      stdout: "null",
      stderr: "piped",
    }).output();
    if (code !== 0) {
      throw new Error(
        `Cannot execute ${name}: nbconvert's exit code must be 0, current value is ${code}\n${new TextDecoder().decode(stderr)}`,
      );
    }
    return read(join(folder, name));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const notebooks = [...Deno.readDirSync(join(ROOT, "notebooks"))].map((entry) => entry.name).filter((name) => name.endsWith(".ipynb"))
  .sort();

Deno.test("there is a notebook", () => assert(notebooks.includes("01_first_grok.ipynb")));

for (const name of notebooks) {
  const committed = read(join(ROOT, "notebooks", name));

  Deno.test(`${name}: committed with its figures, by the one door, with no training code`, () => {
    assertEquals(problems(committed), []);
    const code = committed.cells.filter((cell) => cell.cell_type === "code").map((cell) => joined(cell.source));
    const imports = code.flatMap((source) => source.match(/\bfrom "([^"]+)"/g) ?? []);
    assertEquals([...new Set(imports)], ['from "../lib/mod.ts"']);
    assert(code[0].startsWith("import "), "the first cell imports");
    assert(!/\bfor\b|\bwhile\b|GPU|tensor/.test(code.join("\n")), "loops and tensors belong into lib/");
    assert(pictures(committed.cells.flatMap((cell) => cell.outputs ?? [])).length > 0);
  });

  Deno.test(`${name}: runs in the real kernel and shows the same`, async () => {
    const fresh = await execute(name);
    assertEquals([...problems(fresh), ...differences(committed, fresh)], []);
    const shown = JSON.stringify(fresh.cells.map((cell) => cell.outputs));
    for (const claim of CLAIMS[name] ?? []) assert(claim.test(shown), `no figure says ${claim}`);
  });
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
