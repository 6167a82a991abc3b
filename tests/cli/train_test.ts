/** `deno task train` as a user meets it: the real process, a real engine, very small models. */
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { parseMetrics } from "../../lib/train/metrics_csv.ts";
import { elementCount } from "../../lib/run/operations.ts";
import { PRESETS, type RunSpec, runSpec } from "../../lib/run/spec.ts";
import { FIELDS } from "../../lib/cli/flags.ts";
import { readRequest, type Request } from "../../lib/cli/request.ts";
import { resultTable } from "../../lib/cli/milestones.ts";
import { type Rule, RULES } from "../../lib/run/grokking.ts";
import { train as trainRuns } from "../../lib/train/train.ts";
import { fakeEngine } from "../fake_engine.ts";
import { ENGINE, filesIn, folder, rowsOf, start, TINY, train, trained } from "./train_process.ts";

const request = async (...args: string[]) => await readRequest(args) as Request;

const TAKEN = "0123456789abcdef@40:embed:fedcba9876543210";

Deno.test("every field of the spec has a flag that sets it", async () => {
  const from = { ...PRESETS["one-layer"] };
  const values: Record<string, [string, unknown]> = {
    "biases": ["true", true],
    "final-norm": ["false", false],
    "init-sigmas": ["embed=0.5", "embed=0.5"],
    "frozen": ["embed", "embed"],
    "batch": ["12", 12],
    "layers": ["2", 2],
    "d-model": ["16", 16],
    "heads": ["2", 2],
    "d-mlp": ["24", 24],
    "context": ["7", 7],
    "prime": ["11", 11],
    "warmup": ["3", 3],
    "steps": ["5", 5],
    "eval-every": ["4", 4],
    "optimiser": ["lion", "lion"],
    "lr-schedule": ["cosine", "cosine"],
    "lr-steps": ["90", 90],
    "grad-filter": ["orthogonal", "orthogonal"],
    "filter-window": ["7", 7],
    "decay-groups": ["mlp", "mlp"],
    "tied": ["true", true],
    "taken": [TAKEN, TAKEN],
    "extra-classes": ["3", 3],
    "split": ["mirrored", "mirrored"],
    "noise-labels": ["any", "any"],
  };
  /** What some of them need beside them. */
  const quadratic = "--mixer none --inputs one-hot --activation square --layers 1";
  const beside: Record<string, string> = {
    ...{ "final-norm": "--norm pre", "norm-kind": "--norm pre", "biases-in": "--biases true" },
    ...{ "inputs": "--mixer none", "scaling": quadratic, "noise-labels": "--label-noise 0.25" },
    ...{ "momentum": "--optimiser sgd", "muon-lr": "--optimiser muon" },
    ...{ "lr-schedule": "--lr-steps 90", "lr-steps": "--lr-schedule linear" },
    ...{ "filter-alpha": "--grad-filter grokfast-ema", "filter-lambda": "--grad-filter grokfast-ema" },
    ...{ "filter-window": "--grad-filter grokfast-ma" },
  };
  const fields = (["model", "data", "optim", "schedule"] as const).flatMap((part) =>
    Object.keys(from[part]).map((field) => `${part}.${field}`)
  );
  assertEquals([...FIELDS.values()].map(({ path }) => path).sort(), fields.sort());
  for (const [flag, { part, name, field }] of FIELDS) {
    const other = field.kind.words?.find((word) => word !== (from[part!] as unknown as Record<string, unknown>)[name]);
    const [text, value] = values[flag] ?? (other === undefined ? ["0.25", 0.25] : [other, other]);
    const { specs: [spec] } = await request("--preset", "one-layer", ...(beside[flag]?.split(" ") ?? []), `--${flag}`, text);
    const at = (spec: RunSpec) => (spec[part!] as unknown as Record<string, unknown>)[name];
    assertEquals(at(spec), value, `--${flag}`);
    assert(at(from) !== value, `--${flag} must change the preset's value in this test`);
  }
});

