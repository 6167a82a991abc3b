/** README's code and commands are real: the code has the right types, and every task and file that it names is there. */
import { assert, assertEquals } from "@std/assert";
// @ts-types="@types/d3-array"
import { median } from "d3-array";
import { join } from "node:path";
import { main as db } from "../../lib/cli/db.ts";
import { HELP } from "../../lib/cli/probe.ts";
import { ROOT } from "../../lib/cli/process.ts";
import { findCheckpoints } from "../../lib/lab/probe.ts";
import { retrain } from "../../lib/lab/retrain.ts";
import { Lab } from "../../lib/lab/store.ts";
import { recordedBenches } from "../../lib/studies/speed/mod.ts";
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

/** The columns of README's table of speeds, and its rows. */
const PEERS = ["torch-eager", "torch-eager-pruned", "jaxjs-wasm", "grokbook-webgpu", "grokbook-cpu-unflagged"];
const MEASURED = [
  { row: "`ai-scientist`, 2 × 128, batch 512, 1 run", file: "cpu-ai-scientist", rows: 1 },
  { row: "`ai-scientist`, 2 runs", file: "cpu-ai-scientist", rows: 2 },
  { row: "`ai-scientist`, 8 runs", file: "cpu-ai-scientist", rows: 8 },
  { row: "`boundaries`, 2 × 128, all 4704 pairs, 1 run", file: "cpu-boundaries", rows: 1 },
  { row: "`boundaries`, 4 runs", file: "cpu-boundaries", rows: 4 },
];

Deno.test("README's speeds are the recorded ones, rounded once", async () => {
  const { comparisons, scalings } = await recordedBenches();
  const resultsOf = (file: string, rows: number) =>
    comparisons.find(({ name }) => name === file)!.results.find((each) => each.rows === rows)!.results;
  const ratio = (file: string, rows: number, peer: string) => resultsOf(file, rows).find((each) => each.peer === peer)?.ratio;
  const table = MEASURED.map(({ row, file, rows }) => {
    const values = PEERS.map((peer) => ratio(file, rows, peer)).map((value) => value ? String(Number(value.value.toPrecision(2))) : "–");
    return [row, ...values.map((value) => /^\d$/.test(value) ? `${value}.0` : value)];
  });
  const [text] = README.match(/^\| one training step +\|[^]*?\n\n/m) ?? [""];
  assertEquals(text.trim().split("\n").slice(2).map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim())), table);
  for (const { row, file, rows } of MEASURED) {
    for (const peer of PEERS) assertEquals(ratio(file, rows, peer)?.of ?? "grokbook-cpu ÷ peer", "grokbook-cpu ÷ peer", `${row}, ${peer}`);
  }
  const each = (file: string, rows: number) =>
    (1000 / resultsOf(file, rows).find(({ peer }) => peer === "grokbook-cpu")!.runStepsPerSecond!.median).toFixed(0);
  const threads = scalings.find(({ name }) => name === "cpu-scaling")!.results[0].points.filter(({ axis }) => axis === "threads");
  const [one, two] = threads.map(({ runStepsPerSecond }) => median(runStepsPerSecond)!);
  assertEquals(threads.map(({ value, rows }) => [value, rows]), [[1, 4], [2, 4]]);
  const said = `takes ${each("cpu-ai-scientist", 8)} ms, of 4 runs of \`boundaries\` ${each("cpu-boundaries", 4)} ms`;
  const flat = README.replaceAll(/\s+/g, " ");
  for (const words of [said, `two threads make ${(two / one).toFixed(2)} times the run-steps of one`]) assert(flat.includes(words), words);
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

const GIT = await new Deno.Command("git", { args: ["--version"] }).output().then(({ success }) => success, () => false);

Deno.test(
  "a checkout has the bytes that were committed, whatever git's own settings say of line ends",
  { ignore: !GIT },
  () =>
    scratch(async (path) => {
      const git = async (...args: string[]) => {
        const { success, stderr } = await new Deno.Command("git", { args: ["-c", "core.autocrlf=true", ...args] }).output();
        assert(success, new TextDecoder().decode(stderr));
      };
      const record = "data/recorded/small_map/metrics.csv",
        binary = "weights.safetensors",
        there = path("there"),
        bytes = new Uint8Array([13, 10]);
      Deno.mkdirSync(join(there, "data/recorded/small_map"), { recursive: true });
      for (const file of [".gitattributes", record]) Deno.copyFileSync(join(ROOT, file), join(there, file));
      Deno.writeFileSync(join(there, binary), bytes);
      await git("init", "-q", there);
      await git("-C", there, "add", ".");
      await git("-C", there, "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-q", "-m", "all");
      await git("clone", "-q", there, path("clone"));
      for (const file of [record, binary]) {
        assertEquals(Deno.readFileSync(join(path("clone"), file)), Deno.readFileSync(join(there, file)), file);
      }
      assertEquals(Deno.readFileSync(join(path("clone"), binary)), bytes);
    }),
);
