/** The bench's arithmetic, its table, and how it deals with peers that are absent, fail or end. Nothing here is timed. */
import { assert, assertAlmostEquals, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { Contest } from "./contest.ts";
import { type Options, options } from "./options.ts";
import { Absent, environment, OURS, PeerProcess, PEERS, unset } from "./peers.ts";
import { V8_FLAGS } from "../../lib/engine/cpu/flags.ts";
import { Gpu } from "../../lib/engine/webgpu/gpu.ts";
import { commit } from "../../lib/lab/environment.ts";
import { peakOf } from "./peak.ts";
import { roofline } from "./profile.ts";
import { type Request, workOf } from "./protocol.ts";
import { lessonTable } from "./lesson.ts";
import { added, inTurns, stepsOfTurn } from "./turns.ts";
import { digits, type Measurement, median, reference, summarise, table } from "./table.ts";

/** Seconds that a peer may take here; far more than it needs. */
const PATIENCE = 60;

const measurement = (peer: string, rows: number, seconds: readonly number[]): Measurement => ({
  peer,
  turns: seconds.map((each) => ({ seconds: each, steps: 10, rows })),
  firstLoss: 4.75,
  lastLoss: 4.5,
  firstUpdates: 64,
  updates: 96,
  warmUp: 1,
});

Deno.test("run-steps a second are R × steps / s, and the median of the turns stands for them", () => {
  assertEquals(median([5, 1, 3]), 3);
  assertEquals(median([4, 1, 3, 2]), 2.5);
  const { median: middle, min, max, milliseconds } = summarise(measurement("a", 8, [4, 1, 2]));
  assertEquals([middle, min, max, milliseconds], [40, 20, 80, 25]);
});

Deno.test("ratios are ours ÷ peer where ours ran, else peer ÷ the slowest", () => {
  const [ours, fast, slow] = [measurement(OURS.processor, 1, [1]), measurement("fast", 1, [0.5]), measurement("slow", 1, [4])].map(
    summarise,
  );
  const first = reference([ours, fast, slow], OURS.processor);
  assertEquals([first.label, ...[ours, fast, slow].map(first.ratio)], [`${OURS.processor} ÷ peer`, 1, 0.5, 4]);
  const second = reference([fast, slow], OURS.processor);
  assertEquals([second.label, ...[fast, slow].map(second.ratio)], ["peer ÷ slow", 8, 1]);
});

Deno.test("works take turns, each first in its turn, and what is added is a median with its range", async () => {
  const order: string[] = [];
  const works = ["a", "b", "c"].map((name) => (round: number) => Promise.resolve(order.push(`${name}${round}`)));
  const times = await inTurns(works, 4);
  assertEquals(order.join(" "), "a0 b0 c0 b1 c1 a1 c2 a2 b2 a3 b3 c3");
  assertEquals(times.map(({ length }) => length), [3, 3, 3, 3]);
  assertEquals(added([1.25, 1.01, 0.9]), "1.0 % (-10.0 % to 25.0 %)");
});

Deno.test("the lesson's table: a median with its range for each engine, and how many times as fast one is", () => {
  const engines = { cpu: { device: "two cores", seconds: [1, 2, 1.5] }, webgpu: { device: "llvmpipe", seconds: [12, 6, 9] } };
  assertEquals(
    lessonTable({ runs: 10, steps: 200, engines, ratios: [12, 3, 6] }),
    [
      "engine  device                  seconds",
      "cpu     two cores   1.50 (1.00 to 2.00)",
      "webgpu  llvmpipe   9.00 (6.00 to 12.00)",
      "10 runs, 200 updates, evaluations included: cpu is 6.0 (3.0 to 12.0) times as fast as webgpu",
    ].join("\n"),
  );
});

Deno.test("a turn's steps are found by doubling, however long a device takes to be waited for", async () => {
  const asked: number[] = [];
  const device = (step: number, wait: number, atOnce = 1) => (n: number) => {
    asked.push(n);
    const steps = atOnce * Math.ceil(n / atOnce);
    return Promise.resolve({ steps, seconds: wait + step * steps });
  };
  assertEquals(await stepsOfTurn(device(0.001, 0.01), 2), 1981); // from one step of 11 ms, it would have been 182
  assertEquals(asked, Array.from({ length: 11 }, (_, i) => 2 ** i));
  assertEquals(await stepsOfTurn(device(0.01, 0, 64), 2), 200);
  assertEquals(asked.slice(11), [1, 128]);
  assertEquals(await stepsOfTurn(device(3, 0), 2), 1);
  assertEquals(await stepsOfTurn(device(11, 0), 2, 10), null);
});

Deno.test("the table has the fastest first and says why a peer is absent", () => {
  const text = table(
    [measurement("slow", 1, [4]), { peer: "gone", absent: "no such module; install it" }, measurement(OURS.processor, 1, [1])],
    OURS.processor,
  );
  const lines = text.split("\n");
  assertEquals(lines.map((line) => line.split(/ +/)[0]), ["peer", OURS.processor, "slow", "absent:"]);
  assertStringIncludes(lines[2], "2.50  (2.50–2.50)");
  assertStringIncludes(lines[2], "4.00×");
  assertStringIncludes(lines[1], "64 → 96");
  assertEquals(lines[3], "absent: gone (no such module; install it)");
  assertEquals(table([{ peer: "gone", absent: "away" }], OURS.processor), "absent: gone (away)");
});

Deno.test("numbers show three digits that count", () => {
  assertEquals([123456, 123.4, 12.34, 1.234, 0.01234, 0, NaN].map(digits), ["123456", "123", "12.3", "1.23", "0.0123", "0", "–"]);
});

Deno.test("the roofline adds up time and gives GFLOP/s, GB/s and the share of the peak, the longest kernel first", () => {
  const lines = roofline([
    { label: "short", milliseconds: 1, flop: 2e9, bytes: 3e6 },
    { label: "long", milliseconds: 3, flop: 6e9, bytes: 3e6 },
  ], { flops: 4e12, bytes: 4e9 }).split("\n").map((line) => line.split(/ +/));
  // The one is nearer to the limit of arithmetic, the other to that of memory; all together could take 1.5 + 0.75 of 4 ms.
  assertEquals(lines[1], ["long", "3.00", "75.0", "%", "2000", "1.00", "50.0", "%"]);
  assertEquals(lines[2], ["short", "1.00", "25.0", "%", "2000", "3.00", "75.0", "%"]);
  assertEquals(lines[3], ["all", "4.00", "100", "%", "2000", "1.50", "56.3", "%"]);
  assertEquals(lines[5].join(" "), "peak, measured: 4000 GFLOP/s of multiply-adds, 4.00 GB/s copied");
});

const gpu = await Gpu.open().catch(() => null);
Deno.test({ name: "an adapter's peak is measured: arithmetic and memory", ignore: gpu === null }, async () => {
  const { flops, bytes } = await peakOf(gpu!);
  assert([flops, bytes].every((rate) => rate > 1e6 && rate < 1e18), `${flops} operations and ${bytes} bytes a second`);
});

Deno.test("the work that peers get is the preset, to the letter", () => {
  const { words, V, C, examples, trainPairs, batch, weightDecay, warmup } = workOf("ai-scientist");
  assertEquals({ words, V, C, examples, trainPairs, batch, weightDecay, warmup }, {
    words: ["a", 0, "b", 1],
    V: 99,
    C: 97,
    examples: 512,
    trainPairs: 4704,
    batch: 512,
    weightDecay: 0.5,
    warmup: 50,
  });
  assertEquals([workOf("boundaries").examples, workOf("boundaries").words], [4704, ["a", "b"]]);
});

Deno.test("flags choose peers; what can't be used is named", () => {
  const chosen = options(["--only", "torch-eager,jax", "--rows", "3"]) as Options;
  const peers = (args: string[], card = false) => (options(args) as Options).peers(card).map(({ name }) => name);
  assertEquals([chosen.peers(false).map(({ name }) => name), chosen.rows], [["torch-eager", "jax-highest", "jax-default"], [3]]);
  assertEquals(peers(["--only", "torch-eager", "--pruned"]), ["torch-eager", "torch-eager-pruned"]);
  assertEquals((options([]) as Options).peers(true).some(({ pruned, named }) => pruned || named), false);
  // WebGPU on the processor is measured only where it is named.
  const webgpu = (names: string[]) => names.filter((name) => name.endsWith("-webgpu"));
  assertEquals([webgpu(peers([])), webgpu(peers([], true))], [[], ["grokbook-webgpu", "tfjs-webgpu", "jaxjs-webgpu"]]);
  assertEquals(peers(["--only", "grokbook"]), ["grokbook-webgpu", "grokbook-cpu"]);
  assertEquals(peers(["--only", "grokbook-cpu,grokbook-cpu-unflagged"]), ["grokbook-cpu", "grokbook-cpu-unflagged"]);
  assertEquals(options(["--help"]), "help");
  assertThrows(() => options(["--rows", "1,0"]), Error, "Cannot use --rows: it must be whole numbers from 1");
  assertThrows(() => options(["--only", "torch,theano"]), Error, "current value is theano");
  assertThrows(() => options(["--work", "grokking"]), Error, "current value is grokking");
  assertThrows(() => options(["--seconds", "soon"]), Error, "Cannot use --seconds");
});

const torch = PEERS.find(({ name }) => name === "torch-eager")!;

Deno.test("a peer that isn't installed is a line of the table, not an error", async () => {
  const contest = await Contest.open([torch], options(["--python", "no-such-python"]) as Options, () => {});
  const results = await contest.measure(workOf("ai-scientist"), 1);
  await contest.close();
  assertEquals(results, [{ peer: "torch-eager", absent: `there is no Python; ${torch.get}` }]);
});

Deno.test({
  name: "a Python without the framework says so",
  ignore: !await works("python3"),
  async fn() {
    const folder = decodeURIComponent(new URL("peers", import.meta.url).pathname);
    const hidden = `import sys, runpy; sys.modules["torch"] = None; sys.path.insert(0, ${JSON.stringify(folder)}); sys.argv = ["", "eager"]
runpy.run_path(${JSON.stringify(`${folder}/torch_peer.py`)}, run_name="__main__")`;
    await assertRejects(() => PeerProcess.start([["python3", "-c", hidden]], PATIENCE), Absent, "import of torch halted");
  },
});

Deno.test("peers get none of the variables that slow OpenBLAS down, and V8's flags where commands that train have them", async () => {
  const before = Deno.env.toObject();
  try {
    Deno.env.set("OPENBLAS_CORETYPE", "Haswell");
    Deno.env.set("DENO_V8_FLAGS", "--no-wasm-bounds-checks");
    Deno.env.delete("OPENBLAS_L2_SIZE");
    assertEquals(unset(), { OPENBLAS_CORETYPE: "Haswell" });
    const { OPENBLAS_CORETYPE, DENO_V8_FLAGS, PATH } = await environment();
    assertEquals([OPENBLAS_CORETYPE, DENO_V8_FLAGS, PATH], [undefined, undefined, before.PATH]);
    assertEquals((await environment({ flagged: true })).DENO_V8_FLAGS, Deno.build.arch === "x86_64" ? V8_FLAGS.join(",") : undefined);
  } finally {
    for (const name of ["OPENBLAS_CORETYPE", "DENO_V8_FLAGS", "OPENBLAS_L2_SIZE"]) {
      if (before[name] === undefined) Deno.env.delete(name);
      else Deno.env.set(name, before[name]);
    }
  }
});

/** A peer with a device that is a counter. */
const peer = (body: string) => [
  Deno.execPath(),
  "eval",
  "--no-check",
  `import { serve } from ${JSON.stringify(new URL("peers/serve.ts", import.meta.url).href)}; ${body}`,
];
const COUNTS = `let count = 0;
console.log("a library's banner");
await serve(() => Promise.resolve({ version: "1", device: "counter", sequential: false }), (_work, rows) => {
  if (rows === 7) throw new Error("seven rows don't fit");
  if (rows === 9) { console.error("Killed for memory"); Deno.exit(9); }
  return { advance: (n) => Promise.resolve((count += n, n)), loss: () => Promise.resolve(count), dispose() { count = 0; } };
});`;
const request = (rows: number, steps: number): Request => ({ work: workOf("ai-scientist"), rows, steps });

Deno.test("a peer warms up once a job, goes on between turns, and survives a job that it can't do", async () => {
  const running = await PeerProcess.start([["no-such-program"], peer(COUNTS)], PATIENCE);
  assertEquals(running.ready, { version: "1", device: "counter", sequential: false });
  const { steps, firstLoss, firstSteps, warmUp } = await running.ask(request(1, 3), PATIENCE);
  assertEquals([steps, firstLoss, firstSteps], [3, 2, 2]);
  await running.ask(request(1, 5), PATIENCE);
  assertEquals((await running.ask(request(1, 0), PATIENCE)).loss, 10);
  assertAlmostEquals((await running.ask(request(1, 0), PATIENCE)).warmUp, warmUp, 0);
  await assertRejects(() => running.ask(request(7, 1), PATIENCE), Error, "seven rows don't fit");
  assertEquals((await running.ask(request(1, 0), PATIENCE)).loss, 2);
  await running.stop();
});

Deno.test("a peer that dies gives its last complaint, one that is too slow is ended", async () => {
  const dying = await PeerProcess.start([peer(COUNTS)], PATIENCE);
  await assertRejects(() => dying.ask(request(9, 1), PATIENCE), Error, "Killed for memory");
  assertEquals(dying.ended, true);
  await dying.stop();
  await assertRejects(
    () => PeerProcess.start([peer("await new Promise((done) => setTimeout(done, 1e6));")], 0.5),
    Absent,
    "no answer in 0.5 s",
  );
});

Deno.test("a copy that is no checkout is told its commit; a checkout says its own", async () => {
  const before = Deno.env.get("GROKBOOK_COMMIT");
  try {
    Deno.env.set("GROKBOOK_COMMIT", "0abcdef\n");
    assertEquals(await commit(), "0abcdef");
    Deno.env.delete("GROKBOOK_COMMIT");
    assert(/^([0-9a-f]{7,}\+?|unknown)$/.test(await commit()));
  } finally {
    if (before !== undefined) Deno.env.set("GROKBOOK_COMMIT", before);
  }
});

Deno.test("what is measured and tested on a card without a network needs one small npm package, which checks the fields of runs", async () => {
  const file = (name: string) => new URL(name, import.meta.url).href;
  for (
    const root of [
      "./bench.ts",
      "./peers/engine_peer.ts",
      "../engine/rows_test.ts",
      "../engine/webgpu/engine_test.ts",
      "../engine/webgpu/gemm_test.ts",
      "../engine/webgpu/tune_test.ts",
    ].map(file)
  ) {
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", root], stderr: "null" }).output();
    interface Module {
      readonly specifier: string;
      readonly dependencies?: readonly { readonly isDynamic?: boolean; readonly code?: { readonly specifier: string } }[];
    }
    const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: readonly Module[] };
    const imports = new Map(modules.map(({ specifier, dependencies = [] }) => [
      specifier,
      dependencies.flatMap(({ isDynamic, code }) => (isDynamic || !code ? [] : [code.specifier])),
    ]));
    const reached = new Set([root]);
    for (const module of reached) for (const next of imports.get(module) ?? []) reached.add(next);
    assert(reached.size > 1);
    assertEquals([...reached].filter((module) => module.startsWith("npm:")).map((module) => module.split("@")[0]), ["npm:valibot"]);
  }
});

async function works(program: string): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}
