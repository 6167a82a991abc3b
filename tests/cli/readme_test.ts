/** README's code and commands are real: the code has the right types, and every task and file that it names is there. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { main as db } from "../../lib/cli/db.ts";
import { HELP } from "../../lib/cli/probe.ts";
import { ROOT } from "../../lib/cli/process.ts";
import { findCheckpoints } from "../../lib/lab/probe.ts";
import { retrain } from "../../lib/lab/retrain.ts";
import { Lab } from "../../lib/lab/store.ts";
import { fakeEngine } from "../fake_engine.ts";
import { scratch } from "../lab/lab_files.ts";

const README = Deno.readTextFileSync(join(ROOT, "README.md"));

/** Checks the types of a markdown file's code, as a module beside it; what was wrong. */
async function check(file: string): Promise<string> {
  const args = ["check", "--quiet", "--config", join(ROOT, "deno.json"), "--doc-only", file];
  const { code, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT, env: { NO_COLOR: "1" }, stdout: "null" }).output();
  return code === 0 ? "" : new TextDecoder().decode(stderr);
}

Deno.test("the code in README has the right types, and a wrong one would be seen", async () => {
  assert(README.includes("```ts\nimport { "), "README shows no code");
  const file = await Deno.makeTempFile({ suffix: ".md" });
  try {
    await Deno.writeTextFile(file, "```ts\nexport const word: string = 1;\n```\n");
    const [readme, planted] = await Promise.all([check("README.md"), check(file)]);
    assertEquals(readme, "");
    assert(planted.includes("Type 'number' is not assignable to type 'string'"), planted);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("every task that README names is in deno.json, and every file that it links or names is there", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json"))) as { tasks: Record<string, unknown> };
  const [text] = README.match(/^\| task +\|[^]*?\n\n/m) ?? [""], table = [...text.matchAll(/^\| `(\w+)` +\|/gm)].map(([, task]) => task);
  assert(table.includes("sweep") && table.includes("demo"), "the table of tasks wasn't found");
  const named = [...README.matchAll(/(?:deno|deno@[\d.]+) task (\w+)/g)].map(([, task]) => task);
  assertEquals([...table, ...named].filter((task) => !(task in tasks)), []);
  const links = [...README.matchAll(/\]\(((?!https?:)[^)#]+)\)/g)].map(([, path]) => path);
  assert(links.length > 10, "links weren't found");
  const files = [...README.matchAll(/`((?:lib|tests|notebooks)\/[\w./]+)`/g)].map(([, path]) => path);
  assert(files.includes("lib/run/operations.ts"), "files weren't found");
  for (const path of [...links, ...files]) Deno.statSync(join(ROOT, path));
});

Deno.test("every command in README is right by the shell's syntax", async () => {
  const blocks = [...README.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, text]) => text);
  assert(blocks.length >= 5, "the commands weren't found");
  const file = await Deno.makeTempFile({ suffix: ".sh" });
  try {
    for (const text of blocks) {
      await Deno.writeTextFile(file, text);
      const { stderr } = await new Deno.Command("bash", { args: ["-n", file], env: { LC_ALL: "C" } }).output();
      assertEquals(new TextDecoder().decode(stderr), "", text);
    }
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("what README imports can be trained again, looked into and exported as README and help say", () =>
  scratch(async (path) => {
    const [, record] = README.match(/`deno task db import (data\/recorded\/\w+)`/)!, at = path("lab.db");
    assert(HELP.includes(`deno task db import ${record}\n`), record);
    await db(["import", join(ROOT, record), "--db", at]);
    using lab = Lab.open(at, { readOnly: true });
    // Only whether there are such runs; none is trained here.
    const info = { ...fakeEngine().info, engine: "cpu", driver: "WebAssembly SIMD, sums fused" } as const;
    const { of } = await retrain(lab, 5, { ...fakeEngine(), info }, AbortSignal.abort());
    assert(of >= 5, `${of} runs of cpu`);
    const runs = [...`${README}${HELP}`.matchAll(/(?:probe|--hooked) --run ([0-9a-f]+)\b/g)].map(([, run]) => run);
    assert(runs.length >= 5, runs.join());
    for (const run of new Set(runs)) assert(findCheckpoints(lab, run).grokkingStep !== null, run);
    const [, from, step] = README.match(/task train --from (\d+)@(\d+) /)!;
    assert(findCheckpoints(lab, from).checkpoints.some((each) => each.step === Number(step)), `${from}@${step}`);
    const [, network] = README.match(/^network = "lens\/(\w+)"/m)!, [, run] = README.match(/db export --hooked --run (\d+) --to lens/)!;
    await db(["export", "--hooked", "--run", run, "--to", path("lens"), "--db", at]);
    for (const ending of ["json", "safetensors"]) Deno.statSync(path(`lens/${network}.${ending}`));
  }));
