/** What every command refuses before it begins, and what of a file's text reaches the terminal. The real processes. */
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { main as db } from "../../lib/cli/db.ts";
import { main as probe } from "../../lib/cli/probe.ts";
import { main as sweep } from "../../lib/cli/sweep.ts";
import { main as trainMain } from "../../lib/cli/train.ts";
import { ROOT } from "../../lib/cli/process.ts";
import { gridFile } from "../../lib/cli/grid_file.ts";
import { Lab } from "../../lib/lab/store.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { scratch } from "../lab/lab_files.ts";
import { train } from "../lab/small_lab.ts";
import { filesIn } from "./train_process.ts";

async function start(command: string, args: readonly string[], cwd = ROOT) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `${ROOT}lib/cli/${command}.ts`, ...args],
    cwd,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

async function refused(command: string, args: readonly string[], says: RegExp, cwd = ROOT): Promise<void> {
  const { code, stdout, stderr } = await start(command, args, cwd), what = `${command} ${args.join(" ").slice(0, 200)}`;
  assertEquals([code, stdout], [1, ""], `${what}: ${stderr}`);
  assertMatch(stderr, says, what);
  safe(stderr, what);
}

/** One line, not a long one, without a character that a terminal obeys. */
function safe(stderr: string, what: string): void {
  assertEquals(stderr.trim().split("\n").length, 1, `${what}: ${stderr}`);
  assert(!/(?!\n)[\p{Cc}\u2028\u2029\u202a-\u202e]/u.test(stderr), `${what}: ${JSON.stringify(stderr.slice(0, 500))}`);
  assert(stderr.length < 1500, `${what}: ${stderr.length} characters`);
}

const NAMED: readonly (readonly [command: string, ...flags: string[]])[] = [
  ["train", "--metrics", "--save", "--save-init", "--checkpoint", "--dump-data", "--config", "--init", "--from-hooked", "--resume"],
  ["sweep", "--db", "--grid"],
  ["db", "--db", "--to", "--from", "--run", "--out", "--experiment"],
  ["probe", "--db", "--figure", "--run"],
];

Deno.test("an empty path is refused by every flag of every command that names one", () =>
  scratch(async (path) => {
    const folder = path("here");
    await Deno.mkdir(folder);
    for (const [command, ...flags] of NAMED) {
      await Promise.all(
        flags.map((flag) => refused(command, [flag, ""], new RegExp(`^error: Cannot read ${flag}: must have a value`), folder)),
      );
    }
    for (const words of [["import", ""], ["merge", " "], ["query", ""]]) await refused("db", words, /must not be empty/, folder);
    assertEquals(await filesIn(folder), []);
  }));

Deno.test("a port that is none, and one for a page that isn't served, are refused before anything is built", () =>
  scratch(async (path) => {
    const range = /^error: Cannot read --port: must be a whole number from 1 to 65535, current value is "(70000|0)"$/m;
    for (const port of ["70000", "0"]) await refused("page", ["--port", port], range);
    await refused("page", ["--build", path("web"), "--port", "9"], /^error: Cannot use --build and --port together: must be one of them$/m);
    assertEquals(await filesIn(path("")), []);
  }));

Deno.test("a database is a file, also under a name that SQLite takes for one in memory", () =>
  scratch(async (path) => {
    await train(path("a.db"));
    using lab = Lab.open(path("a.db"), { readOnly: true });
    await exportRecorded(lab, "small", path("record"), { metrics: "all", command: "test" });
    await Deno.mkdir(path("here"));
    for (const db of [":memory:", "file:x.db"]) {
      const { code, stderr } = await start("db", ["import", path("record"), "--db", db], path("here"));
      assertEquals(code, 0, stderr);
      assertMatch((await start("db", ["list", "--db", db], path("here"))).stdout, /^small/m);
    }
    assertEquals((await filesIn(path("here"))).filter((name) => /db$|memory:$/.test(name)), [":memory:", "file:x.db"]);
  }));

Deno.test("an import that fails leaves no database, and one that there was as it was", () =>
  scratch(async (path) => {
    await Deno.mkdir(path("here"));
    await Deno.mkdir(path("bad"));
    await Deno.writeTextFile(path("bad/experiment.json"), "{}");
    for (const from of [path("bad"), path("none"), path("here")]) {
      await refused("db", ["import", from, "--db", path("here/new.db")], /^error: Cannot import/);
    }
    assertEquals(await filesIn(path("here")), []);
    // The same for a sweep that can't begin.
    await Deno.writeTextFile(path("grid.json"), '{"grid": {"preset": "none"}}');
    await refused("sweep", ["--grid", path("grid.json"), "--db", path("here/new.db")], /^error: Cannot use this/);
    assertEquals(await filesIn(path("here")), []);
  }));

