/**
 * Folders of checkpoints and other outputs of `deno task train`: nothing is lost, mixed up or found unusable after the work. The real
 * process.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { specHash } from "../../lib/run/spec.ts";
import { takenIn } from "../../lib/run/taken.ts";
import { metricsBeside, readSeed, seedFile } from "../../lib/train/checkpoints.ts";
import { parseMetrics } from "../../lib/train/metrics_csv.ts";
import { checkpointFile } from "../../lib/train/weights.ts";
import { ENGINE, filesIn, folder, refusedHere, start, TINY, train, trained } from "./train_process.ts";

const resume = (from: string, ...args: string[]) => train("--engine", ENGINE, "--resume", from, ...args);
/** A refusal: exit code 1 and one line that says so. */
async function refused(started: ReturnType<typeof train>, says: RegExp): Promise<void> {
  const { code, stdout, stderr } = await started;
  assertEquals([code, stdout, stderr.trim().split("\n").length], [1, "", 1], stderr);
  assertMatch(stderr.trim(), says);
}
const stepsOf = async (path: string) =>
  [...parseMetrics(await Deno.readTextFile(path))].map(([seed, rows]) => [seed, ...rows.map(({ step }) => step)]);
const bytesIn = async (path: string) =>
  await Promise.all((await filesIn(path)).map(async (name) => [name, await Deno.readFile(join(path, name))] as const));

Deno.test("resuming one seed into the same folder keeps the others' history and milestones", () =>
  folder(async (path) => {
    const saved = path("saved"), csv = path("m.csv");
    // Five elements and a large step: both memorise soon.
    const fast = ["--lr", "0.02", "--weight-decay", "0", "--steps", "80", "--seeds", "0,1", "--json"];
    const first = JSON.parse((await trained(...fast, "--checkpoint", saved, "--metrics", csv)).stdout);
    assert(first.runs[0].memorisation_step <= 80, "it must memorise for this test");
    const one = await resume(saved, "--seeds", "1", "--steps", "90", "--checkpoint", saved, "--metrics", csv);
    assertEquals(one.code, 0, one.stderr);
    const upTo = (n: number) => Array.from({ length: n / 10 + 1 }, (_, i) => 10 * i);
    for (const file of [csv, metricsBeside(saved)]) assertEquals(await stepsOf(file), [[0, ...upTo(80)], [1, ...upTo(90)]]);
    const both = await resume(saved, "--steps", "100", "--json");
    assertEquals(both.code, 0, both.stderr);
    assertEquals(JSON.parse(both.stdout).runs[0].memorisation_step, first.runs[0].memorisation_step);
  }));

Deno.test("what a run reached where its evaluations are missing is unknown", () =>
  folder(async (path) => {
    const saved = path("saved");
    await trained("--lr", "0.02", "--weight-decay", "0", "--steps", "80", "--checkpoint", saved);
    const { state, metrics } = await readSeed(saved, 0);
    const memorised = metrics!.find(({ trainAcc }) => trainAcc > 0.99)!.step;
    const kept = metrics!.filter(({ step }) => step < 10 || step > memorised);
    await Deno.writeFile(seedFile(saved, 0), checkpointFile(state, kept));
    const { code, stdout, stderr } = await resume(saved, "--steps", "100");
    assertEquals(code, 0, stderr);
    const last = memorised === 10 ? "the evaluation at step 10 is" : `evaluations from step 10 to ${memorised} are`;
    assertStringIncludes(stderr, `seed 0: ${last} missing; what it reached from there on is unknown`);
    assertMatch(stdout, /^ *0 +unknown +unknown +– +100 /m);
    const { runs: [run] } = JSON.parse((await resume(saved, "--steps", "100", "--json")).stdout);
    assertEquals([run.memorisation_step, run.grokking_step, run.censored], [null, null, false]);
    assertEquals(run.missing_evaluations, { first_step: 10, last_step: memorised });
    // A folder of an earlier version: the evaluations lie beside the states, or nowhere.
    await Deno.writeFile(seedFile(saved, 0), checkpointFile(state));
    assertEquals((await readSeed(saved, 0)).metrics?.length, 9);
    await Deno.remove(metricsBeside(saved));
    assertStringIncludes((await resume(saved, "--steps", "90")).stderr, "evaluations from step 0 to 80 are missing");
  }));

