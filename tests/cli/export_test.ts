/** `deno task db export` beside text files: networks for TransformerLens and back, and tables that other readers of Parquet open. */
import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { main as db } from "../../lib/cli/db.ts";
import { readRequest, type Request } from "../../lib/cli/request.ts";
import { columnOf, ENTRIES } from "../../lib/run/fields.ts";
import { type RunInput, runSpec } from "../../lib/run/spec.ts";
import { initialise } from "../../lib/run/layout.ts";
import { snapshotOf } from "../../lib/train/train.ts";
import { hookedFile } from "../../lib/train/hooked.ts";
import { saveCheckpoint, saveWeights } from "../../lib/train/weights.ts";
import { findRun } from "../../lib/lab/probe.ts";
import { Lab } from "../../lib/lab/store.ts";
import { scratch } from "../lab/lab_files.ts";
import { db as process, small, train } from "../lab/small_lab.ts";
import { filesIn } from "./train_process.ts";

const SMALL: RunInput = { model: { dModel: 8, heads: 2, dMlp: 12 }, data: { prime: 5, trainFraction: 0.5 } };
const request = async (...args: string[]) => await readRequest(args) as Request;
const refused = async (says: RegExp, ...args: string[]) => {
  const { message } = await assertRejects(() => db(["export", ...args]), Error);
  assertMatch(message, says);
  assertMatch(message, /^[^\n]*$/);
};

Deno.test("export: networks of a lab go out, in as a run that trains, and out again as the same bytes", () =>
  scratch(async (path) => {
    await train(path("a.db"));
    const out = await process(["export", "--hooked", "--experiment", "small", "--to", path("out"), "--db", path("a.db")]);
    assertEquals(out.code, 0, out.stderr);
    assertMatch(out.stdout, /^4 networks in .*, each a \.safetensors and a \.json; logits of the answers: model\(tokens\)\[:, -1\]\n$/);
    assertMatch(out.stderr, /^2 runs without stored weights left out$/m);
    const names = await filesIn(path("out")), [name] = names.map((file) => file.split(".")[0]);
    assertEquals([names.length, names.filter((file) => file === `${name}.json`).length], [8, 1]);
    const config = JSON.parse(await Deno.readTextFile(path(`out/${name}.json`)));
    assertEquals([config.d_vocab, config.d_vocab_out, config.act_fn, config.normalization_type], [6, 5, "relu", null]);

    const file = path(`out/${name}.safetensors`), { specs: [spec], init, notes } = await request("--from-hooked", file);
    assertEquals(notes, []);
    await Deno.mkdir(path("in"));
    await saveWeights(path(`in/seed_${spec.seed}.safetensors`), spec, init!);
    await db(["export", "--hooked", "--from", path("in"), "--to", path("again")]);
    assertEquals(await Deno.readFile(path(`again/seed_${spec.seed}.safetensors`)), await Deno.readFile(file));

    await db(["export", "--hooked", "--run", name, "--to", path("one"), "--db", path("a.db")]);
    assertEquals(await filesIn(path("one")), [`${name}.json`, `${name}.safetensors`]);
    await refused(
      /Cannot find experiment big in .*: it must be one of small/,
      ..."--hooked --experiment big --to x --db".split(" "),
      path("a.db"),
    );
  }));

Deno.test("export: an experiment's networks are of its steps, where its runs went on for longer too; none within them is said", () =>
  scratch(async (path) => {
    const runs = (steps: number) => small().runs.slice(0, 1).map((spec) => ({ ...spec, schedule: { ...spec.schedule, steps } }));
    await train(path("a.db"), small({ name: "long", runs: runs(200), watch: { weights: { perDecade: 2 } } }));
    const step = 100;
    {
      using lab = Lab.open(path("a.db"));
      lab.declare(small({ name: "short", runs: runs(step) }));
    }
    const networks = ["--hooked", "--db", path("a.db")];
    await db(["export", ...networks, "--experiment", "short", "--to", path("short")]);
    using lab = Lab.open(path("a.db"));
    const { hash, spec, checkpoints } = findRun(lab, 1), within = checkpoints.findLast((each) => each.step <= step)!;
    assert(checkpoints.at(-1)!.step === 200 && within.step > 0);
    assertEquals(await Deno.readFile(path(`short/${hash}.safetensors`)), hookedFile(spec, await within.load()));
    lab.run("DELETE FROM artifacts WHERE step <= ?", step);
    await refused(
      /must be stored weights, there are none; its runs' stored states lie after its steps: the first is of step 200, after 100$/,
      ...networks,
      "--experiment",
      "short",
      "--to",
      path("none"),
    );
  }));

