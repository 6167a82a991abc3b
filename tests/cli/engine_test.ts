/** Which engine a command trains with, and the process that it does so in. */
import { assert, assertAlmostEquals, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { V8_FLAGS } from "../../lib/engine/cpu/flags.ts";
import { ENGINE_FLAGS, engineRequest } from "../../lib/cli/engine.ts";
import { parse } from "../../lib/cli/flags.ts";
import { ROOT } from "../../lib/cli/process.ts";
import { readSeed } from "../../lib/train/checkpoints.ts";
import { ENGINES } from "../../lib/train/engines.ts";
import { ended, folder, start, TINY, train } from "./train_process.ts";

/** An environment in which WebGPU finds no adapter. */
const NO_ADAPTER = { VK_DRIVER_FILES: "/none", VK_ICD_FILENAMES: "/none", DENO_WEBGPU_BACKEND: "vulkan" };
const FLAGGED = Deno.build.arch === "x86_64" && Deno.build.os === "linux";

const evaluate = (code: string, environment: Record<string, string> = {}) =>
  ended(new Deno.Command(Deno.execPath(), { args: ["eval", code], cwd: ROOT, env: { NO_COLOR: "1", ...environment } }));

Deno.test("an engine that was named trains; without a name the processor does where there is no card, with or without a software driver", async () => {
  const summary = async (args: string[], environment: Record<string, string> = {}) => {
    const { code, stdout, stderr } = await ended(start([...args, ...TINY, "--steps", "0", "--json"], environment));
    assertEquals(code, 0, stderr);
    return JSON.parse(stdout);
  };
  assertEquals((await summary([], NO_ADAPTER)).engine, "cpu");
  const { engine, adapter } = await summary(["--threads", "1"]);
  if (engine === "cpu") assertMatch(adapter, /, 1 thread, /);
  const software = await summary(["--engine", "webgpu"]);
  assertEquals([software.engine, engine], ["webgpu", software.software ? "cpu" : "webgpu"]);
});

Deno.test("webgpu, asked for where there is no adapter, is an error in one line", async () => {
  const { code, stdout, stderr } = await ended(start(["--engine", "webgpu", ...TINY], NO_ADAPTER));
  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /^error: Cannot open a GPU: no adapter was found, one with a Vulkan driver is needed .*\n$/);
});

Deno.test("where the processor engine can't run, TensorFlow.js stands in and a line says why; asked for, it is an error", async () => {
  const without = (open: string) =>
    `delete globalThis.SharedArrayBuffer; const { openEngine } = await import("./lib/train/engines.ts"); ` +
    `console.log((await ${open}).info.engine); Deno.exit(0)`;
  const { stdout, stderr } = await evaluate(without("openEngine()"), NO_ADAPTER);
  assertEquals(stdout, "tfjs\n", stderr);
  assertEquals(
    stderr,
    "Going on with the TensorFlow.js engine, which is slower: there is no graphics card. Cannot train on the processor: this JavaScript engine " +
      "must have SharedArrayBuffer, it has not\n",
  );
  const named = await evaluate(without(`openEngine("cpu")`), NO_ADAPTER);
  assertEquals([named.code, named.stdout], [1, ""]);
  assertMatch(named.stderr, /Cannot train on the processor: this JavaScript engine must have SharedArrayBuffer, it has not/);
});

Deno.test("an engine that isn't is an error in one line, also where no command has looked at its name", async () => {
  const { code, stderr } = await evaluate(`import { openEngine } from "./lib/train/engines.ts"; await openEngine("cuda")`);
  assertEquals(code, 1);
  assertMatch(stderr, /Cannot train: the engine must be one of webgpu, cpu, tfjs, current value is "cuda"/);
});

