/**
 * `deno task train --checkpoint` killed at any moment: a run's evaluations and its state stay one. Real processes, on an engine that trains
 * nothing.
 */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { metricsBeside, readSeed, seedFile, seedsIn } from "../../lib/train/checkpoints.ts";
import { parseMetrics } from "../../lib/train/metrics_csv.ts";
import { Random } from "../../lib/run/random.ts";

const ROOT = new URL("../..", import.meta.url);
const SETTING = "--preset one-layer --prime 7 --d-model 16 --heads 2 --d-mlp 16 --eval-every 10 --seeds 0..2".split(" ");

const start = (args: readonly string[]) =>
  new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "tests/train/train_worker.ts", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdout: "null",
    stderr: "piped",
  }).spawn();

async function finished(args: readonly string[]): Promise<void> {
  const { code, stderr } = await start(args).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
}

const upTo = (step: number) => Array.from({ length: Math.floor(step / 10) + 1 }, (_, i) => 10 * i);

/** How long a training may take to store something before that counts as never, in ms. */
const LONG = 120_000;

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** The furthest step of a folder's states; 0 where there are none. */
async function furthest(folder: string): Promise<number> {
  const steps = await Promise.all((await seedsIn(folder)).map(async (seed) => (await readSeed(folder, seed)).state.step));
  return Math.max(0, ...steps);
}

/**
 * That the folder has every seed, each with just the evaluations up to its state, and that the CSV has no hole. Returns the furthest step.
 */
async function whole(folder: string): Promise<number> {
  assertEquals(await seedsIn(folder), [0, 1, 2]);
  let last = 0;
  for (const seed of [0, 1, 2]) {
    const { state, metrics } = await readSeed(folder, seed);
    assertEquals(metrics?.map(({ step }) => step), state.step === 0 ? [] : upTo(state.step));
    last = Math.max(last, state.step);
  }
  for (const [seed, rows] of parseMetrics(await Deno.readTextFile(metricsBeside(folder)))) {
    assertEquals(rows.map(({ step }) => step), upTo(rows.at(-1)!.step), `metrics.csv, seed ${seed}`);
  }
  return last;
}

Deno.test("killed and hung up on twenty times, a training goes on without a hole, a repeated evaluation or another bit", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kill-" }), random = new Random(17, "init");
  const saved = join(folder, "saved"), csv = join(folder, "m.csv");
  try {
    let last = 0;
    for (let i = 0; i < 20; i++) {
      const from = i === 0 ? SETTING : ["--resume", saved];
      const child = start([...from, "--steps", "100000000", "--checkpoint", saved, "--metrics", csv]);
      const text = new Response(child.stderr).text();
      // Every other time when it has stored more than it began with, else at any moment, also while it starts.
      const further = i % 2 === 0, signal = i % 4 < 2 ? "SIGKILL" : "SIGHUP";
      let ended = false;
      child.status.then(() => ended = true);
      const until = performance.now() + LONG;
      while (further && !ended && performance.now() < until && await furthest(saved) <= last) await pause(5);
      await pause((further ? 50 : 500) * random.uniform());
      if (!ended) child.kill(signal);
      const { code } = await child.status;
      assertEquals(code, { SIGKILL: 137, SIGHUP: 129 }[signal], await text);
      const now = await whole(saved);
      assert(further ? now > last : now >= last, `${now} after ${last}`);
      last = now;
    }
    const steps = String(10 * Math.ceil(last / 10) + 20);
    await finished(["--resume", saved, "--steps", steps, "--checkpoint", saved, "--metrics", csv]);
    const never = join(folder, "never");
    await finished([...SETTING, "--steps", steps, "--checkpoint", never, "--metrics", join(folder, "n.csv")]);
    assertEquals(await Deno.readTextFile(csv), await Deno.readTextFile(join(folder, "n.csv")));
    assertEquals(await Deno.readTextFile(metricsBeside(saved)), await Deno.readTextFile(metricsBeside(never)));
    for (const seed of [0, 1, 2]) {
      assertEquals(await Deno.readFile(seedFile(saved, seed)), await Deno.readFile(seedFile(never, seed)), `seed ${seed}`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