Deno.test("export: a folder that holds another experiment's record is refused, and stays as it is", () =>
  scratch(async (path) => {
    await train(path("a.db"), small({ runs: small().runs.slice(0, 1) }));
    await train(path("a.db"), small({ name: "other", runs: small().runs.slice(1, 2) }));
    const to = ["--to", path("record"), "--db", path("a.db")], head = () => Deno.readTextFileSync(path("record/experiment.json"));
    await db(["export", "--experiment", "small", ...to]);
    const before = head();
    await refused(
      /Cannot export other: .*record must have no other experiment's record, it has that of "small"$/,
      "--experiment",
      "other",
      ...to,
    );
    assertEquals(head(), before);
    await db(["export", "--experiment", "small", "--metrics", "all", ...to]);
    assertNotEquals(head(), before);
  }));

Deno.test("export: --init and --from-hooked take what was exported; flags win over its spec, not over its tensors", () =>
  scratch(async (path) => {
    const spec = runSpec({ ...SMALL, preset: "boundaries", seed: 5 }), file = path("a.safetensors");
    await Deno.writeFile(file, hookedFile(spec, initialise(spec)));
    const from = await request("--from-hooked", file, "--lr", "0.5", "--seeds", "0..1");
    assertEquals(from.specs.map(({ seed, optim, model }) => [seed, optim.lr, model]), [0, 1].map((seed) => [seed, 0.5, spec.model]));
    assertEquals(from.init, initialise(spec));
    const flags = "--preset boundaries --d-model 8 --heads 2 --d-mlp 12 --prime 5 --train-fraction 0.5".split(" ");
    assertEquals((await request(...flags, "--init", file)).init, initialise(spec));
    assertEquals(from.inputs["--from-hooked"], [file, path("a.json")]);
    for (
      const [args, says] of [
        [["--from-hooked", file, "--layers", "3"], /it must hold blocks.2.attn.W_Q \[2,8,4\], which is missing/],
        [["--from-hooked", file, "--preset", "nanda"], /there must be no preset, its spec is in the file/],
        [["--from-hooked", file, "--init", file], /Cannot use --init and --from-hooked together/],
        [["--from-hooked", path("none")], /Cannot read --from-hooked .*: must be a file, there is none/],
      ] as const
    ) assertMatch((await assertRejects(() => readRequest(args), Error)).message, says);
  }));

Deno.test("export: post-norm networks are refused unless told, and nothing is written over what it came from", () =>
  scratch(async (path) => {
    const spec = runSpec({ ...SMALL, seed: 3 }), from = path("saved");
    await Deno.mkdir(from);
    await saveCheckpoint(`${from}/seed_3.safetensors`, snapshotOf(spec, initialise(spec)));
    const before = await Deno.readFile(`${from}/seed_3.safetensors`), all = ["--hooked", "--from", from];
    await refused(
      /Cannot export seed_3: norm must be pre or none, current value is post: .*; --other-logits writes it/,
      ...all,
      "--to",
      path("x"),
    );
    await refused(/--to .*: must be a place of its own, --from names it too/, ...all, "--other-logits", "--to", from);
    await Deno.mkdir(path("other"));
    await Deno.copyFile(`${from}/seed_3.safetensors`, path("other/seed_3.safetensors"));
    await refused(/must have no checkpoints, .*seed_3.safetensors is one/, ...all, "--other-logits", "--to", path("other"));
    await refused(
      /must have one of --experiment, --run and --from, current value is --run and --from/,
      ...all,
      "--run",
      "1",
      "--to",
      path("x"),
    );
    await refused(/Cannot use --metrics with --hooked/, ...all, "--metrics", "all", "--to", path("x"));
    await refused(
      /Cannot use --from without --hooked: must be one of --metrics, --attention, --weights, --networks, --ended, --replace$/,
      "--from",
      from,
      "--to",
      path("x"),
    );
    await refused(/Cannot use --hooked and --parquet together/, "--hooked", "--parquet", "--to", path("x"));
    await refused(/Cannot use --run with --parquet: must be one of --experiment/, "--parquet", "--run", "1", "--to", path("x"));
    const bare = runSpec({ ...SMALL, preset: "boundaries", model: { ...SMALL.model, finalNorm: false } });
    await Deno.mkdir(path("bare"));
    await saveWeights(path("bare/seed_42.safetensors"), bare, initialise(bare));
    const none = /Cannot export seed_42: finalNorm must be true, current value is false: TransformerLens has no such model$/;
    await refused(none, "--hooked", "--from", path("bare"), "--other-logits", "--to", path("x"));
    await Deno.mkdir(path("empty"));
    await refused(/there must be stored weights, there are none/, "--hooked", "--from", path("empty"), "--to", path("x"));
    assertEquals(await Deno.stat(path("x")).then(() => true, () => false), false);
    assertEquals(await Deno.readFile(`${from}/seed_3.safetensors`), before);

    await db(["export", ...all, "--other-logits", "--to", path("lens")]);
    const { specs, init } = await request("--from-hooked", path("lens/seed_3.safetensors"));
    assertEquals([specs, init], [[spec], initialise(spec)]);
  }));