Deno.test("engines read each other's checkpoints; a run that another one goes on with says so, in its file and in the summary", () =>
  folder(async (path) => {
    const summary = async (...args: string[]) => {
      const { code, stdout, stderr } = await train(...args, "--json");
      assertEquals(code, 0, stderr);
      const { runs: [run], ...info } = JSON.parse(stdout);
      return { ...run, info, stderr };
    };
    const whole = await summary("--engine", "cpu", ...TINY, "--steps", "60");
    const first = await summary("--engine", "webgpu", ...TINY, "--steps", "20", "--checkpoint", path("saved"));
    const go = (engine: string, steps: string) =>
      summary("--engine", engine, "--resume", path("saved"), "--checkpoint", path("saved"), "--steps", steps);
    const second = await go("cpu", "40"), third = await go("webgpu", "50"), last = await go("tfjs", "60");
    const kinds = [first, second, last].map(({ info: { engine, adapter, driver } }) =>
      engine === "cpu" ? `cpu, ${driver}` : `${engine}, ${adapter}, ${driver}`
    );
    assertEquals(
      [first, second, third, last].map(({ trained_on }) => trained_on),
      [[0], [0, 1], [0, 1], [0, 1, 2]].map((of) => of.map((i) => kinds[i])),
    );
    assertEquals(whole.trained_on, [kinds[1]]);
    assertStringIncludes(second.stderr, `going on with ${kinds[1]}; so far trained on ${kinds[0]}\n`);
    assertEquals((await readSeed(path("saved"), 0)).trainedOn, kinds);
    assertEquals([last.steps, whole.steps], [60, 60]);
    for (const metric of ["train_loss", "val_loss", "weight_norm"]) {
      assertAlmostEquals(last.final[metric], whole.final[metric], 1e-4, metric);
    }
    // A step of its own is what makes an engine one of those.
    assertEquals((await go("cpu", "60")).trained_on, kinds);
  }));

Deno.test("flags say engine and threads", () => {
  const request = (...args: string[]) => engineRequest(parse(args, ENGINE_FLAGS));
  assertEquals(request(), {});
  for (const engine of ENGINES) assertEquals(request("--engine", engine), { engine });
  assertEquals(request("--threads", "3", "--engine=cpu"), { engine: "cpu", threads: 3 });
});

/** Runs a command that tells what it is and copies its input, until it has read all of it. */
async function restarted(environment: Record<string, string>, args: readonly string[] = []) {
  const folder = await Deno.makeTempDir({ prefix: "restart-" }), file = `${folder}/command.ts`;
  await Deno.writeTextFile(
    file,
    `import { runTraining } from "${new URL("../../lib/cli/restart.ts", import.meta.url)}";
await Deno.writeTextFile(${JSON.stringify(`${folder}/pids`)}, Deno.pid + "\\n", { append: true });
await runTraining(async (args) => {
  console.log(JSON.stringify({ pid: Deno.pid, args, flags: Deno.env.get("DENO_V8_FLAGS") ?? null }));
  const input = await new Response(Deno.stdin.readable).text();
  console.log(input);
  return input.length;
});`,
  );
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--config", `${ROOT}/deno.json`, file, ...args],
    env: { ...NO_ADAPTER, ...environment },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  // A child that refuses its settings may have ended by now.
  await writer.write(new TextEncoder().encode("seven b")).then(() => writer.close()).catch(() => {});
  const { code, stdout, stderr } = await child.output(), [told = "null", input] = new TextDecoder().decode(stdout).split("\n");
  const pids = (await Deno.readTextFile(`${folder}/pids`)).trim().split("\n").map(Number);
  await Deno.remove(folder, { recursive: true });
  return { code, input, stderr: new TextDecoder().decode(stderr), pids, pid: child.pid, told: JSON.parse(told || "null") };
}

Deno.test("a command that trains on the processor begins anew with V8's flags, in the same process, with its input and its arguments", async () => {
  const args = ["--name", "two words", "ü"], { code, input, stderr, pids, pid, told } = await restarted({}, args);
  assertEquals([code, input, stderr], [7, "seven b", ""]);
  assertEquals(pids, Array(FLAGGED ? 2 : 1).fill(pid));
  assertEquals(told, { pid, args, flags: FLAGGED ? V8_FLAGS.join(",") : null });
});

Deno.test("it doesn't where the flags are off or there, another engine is named, or only the help is wanted", async () => {
  const off = await restarted({ GROKBOOK_V8_FLAGS: "off" });
  assertEquals([off.code, off.pids, off.told.flags], [7, [off.pid], null]);
  for (const args of [["--engine", "tfjs"], ["--engine=webgpu"], ["--help"], ["--status"]]) {
    assertEquals((await restarted({}, args)).pids.length, 1);
  }
  if (!FLAGGED) return;
  const has = await restarted({ DENO_V8_FLAGS: V8_FLAGS.join(",") });
  assertEquals([has.pids.length, has.told.flags], [1, V8_FLAGS.join(",")]);
  const other = await restarted({ DENO_V8_FLAGS: "--stack-size=900" });
  assertEquals([other.pids.length, other.told.flags], [2, ["--stack-size=900", ...V8_FLAGS].join(",")]);
});

Deno.test("a switch that is neither on nor off is an error in one line", async () => {
  const { code, stderr, input } = await restarted({ GROKBOOK_V8_FLAGS: "maybe" });
  assert(input === undefined);
  assertEquals([code, stderr], [1, "error: Cannot use GROKBOOK_V8_FLAGS: it must be on or off, current value is maybe\n"]);
});