Deno.test("a checkpoint belongs to the seed of its name", () =>
  folder(async (path) => {
    await trained("--checkpoint", path("saved"));
    await Deno.rename(path("saved/seed_0.safetensors"), path("saved/seed_5.safetensors"));
    await refused(resume(path("saved"), "--steps", "60"), /seed_5\.safetensors: its seed must be the 5 of its name, current value is 0$/);
    await Deno.rename(path("saved/seed_5.safetensors"), path("saved/seed_05.safetensors"));
    await refused(resume(path("saved")), /must have files seed_S\.safetensors, there are none$/);
  }));

Deno.test("a new training writes over no checkpoint, of another setting or of its own seeds; other seeds join", () =>
  folder(async (path) => {
    const saved = path("saved");
    await trained("--seeds", "0,1", "--checkpoint", saved);
    const before = await bytesIn(saved);
    const again = (...args: string[]) => train("--engine", ENGINE, ...TINY, ...args);
    // One after the other: at the same time, they would be refused because the folder is in use.
    const bad: [string[], RegExp][] = [
      [["--seeds", "2", "--lr", "0.5", "--checkpoint", saved], /its setting must be this one, seed 0 there has lr 0\.001 and not 0\.5$/],
      [["--seeds", "1,2", "--checkpoint", saved], /must have none of seed 1, there is one of step 40; --resume .* goes on from it/],
      [["--seeds", "1", "--save", saved], /Cannot write --save .*: must have no checkpoints, .*seed_1\.safetensors is one$/],
      [["--seeds", "1", "--save-init", saved], /Cannot write --save-init .*: must have no checkpoints/],
    ];
    for (const [args, says] of bad) await refused(again(...args), says);
    await trained("--seed", "0", "--checkpoint", path("other"));
    await refused(
      resume(path("other"), "--steps", "60", "--checkpoint", saved),
      /must have none of seed 0, there is one of step 40; --resume/,
    );
    assertEquals(await bytesIn(saved), before);
    await trained("--seeds", "2", "--checkpoint", saved);
    assertEquals((await stepsOf(metricsBeside(saved))).map(([seed]) => seed), [0, 1, 2]);
    assertEquals(
      (await bytesIn(saved)).filter(([name]) => /seed_[01]/.test(String(name))),
      before.filter(([name]) => name !== "metrics.csv"),
    );
  }));