Deno.test("the names that others script against are flags", async () => {
  const { specs: [spec] } = await request(
    ..."--operation x_div_y --prime 7 --layers 1 --d-model 8 --heads 2 --train-fraction 0.3 --weight-decay 0.1 --lr 0.01 --batch full --warmup 5"
      .split(" "),
    ..."--d-mlp 16 --activation relu --norm none --mask none --pooling mean --no-biases --context 4 --betas 0.8,0.9 --eps 1e-6".split(" "),
    ..."--decay matrices --loss stable --init-scheme normal".split(" "),
  );
  const { data, optim } = PRESETS["ai-scientist"];
  assertEquals(spec.data, { ...data, operation: "x_div_y", prime: 7, trainFraction: 0.3, batch: "full" });
  const given = { lr: 0.01, weightDecay: 0.1, beta1: 0.8, beta2: 0.9, eps: 1e-6, warmup: 5, decay: "matrices", loss: "stable" } as const;
  assertEquals(spec.optim, { ...optim, ...given });
  assertEquals([spec.model.biases, spec.model.init, spec.model.dMlp], [false, "normal", 16]);
});

Deno.test("flags win over the file, which wins over the preset", () =>
  folder(async (path) => {
    await Deno.writeTextFile(path("mine.json"), JSON.stringify({ preset: "one-layer", seed: 7, optim: { lr: 0.5, weightDecay: 0.25 } }));
    const { specs: [spec] } = await request("--config", path("mine.json"), "--lr", "0.125");
    assertEquals([spec.optim.lr, spec.optim.weightDecay, spec.optim.warmup, spec.seed], [0.125, 0.25, 10, 7]);
    const { specs: [other] } = await request("--config", path("mine.json"), "--preset", "boundaries", "--seeds", "3");
    assertEquals([other.optim.lr, other.model.norm, other.seed], [0.5, "pre", 3]);
  }));

Deno.test("flags over the file of a recorded run: what they make read has its default, what they make unread is neutral", () =>
  folder(async (path) => {
    const recorded = new URL("../../data/recorded/demo/spec.json", import.meta.url).pathname;
    const optim = async (file: string, ...args: string[]) => (await request("--config", file, ...args) as Request).specs[0].optim;
    const muon = await optim(recorded, "--optimiser", "muon");
    assertEquals([muon.momentum, muon.muonLr, muon.lr], [0.95, 0.02, 0.01]);
    const filtered = await optim(recorded, "--grad-filter", "grokfast-ema");
    assertEquals([filtered.filterAlpha, filtered.filterLambda, filtered.filterWindow], [0.98, 2, 0]);
    await Deno.writeTextFile(path("muon.json"), JSON.stringify(runSpec({ optim: { rule: "muon" } })));
    assertEquals(await optim(path("muon.json"), "--optimiser", "adamw"), runSpec().optim);
    await assertRejects(() => optim(recorded, "--momentum", "0.9"), Error, "momentum must be 0 where rule is adamw");
    // What is read keeps its value.
    const { specs: [{ model }] } = await request("--config", recorded, "--d-model", "64", "--tokens", "a b");
    assertEquals([model.dModel, model.dMlp, model.context], [64, 64, 3]);
  }));

