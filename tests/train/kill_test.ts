/** `deno task train --checkpoint` killed at any moment: a run's evaluations and its state stay one. Real processes, on an engine that trains nothing. */
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

/** That the folder has every seed, each with just the evaluations up to its state, and that the CSV has no hole. Returns the furthest step. */
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
      while (await Deno.stat(seedFile(saved, 2)).then(() => false, () => true)) await new Promise((done) => setTimeout(done, 5));
      await new Promise((done) => setTimeout(done, (i === 0 ? 0 : 150) + 500 * random.uniform()));
      child.kill(i % 4 === 3 ? "SIGHUP" : "SIGKILL");
      const { code } = await child.status;
      assertEquals(code, i % 4 === 3 ? 129 : 137, await text);
      const now = await whole(saved);
      assert(now >= last, `${now} after ${last}`);
      last = now;
    }
    assert(last > 30, `it must have gone on, it stands at ${last}`);
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