Deno.test("where files of checkpoints can't be written, a sweep doesn't begin", () =>
  scratch(async (path) => {
    const grid = { grid: { preset: "one-layer", model: { dModel: 4, heads: 1 }, data: { prime: 5 }, schedule: { steps: 10 } } };
    await Deno.writeTextFile(path("grid.json"), JSON.stringify(grid));
    await Deno.writeTextFile(path("a.files"), "a file where the folder of the lab's files is to be");
    const args = ["--grid", path("grid.json"), "--db", path("a.db"), "--engine", "tfjs"];
    await refused("sweep", args, /^error: Cannot write --db's files .*a\.files: must be a folder, it is a file$/m);
  }));

Deno.test("what is in a file steers no terminal, and is cut", () =>
  scratch(async (path) => {
    const evil = "\u001b[2J\u0007\nrm -rf /\r\u009b31m\u202egnp", long = "x".repeat(1_200_000);
    const header = (text: string) => {
      const bytes = new TextEncoder().encode(text), file = new Uint8Array(8 + bytes.length);
      new DataView(file.buffer).setBigUint64(0, BigInt(bytes.length), true);
      file.set(bytes, 8);
      return file;
    };
    const files: Record<string, string | Uint8Array> = {
      "text.json": evil,
      "long.json": `"${long}"`,
      "field.json": JSON.stringify({ [evil]: 1 }),
      "value.json": JSON.stringify({ optim: { lr: evil } }),
      "part.json": JSON.stringify({ model: long }),
      "preset.json": JSON.stringify({ preset: evil + long }),
      "grid.json": JSON.stringify({ name: evil, grid: { preset: "one-layer" } }),
      "grid2.json": JSON.stringify({ [evil + long]: 1 }),
      "name.safetensors": header(JSON.stringify({ [evil + long]: { dtype: "F32", shape: [0], data_offsets: [0, 0] } })),
      "entry.safetensors": header(JSON.stringify({ a: evil + long })),
      "array.safetensors": header(JSON.stringify([long])),
      "text.safetensors": header(evil + long),
    };
    for (const [name, content] of Object.entries(files)) {
      await Deno.writeFile(path(name), typeof content === "string" ? new TextEncoder().encode(content) : content);
      if (name.endsWith("safetensors")) await refused("train", ["--init", path(name)], /^error: Cannot load/);
      else if (name.startsWith("grid")) await refused("sweep", ["--grid", path(name)], /^error: Cannot/);
      else await refused("train", ["--config", path(name)], /^error: Cannot/);
    }
    await Deno.mkdir(path("record"));
    await Deno.writeTextFile(path("record/experiment.json"), JSON.stringify({ [evil]: long }));
    await refused("db", ["import", path("record"), "--db", path("new.db")], /^error: Cannot import/);
    await Deno.writeTextFile(path("x.db"), evil);
    await refused("db", ["list", "--db", path("x.db")], /^error: Cannot open/);
    await refused("db", ["query", `SELECT '${evil}' AS "${evil}", no_such`, "--db", path("x.db")], /^error: Cannot/);
  }));

Deno.test("findings in a damaged lab are a line each", () =>
  scratch(async (path) => {
    await train(path("a.db"));
    {
      using lab = Lab.open(path("a.db"));
      lab.run("UPDATE artifacts SET file = ? WHERE run = 1", "no\n\u001b[2Jsuch.safetensors");
    }
    const { code, stdout } = await start("db", ["verify", "--db", path("a.db")]);
    assertEquals(code, 1);
    assert(!/(?!\n)\p{Cc}/u.test(stdout), JSON.stringify(stdout));
    const lines = stdout.trim().split("\n");
    assertEquals(lines.at(-1), `${lines.length - 1} finding${lines.length === 2 ? "" : "s"}`);
  }));

Deno.test("the help of sweep shows a file of --grid that can be copied, also after --grid", () =>
  scratch(async (path) => {
    for (const args of [["--help"], ["--grid", "--help"]]) {
      const { code, stdout, stderr } = await start("sweep", args);
      assertEquals(code, 0, stderr);
      assertStringIncludes(stdout, "A file of --grid, for example:");
      const example = stdout.slice(stdout.indexOf("\n  {\n"), stdout.indexOf("\n  }\n") + 4);
      await Deno.writeTextFile(path("mine.json"), example);
      const { runs, margin } = await gridFile(path("mine.json"));
      assertEquals([runs.length, margin], [30, 300]);
    }
  }));

Deno.test("no table, figure or report is written over a database or weights", () =>
  scratch(async (path) => {
    await train(path("lab.db"));
    const { length } = await Deno.readFile(path("lab.db")), folder = path("lab.files");
    const checkpoint = join(folder, (await filesIn(folder))[0]), weights = await Deno.readFile(checkpoint);
    Deno.symlinkSync(path("lab.db"), path("link.svg"));
    const database = /^Cannot write --[\w-]+ .*: must be a file that may be replaced, it is a database$/;
    const cases: [() => Promise<unknown>, RegExp][] = [
      [() => db(["final-info", "--db", path("lab.db"), "--experiment", "small", "--out", path("lab.db")]), database],
      [() => probe(["--db", path("lab.db"), "--run", "1", "--figure", path("link.svg")]), database],
      [() => trainMain(["--metrics", path("lab.db"), "--engine", "cpu"]), database],
      [
        () => trainMain(["--dump-data", checkpoint, "--engine", "cpu"]),
        /must be a file that may be replaced, it is one of weights or a checkpoint$/,
      ],
      [() => sweep(["--experiment", "small_map", "--db", path("new.db"), "--status-file", path("lab.db")]), database],
    ];
    for (const [call, says] of cases) assertMatch((await assertRejects(call, Error)).message, says);
    assertEquals([(await Deno.readFile(path("lab.db"))).length, await Deno.readFile(checkpoint)], [length, weights]);
  }));