Deno.test("metrics that aren't those of a folder's checkpoints are never written over; what a killed training left of its own is", () =>
  folder(async (path) => {
    const csv = metricsBeside(path("res")), read = () => Deno.readTextFile(csv);
    await trained("--seeds", "0,1", "--steps", "10", "--metrics", csv);
    const others = await read();
    await refusedHere(
      [...TINY, "--seed", "7", "--checkpoint", path("res")],
      /^Cannot write .*metrics\.csv: it must hold only seeds that this folder has checkpoints of, it has evaluations of seed 0; move it/,
    );
    assertEquals([await read(), await filesIn(path("res"))], [others, ["metrics.csv"]]);
    await Deno.remove(csv);
    await trained("--seed", "0", "--checkpoint", path("res"));
    const own = await read(), rows = own.split("\n"), at = (step: number) => rows[4].replace(/^0,\d+/, `0,${step}`);
    const first = (lines: number, ...more: string[]) => `${[...rows.slice(0, lines), ...more].join("\n")}\n`;
    const cases: [string, RegExp][] = [
      ["epoch,loss\n1,2\n", /metrics\.csv: it must hold the evaluations of this folder's checkpoints, the header must be seed,step,/],
      [own.replace(/\d\n$/, "\n"), /metrics\.csv: it must hold the evaluations .*, seed 0 has others there at step 40; move it/],
      [own + rows[1].replace(/^0/, "3"), /metrics\.csv: it must hold only seeds .*, it has evaluations of seed 3; move it/],
      // Of a training with other steps or other evaluations: after the state, and between evaluations of the checkpoint.
      [first(6, at(50)), /metrics\.csv: it must hold the evaluations .*, seed 0 has others there at step 50; move it/],
      [first(6, at(45)), /seed 0 has others there at step 45; move it/],
      [first(3, at(15), at(25)), /seed 0 has others there at step 15; move it/],
      [first(2, at(25)), /seed 0 has others there at step 25; move it/],
    ];
    for (const [text, says] of cases) {
      await Deno.writeTextFile(csv, text);
      // Other seeds that join, and the same that go on.
      for (const args of [[...TINY, "--seed", "1"], ["--resume", path("res"), "--steps", "60"]]) {
        await refusedHere([...args, "--checkpoint", path("res")], says);
      }
      assertEquals(await read(), text);
    }
    // The run ended once after 25 updates, then went on to 40, and was killed before the file was written again.
    await Deno.writeTextFile(csv, first(4, at(25)));
    await refusedHere(["--resume", path("res"), "--steps", "60", "--checkpoint", path("res")], /^it begins$/);
    // No training ends without the evaluation at step 20, which is due.
    const { state, metrics } = await readSeed(path("res"), 0), whole = await Deno.readFile(seedFile(path("res"), 0));
    await Deno.writeFile(seedFile(path("res"), 0), checkpointFile(state, metrics!.filter(({ step }) => step !== 20)));
    await Deno.writeTextFile(csv, first(4));
    await refusedHere(
      ["--resume", path("res"), "--steps", "60", "--checkpoint", path("res")],
      /seed 0 has others there at step 20; move it/,
    );
    await Deno.writeFile(seedFile(path("res"), 0), whole);
    await Deno.writeTextFile(csv, first(3));
    const { code, stderr } = await resume(path("res"), "--steps", "50", "--checkpoint", path("res"));
    assertEquals(code, 0, stderr);
    assert((await read()).startsWith(own) && (await read()).length > own.length);
  }));

Deno.test("seeds that each took over tensors of their own go on in their folder, and the summary says what each took", () =>
  folder(async (path) => {
    const from = path("src"), saved = path("out"), take = ["--take", "embed", "--steps", "10", "--checkpoint", saved];
    await trained("--seeds", "0,1", "--steps", "10", "--checkpoint", from);
    const { spec, runs } = JSON.parse((await trained("--from", from, ...take, "--json")).stdout);
    const taken = runs.map((run: { taken: string }) => takenIn(run.taken)?.hash);
    const hashes = async (folder: string, field: "hash" | "taken") =>
      await Promise.all([0, 1].map(async (seed) => {
        const { state: { spec } } = await readSeed(folder, seed);
        return field === "hash" ? specHash(spec) : takenIn(spec.model.taken)?.hash;
      }));
    assertEquals([taken, "taken" in spec.model], [await hashes(from, "hash"), false]);
    assertEquals(await hashes(saved, "taken"), taken);
    const { code, stderr } = await resume(saved, "--steps", "20", "--checkpoint", saved);
    assertEquals(code, 0, stderr);
    for (const seed of [0, 1]) assertEquals((await readSeed(saved, seed)).state.step, 20);
    // One of them alone, too; other groups make another setting.
    await refusedHere(["--resume", saved, "--seeds", "1", "--steps", "30", "--checkpoint", saved], /^it begins$/);
    const other = `--from ${from} --take pos --seeds 1 --checkpoint ${saved}`.split(" ");
    await refusedHere(other, /its setting must be this one, seed 0 there has taken .*:embed:.* and not .*:pos:/);
  }));

Deno.test("what a resumed run can't honour is refused", () =>
  folder(async (path) => {
    const saved = path("saved");
    await trained("--seeds", "0,1", "--checkpoint", saved);
    const file = async (name: string, value: unknown) => {
      await Deno.writeTextFile(path(name), JSON.stringify(value));
      return path(name);
    };
    await Promise.all([
      refused(resume(saved, "--eval-every", "20"), /seed 0: evalEvery must be 10 as in its checkpoint, current value is 20$/),
      refused(
        resume(saved, "--config", await file("a.json", { preset: "boundaries" })),
        /seed 0: layers must be 1 as in|seed 0: \w+ must be/,
      ),
      refused(resume(saved, "--config", await file("b.json", { seed: 7 })), /must have a checkpoint of every seed, there is none of 7$/),
      refused(resume(saved, "--config", await file("c.json", { preset: "one-layer" })), /seed 0: dModel must be 8 as in its checkpoint/),
      refused(
        resume(saved, "--config", await file("d.json", { schedule: { steps: 10 } })),
        /steps must be at least the 40 of its checkpoint/,
      ),
    ]);
    // What agrees is honoured, and so is the seed.
    const { code, stdout, stderr } = await resume(saved, "--config", await file("e.json", { seed: 1, optim: { lr: 0.001 } }), "--json");
    assertEquals(code, 0, stderr);
    assertEquals(JSON.parse(stdout).runs.map(({ seed }: { seed: number }) => seed), [1]);
  }));

Deno.test("one training at a time writes into a folder; every seed is there from the beginning; SIGHUP stops it like Ctrl-C", () =>
  folder(async (path) => {
    const saved = path("saved"), long = [...TINY, "--steps", "100000000", "--checkpoint", saved];
    const child = start(["--engine", ENGINE, ...long, "--seeds", "0..2"]).spawn();
    const waited = new Response(child.stdout).text();
    // A terminal that is gone: nobody reads what the training says.
    const reader = child.stderr.getReader();
    await reader.read();
    assertEquals((await filesIn(saved)).filter((name) => /seed/.test(name)), [0, 1, 2].map((seed) => `seed_${seed}.safetensors`));
    // A few steps, so that a second training that is let in ends, and the test fails.
    const second = [...long, "--steps", "10", "--seeds", "7"];
    await refused(train("--engine", ENGINE, ...second), /Cannot write checkpoints in .*: it must be free, another training/);
    const began = performance.now();
    while ((await readSeed(saved, 0)).state.step === 0) {
      assert(performance.now() - began < 120_000, "no checkpoint after 120 s");
      await new Promise((done) => setTimeout(done, 200));
    }
    await reader.cancel();
    child.kill("SIGHUP");
    child.kill("SIGHUP");
    assertEquals((await child.status).code, 129);
    assertMatch(await waited, /stopped/);
    assertEquals(await filesIn(saved), ["metrics.csv", ...[0, 1, 2].map((seed) => `seed_${seed}.safetensors`)]);
    const { state, metrics } = await readSeed(saved, 2);
    assert(state.step > 0);
    assertEquals(metrics?.at(-1)?.step, 10 * Math.floor(state.step / 10));
  }));

Deno.test("killed with batches under way, a training goes on as if nothing had been", () =>
  folder(async (path) => {
    const saved = path("saved"), csv = path("m.csv"), args = ["--batch", "7", "--seeds", "0,1"];
    const long = [...TINY, ...args, "--steps", "100000000", "--checkpoint", saved, "--metrics", csv];
    const child = start(["--engine", ENGINE, ...long]).spawn();
    const texts = [child.stdout, child.stderr].map((stream) => new Response(stream).text());
    const step = async (seed: number) => (await readSeed(saved, seed)).state.step;
    while (!await step(1).then((at) => at > 0, () => false)) await new Promise((done) => setTimeout(done, 100));
    child.kill("SIGKILL");
    assertEquals((await child.status).code, 137);
    await Promise.all(texts);
    const steps = String(10 * Math.ceil(Math.max(await step(0), await step(1)) / 10) + 20);
    const resumed = await resume(saved, "--steps", steps, "--checkpoint", saved, "--metrics", csv);
    assertEquals([resumed.code, /missing/.test(resumed.stderr)], [0, false], resumed.stderr);
    await trained(...args, "--steps", steps, "--metrics", path("whole.csv"), "--checkpoint", path("whole"));
    assertEquals(await Deno.readTextFile(csv), await Deno.readTextFile(path("whole.csv")));
    // What it was writing when it was killed stays.
    assertEquals((await bytesIn(saved)).filter(([name]) => !name.endsWith(".part")), await bytesIn(path("whole")));
  }));

Deno.test("outputs that can't be written are refused before the first step, and leave nothing behind", () =>
  folder(async (path) => {
    await Deno.writeTextFile(path("file"), "");
    await Deno.writeTextFile(path("mine.json"), '{"preset": "one-layer"}');
    const before = await filesIn(path("."));
    const bad: [string[], RegExp][] = [
      ...["--metrics", "--save", "--save-init", "--checkpoint", "--dump-data", "--config", "--init", "--resume"].flatMap((flag) =>
        ["", "  "].map((empty): [string[], RegExp] => [[flag, empty], new RegExp(`^Cannot read ${flag}: must have a value`)])
      ),
      [["--metrics", path("new/")], /^Cannot write --metrics .*: must be a file, its name ends like a folder's$/],
      [["--metrics", path("x".repeat(300))], /^Cannot write --metrics .*: must be a file that can be written, File name too long/],
      [["--save", path("file")], /^Cannot write --save .*: must be a folder, it is a file$/],
      [["--metrics", path("new/m.csv"), "--save", path("file")], /^Cannot write --save/],
      [
        ["--metrics", path("m.csv"), "--dump-data", path("m.csv")],
        /^Cannot write --dump-data .*: must be a place of its own, --metrics/,
      ],
      [
        ["--save", path("new"), "--checkpoint", path("new")],
        /^Cannot write --save .*: must be a place of its own, --checkpoint names/,
      ],
      [
        ["--checkpoint", path("new"), "--metrics", path("new/metrics.csv")],
        /^Cannot write --metrics .*: must be a place of its own/,
      ],
      [["--config", path("mine.json"), "--metrics", path("mine.json")], /^Cannot write --metrics .*--config names it too$/],
      [["--metrics", "/proc/no/m.csv"], /^Cannot write --metrics .*: must be a folder that can be written in, /],
      // A folder that is there, in which nobody can make a file.
      [["--checkpoint", "/proc"], /^Cannot write --checkpoint .*: must be a folder that can be written in, /],
    ];
    for (const [args, says] of bad) await refusedHere(["--engine", ENGINE, ...TINY, ...args], says);
    // Each place where it is refused, in a process: of the words, of a file, of a folder.
    for (const flag of ["--metrics", "--save", "--checkpoint"]) {
      const [args, says] = bad.findLast(([args]) => args[0] === flag)!;
      await refused(train(...args), new RegExp(`^error: ${says.source.slice(1)}`));
    }
    await refused(train("--metrics", ""), /^error: Cannot read --metrics: must have a value/);
    assertEquals(await filesIn(path(".")), before);
  }));

Deno.test("a setting may come through a pipe", () =>
  folder(async (path) => {
    const child = new Deno.Command("sh", {
      args: ["-c", `echo '{"preset": "one-layer", "seed": 9}' | "$0" "$@"`, Deno.execPath(), "run", "-A", "lib/cli/train.ts"].concat(
        ["--engine", ENGINE, ...TINY.slice(2), "--config", "/dev/stdin", "--steps", "0", "--metrics", path("m.csv")],
      ),
      cwd: new URL("../..", import.meta.url),
    });
    const { code, stderr } = await child.output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    assertEquals(await stepsOf(path("m.csv")), [[9, 0]]);
  }));