Deno.test("seeds are lists, ranges with both ends, or both", async () => {
  const seeds = async (...args: string[]) => (await request(...args)).specs.map(({ seed }) => seed);
  assertEquals(await seeds("--seeds", "0,1,2"), [0, 1, 2]);
  assertEquals(await seeds("--seeds", "0..9"), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assertEquals(await seeds("--seeds=5..6,42"), [5, 6, 42]);
  assertEquals(await seeds("--seed", "8"), [8]);
  assertEquals(await seeds("--preset", "boundaries"), [42]);
});

Deno.test("metrics: the header, a row per seed and evaluation, step 0 included; the summary says the same", () =>
  folder(async (path) => {
    const { stdout } = await trained("--seeds", "0..1", "--metrics", path("sub/m.csv"), "--dump-data", path("d.csv"), "--json");
    const csv = await Deno.readTextFile(path("sub/m.csv"));
    assertEquals(csv.split("\n")[0], "seed,step,train_loss,train_acc,val_loss,val_acc,weight_norm,grad_norm,batch_loss,batch_acc");
    assertEquals(
      rowsOf(csv).map(([seed, step]) => `${seed} ${step}`),
      [0, 1].flatMap((seed) => [0, 10, 20, 30, 40].map((step) => `${seed} ${step}`)),
    );
    assertEquals(await filesIn(path("sub")), ["m.csv"]);

    const summary = JSON.parse(stdout);
    assertEquals([summary.engine, summary.stopped, summary.spec.data.prime, summary.runs.length], [ENGINE, false, 5, 2]);
    assert(summary.steps_per_second > 0 && summary.run_steps_per_second > summary.steps_per_second && summary.adapter.length > 0);
    const last = rowsOf(csv).at(-1)!.map(Number);
    const { seed, final } = summary.runs[1];
    assertEquals(["seed", ...Object.keys(final)].join(), csv.split("\n")[0]);
    assertEquals([seed, ...Object.values(final)], last);
    assertEquals(rowsOf(csv)[0].slice(-3), ["0", "", ""]); // before the first update
    const { grokking_step, censored, known_until } = summary.runs[1];
    assertEquals([grokking_step, censored, known_until], [null, true, 40]);

    // Accuracies are shares of the whole sets: 12 and 13 of the 25 pairs.
    for (const [, , , train, , val] of rowsOf(csv).map((row) => row.map(Number))) {
      for (const count of [12 * train, 13 * val]) assert(Math.abs(count - Math.round(count)) < 1e-4, `${train}, ${val}`);
    }
    const data = await Deno.readTextFile(path("d.csv"));
    assertEquals(data.split("\n")[0], "seed,split,a,b,target,answer");
    assertEquals(rowsOf(data).length, 2 * elementCount("x_plus_y", 5) ** 2);
    assert(rowsOf(data).every(([, , a, b, target]) => (Number(a) + Number(b)) % 5 === Number(target)));
    for (const seed of ["0", "1"]) assertEquals(rowsOf(data).filter((row) => row[0] === seed && row[1] === "train").length, 12);
  }));

Deno.test("metrics that only some runs have are columns of their own and in the summary: the noise that is memorised", () =>
  folder(async (path) => {
    const { stdout } = await trained("--label-noise", "0.25", "--metrics", path("n.csv"), "--json"),
      { runs: [{ final }] } = JSON.parse(stdout);
    const csv = await Deno.readTextFile(path("n.csv")), header = csv.split("\n")[0].split(",");
    assertEquals([header.at(-1), Number(rowsOf(csv).at(-1)!.at(-1))], ["noisy_acc", final.noisy_acc]);
    assert(rowsOf(csv).every((row) => row.length === header.length && row.at(-1) !== ""));
  }));

Deno.test("a rule of ten evaluations in a row can't judge the last nine: the table and the summary say how far it can", async () => {
  const { stdout } = await trained("--rule", "sustained", "--eval-every", "4", "--json"), { runs: [run] } = JSON.parse(stdout);
  assertEquals([run.steps, run.grokking_step, run.known_until], [40, null, 4]);
  const { specs } = await request(...TINY), engine = fakeEngine();
  const table = async (rule: Rule, end: number) => {
    const spec = runSpec({ ...specs[0], schedule: { steps: end, evalEvery: 4 } });
    return resultTable(await trainRuns([spec], { engine, rule })).split("\n").at(-1)!.match(/> \d+/)?.[0];
  };
  assertEquals([await table(RULES.first, 12), await table(RULES.sustained, 12), await table(RULES.sustained, 40)], ["> 12", "> 0", "> 4"]);
});

Deno.test("saved initial weights start the same run, and give several seeds the same start", () =>
  folder(async (path) => {
    await trained("--seed", "3", "--save-init", path("init"), "--save", path("end"), "--metrics", path("a.csv"));
    const file = path("init/seed_3.safetensors");
    await Promise.all([
      trained("--seed", "3", "--init", file, "--metrics", path("b.csv"), "--save", path("again")),
      trained("--seeds", "0,3", "--init", file, "--metrics", path("c.csv")),
    ]);
    const [a, b, c] = await Promise.all(["a.csv", "b.csv", "c.csv"].map((name) => Deno.readTextFile(path(name))));
    assertEquals(b, a);
    const [one, other] = [...parseMetrics(c).values()];
    assertEquals(one[0].weightNorm, other[0].weightNorm);
    assert(one.at(-1)!.weightNorm !== other.at(-1)!.weightNorm);
    assertEquals(await Deno.readFile(path("again/seed_3.safetensors")), await Deno.readFile(path("end/seed_3.safetensors")));
    assert((await Deno.stat(file)).size > 0 && await filesIn(path("init")).then((names) => names.length === 1));
  }));

Deno.test("a resumed run writes the very metrics and weights of one that was never interrupted", () =>
  folder(async (path) => {
    const batches = ["--batch", "7", "--seeds", "0..1"];
    const whole = trained(...batches, "--steps", "60", "--metrics", path("whole.csv"), "--save", path("whole"));
    await trained(...batches, "--checkpoint", path("saved"));
    const resume = ["--engine", ENGINE, "--resume", path("saved"), "--steps", "60"];
    const resumed = await train(...resume, "--metrics", path("resumed.csv"), "--save", path("resumed"));
    assertEquals(resumed.code, 0, resumed.stderr);
    await whole;
    assertEquals(await Deno.readTextFile(path("resumed.csv")), await Deno.readTextFile(path("whole.csv")));
    for (const seed of [0, 1]) {
      const file = (name: string) => Deno.readFile(path(`${name}/seed_${seed}.safetensors`));
      assertEquals(await file("resumed"), await file("whole"));
    }
  }));

Deno.test("Ctrl-C stops cleanly: metrics and checkpoints are kept, and the run goes on from them as if nothing had been", () =>
  folder(async (path) => {
    const args = [...TINY, "--steps", "1000000", "--checkpoint", path("saved"), "--metrics", path("m.csv"), "--seeds", "0..1", "--json"];
    const child = start(["--engine", ENGINE, ...args]).spawn();
    // The first line says that training has begun.
    const [started, rest] = child.stderr.tee();
    await started.getReader().read();
    const stderr = new Response(rest).text();
    child.kill("SIGINT");
    const { code } = await child.status;
    assertEquals(code, 130, await stderr);
    const summary = JSON.parse(await new Response(child.stdout).text());
    assertEquals([summary.stopped, summary.runs[0].status], [true, "stopped"]);
    assertEquals(await filesIn(path("saved")), ["metrics.csv", "seed_0.safetensors", "seed_1.safetensors"]);
    const done = summary.runs[0].steps, steps = String(10 * Math.ceil(done / 10) + 20);
    assertEquals(rowsOf(await Deno.readTextFile(path("m.csv"))).length, 2 * (Math.floor(done / 10) + 1));
    await stderr;

    const [resumed] = await Promise.all([
      train("--engine", ENGINE, "--resume", path("saved"), "--steps", steps, "--metrics", path("m.csv")),
      trained("--seeds", "0..1", "--steps", steps, "--metrics", path("whole.csv")),
    ]);
    assertEquals(resumed.code, 0, resumed.stderr);
    assertEquals(await Deno.readTextFile(path("m.csv")), await Deno.readTextFile(path("whole.csv")));
  }));

Deno.test("the TensorFlow.js engine takes the same command line, and stdout holds the summary alone", async () => {
  const { code, stdout } = await train("--engine", "tfjs", ...TINY, "--steps", "2", "--json");
  assertEquals([code, JSON.parse(stdout).engine], [0, "tfjs"]);
});

Deno.test("a config may come through a pipe", async () => {
  const script =
    'echo "$1" | "$0" run -A lib/cli/train.ts --help --config /dev/stdin && "$0" run -A lib/cli/train.ts --help --config <(echo "$1")';
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", script, Deno.execPath(), '{"optim": {"lr": 0.25}}'],
    cwd: new URL("../../", import.meta.url),
  }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  assertEquals(new TextDecoder().decode(stdout).match(/learning rate \[0\.25\]/g)?.length, 2);
});

Deno.test("the help names every flag and the preset's defaults; a stack trace comes only when asked for", async () => {
  const text = await readRequest(["--help", "--preset", "one-layer", "--lr", "0.25"]);
  assert(typeof text === "string");
  for (const flag of [...FIELDS.keys(), "preset", "config", "seeds", "until-grokked", "resume", "metrics", "json"]) {
    assertStringIncludes(text, `--${flag}`);
  }
  assertStringIncludes(text.replaceAll(/\s+/g, " "), "(at a multiple of 100 updates, rounded up to whole evaluations)");
  assertMatch(text, /--prime N .*\[113\]/);
  assertMatch(text, /--lr N .*\[0\.25\]/);
  assert(text.split("\n").every((line) => line.length <= 100));
  const { stderr } = await start(["--nonsense"], { GROKBOOK_DEBUG: "1" }).output();
  assertStringIncludes(new TextDecoder().decode(stderr), "    at parse");
});