/** Rows of a Parquet file, whole numbers as numbers. */
async function rowsOf(path: string): Promise<Record<string, unknown>[]> {
  const rows = await parquetReadObjects({ file: await asyncBufferFromFile(path) });
  return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, x]) => [name, typeof x === "bigint" ? Number(x) : x])));
}

async function typesOf(path: string): Promise<Map<string, string>> {
  const { schema } = await parquetMetadataAsync(await asyncBufferFromFile(path));
  return new Map(schema.slice(1).map(({ name, type, converted_type }) => [name, converted_type ?? type!]));
}

Deno.test("export: Parquet files hold what the database does, with types that don't depend on it", () =>
  scratch(async (path) => {
    await train(
      path("a.db"),
      small({ runs: [...small().runs, runSpec({ ...small().runs[0], data: { ...small().runs[0].data, batch: 3 } })] }),
    );
    await train(path("a.db"), small({ name: "other", runs: small().runs.slice(0, 1) }));
    await db(["export", "--parquet", "--to", path("all"), "--db", path("a.db")]);
    using lab = Lab.open(path("a.db"), { readOnly: true });
    assertEquals(await filesIn(path("all")), ["metrics.parquet", "runs.parquet"]);
    assertEquals(await rowsOf(path("all/metrics.parquet")), lab.query("SELECT * FROM metrics ORDER BY run, step"));

    const runs = await rowsOf(path("all/runs.parquet"));
    assertEquals(runs.length, 8);
    const expected = lab.query("SELECT s.*, r.* FROM run_summary s JOIN runs r ON r.id = s.run ORDER BY s.experiment, s.run");
    // Fields that are words in some runs and numbers in others are texts in all.
    const mixed = new Set(ENTRIES.filter(({ field }) => field.kind.column === "ANY").map(columnOf));
    assert(mixed.has("batch"));
    for (const [i, run] of runs.entries()) {
      for (const [name, value] of Object.entries(run)) {
        assertEquals(value, mixed.has(name) ? String(expected[i][name]) : expected[i][name], name);
      }
    }
    const missing = ENTRIES.filter(({ field }) => !field.extent).map(columnOf).filter((name) => !Object.hasOwn(runs[0], name));
    assertEquals(missing, []);
    assertEquals([...new Set(runs.map(({ batch }) => batch))].sort(), ["3", "full"]);
    assert(runs.some(({ grokking_step }) => grokking_step === null) && runs.some(({ grokking_step }) => typeof grokking_step === "number"));

    await db(["export", "--parquet", "--experiment", "other", "--to", path("one"), "--db", path("a.db")]);
    assertEquals((await rowsOf(path("one/runs.parquet"))).length, 1);
    assertEquals((await rowsOf(path("one/metrics.parquet"))).length, lab.query("SELECT 1 FROM metrics WHERE run = 1").length);
    await refused(/Cannot find experiment big/, "--parquet", "--experiment", "big", "--to", path("x"), "--db", path("a.db"));

    // An empty lab has the same columns with the same types.
    Lab.open(path("b.db")).close();
    await db(["export", "--parquet", "--to", path("none"), "--db", path("b.db")]);
    for (const name of ["runs", "metrics"]) {
      assertEquals(await rowsOf(path(`none/${name}.parquet`)), []);
      assertEquals(await typesOf(path(`none/${name}.parquet`)), await typesOf(path(`all/${name}.parquet`)));
    }
    const types = await typesOf(path("all/runs.parquet"));
    assertEquals(["grokking_step", "dip_depth", "state", "weight_decay"].map((name) => types.get(name)), [
      "INT64",
      "DOUBLE",
      "UTF8",
      "DOUBLE",
    ]);
  }));
