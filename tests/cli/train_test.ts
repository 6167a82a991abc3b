/** `deno task train` as a user meets it: the real process, a real engine, very small models. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parseMetrics } from "../../lib/train/metrics_csv.ts";
import { elementCount } from "../../lib/run/operations.ts";
import { PRESETS, type RunSpec } from "../../lib/run/spec.ts";
import { FIELDS } from "../../lib/cli/flags.ts";
import { readRequest, type Request } from "../../lib/cli/request.ts";
import { ended, ENGINE, filesIn, folder, start, TINY, train, trained, UNFLAGGED } from "./train_process.ts";

const request = async (...args: string[]) => await readRequest(args) as Request;
const rowsOf = (csv: string) => csv.trim().split("\n").slice(1).map((line) => line.split(","));

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
    assertEquals(csv.split("\n")[0], "seed,step,train_loss,train_acc,val_loss,val_acc,weight_norm");
    assertEquals(
      rowsOf(csv).map(([seed, step]) => `${seed} ${step}`),
      [0, 1].flatMap((seed) => [0, 10, 20, 30, 40].map((step) => `${seed} ${step}`)),
    );
    assertEquals(await filesIn(path("sub")), ["m.csv"]);

    const summary = JSON.parse(stdout);
    assertEquals([summary.engine, summary.stopped, summary.spec.data.prime, summary.runs.length], [ENGINE, false, 5, 2]);
    assert(summary.steps_per_second > 0 && summary.run_steps_per_second > summary.steps_per_second && summary.adapter.length > 0);
    const last = rowsOf(csv).at(-1)!.map(Number);
    const { step, train_loss, train_acc, val_loss, val_acc, weight_norm } = summary.runs[1].final;
    assertEquals([summary.runs[1].seed, step, train_loss, train_acc, val_loss, val_acc, weight_norm], last);
    assertEquals([summary.runs[1].grokking_step, summary.runs[1].censored], [null, true]);

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

/** Bad command lines, checked several at once, and what their one line must say. */
const BAD: readonly (readonly [args: string, says: RegExp])[] = [
  ["--weigth-decay 1", /^error: Cannot read --weigth-decay: must be a known flag, did you mean --weight-decay\?/],
  ["--lr", /^error: Cannot read --lr: must have a value, there is none$/],
  ["--lr Infinity", /^error: Cannot read --lr: must be a number, current value is "Infinity"$/],
  ["--eps 1e-50", /^error: Cannot use this run: eps must be at least 1\.18e-38 \(smaller fp32 .*\), current value is 1e-50$/],
  [
    "--beta2 0.99999999",
    /^error: Cannot use this run: beta2 must be .* fp32 number that it becomes, which is 1, current value is 0\.99999999$/,
  ],
  ["--lr fast", /^error: Cannot read --lr: must be a number, current value is "fast"$/],
  ["--json=yes", /^error: Cannot read --json: must have no value, current value is "yes"$/],
  ["one-layer", /^error: Cannot read the command line: must be flags, current value is "one-layer"$/],
  ["--seeds 3..1", /^error: Cannot read --seeds: must be like 0,1,2 or 0\.\.9, current value is "3\.\.1"$/],
  ["--seeds 1,1", /^error: Cannot read --seeds: must be different seeds, current value is "1,1"$/],
  ["--preset toString", /^error: Cannot use this run: preset must be one of .*one-layer.*, current value is "toString"$/],
  ["--engine cuda", /^error: Cannot read --engine: must be one of webgpu, cpu, tfjs, current value is "cuda"$/],
  ["--threads 0", /^error: Cannot read --threads: must be a whole number from 1 to 256, current value is "0"$/],
  ["--threads two", /^error: Cannot read --threads: must be a whole number from 1 to 256, current value is "two"$/],
  ["--threads 2 --engine tfjs", /^error: Cannot use --threads with --engine tfjs: the engine must be cpu, /],
  ["--operation x_pow_y", /^error: Cannot use this run: operation must be one of x_plus_y.*, current value is "x_pow_y"$/],
  ["--operation x_div_y --prime 12", /^error: Cannot use this run: prime must be a prime number for x_div_y, current value is 12$/],
  ["--d-model 30", /^error: Cannot use this run: dModel must be divisible by heads \(4\), current value is 30$/],
  [
    "--train-fraction 0.01 --prime 5",
    /^error: Cannot use this run: trainFraction must be such that .* at least one .*, current value is 0\.01$/,
  ],
  ["--init DIR/no.safetensors", /^error: Cannot read --init .*no\.safetensors: must be a file, there is none$/],
  ["--init DIR", /^error: Cannot read --init .*: must be a file, it is a folder$/],
  ["--init DIR/corrupt.safetensors", /^error: .*corrupt\.safetensors/],
  ["--config DIR", /^error: Cannot read --config .*: must be a file, it is a folder$/],
  ["--config DIR/list.json", /^error: Cannot read --config .*list\.json: must be a JSON object, current value is \[1\]$/],
  ["--config DIR/field.json", /^error: Cannot use this run: a field of optim must be one of lr, .*, current value is "learningRate"$/],
  ["--config DIR/own.json", /^error: Cannot use this run: a field of run must be one of model, .*, current value is "toString"$/],
  ["--config DIR/tokens.json", /^error: Cannot use this run: tokens must be one of a op b =, a b =, a b, current value is 5$/],
  ["--config DIR/preset.json", /^error: Cannot use this run: preset must be one of ai-scientist, .*, current value is \["one-layer"\]$/],
  ["--config DIR/controls.json", /^error: Cannot use this run: norm must be one of post, pre, none, current value is "\\n\\u001b\[2J"$/],
  ["--config DIR/long.json", /^error: Cannot use this run: norm must be .*, current value is "x{80}…" \(1,200,000 characters\)$/],
  ["--config DIR/corrupt.safetensors", /^error: Cannot read --config .*: must be JSON, /],
  ["--metrics DIR", /^error: Cannot write --metrics .*: must be a file, it is a folder$/],
  ["--metrics DIR/list.json/m.csv", /^error: Cannot write --metrics .*: must be a folder, it is a file$/],
  ["--save DIR/list.json", /^error: Cannot write --save .*: must be a folder, it is a file$/],
  ["--checkpoint DIR/list.json/sub", /^error: Cannot write --checkpoint .*: must be a folder that can be written in, Not a directory/],
  ["--resume DIR", /^error: Cannot resume from .*: must have files seed_S\.safetensors, there are none$/],
  ["--resume DIR --init DIR/x", /^error: Cannot use --resume and --init together: must be one of them$/],
];

Deno.test("bad input: one line, exit code 1, nothing written", () =>
  folder(async (path) => {
    await Deno.mkdir(path("in"));
    await Deno.writeTextFile(path("in/list.json"), "[1]");
    await Deno.writeTextFile(path("in/field.json"), '{"optim": {"learningRate": 1}}');
    await Deno.writeTextFile(path("in/own.json"), '{"toString": 1}');
    await Deno.writeTextFile(path("in/tokens.json"), '{"model": {"tokens": 5}}');
    await Deno.writeTextFile(path("in/preset.json"), '{"preset": ["one-layer"]}');
    await Deno.writeTextFile(path("in/controls.json"), '{"model": {"norm": "\\n\\u001b[2J"}}');
    await Deno.writeTextFile(path("in/long.json"), JSON.stringify({ model: { norm: "x".repeat(1_200_000) } }));
    await Deno.writeFile(path("in/corrupt.safetensors"), Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3));
    const before = await filesIn(path("in"));
    const waiting = [...BAD];
    const worker = async () => {
      for (let next = waiting.pop(); next; next = waiting.pop()) {
        const [args, says] = next;
        const { code, stdout, stderr } = await ended(start(args.split(" ").map((word) => word.replace("DIR", path("in"))), UNFLAGGED));
        assertEquals([code, stdout], [1, ""], args);
        assertMatch(stderr.trim(), says, args);
        assertEquals(stderr.trim().split("\n").length, 1, stderr);
      }
    };
    await Promise.all([worker(), worker(), worker()]);
    assertEquals(await filesIn(path("in")), before);
  }));

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

Deno.test("weights of another model are refused", () =>
  folder(async (path) => {
    await trained("--save", path("weights"), "--steps", "0");
    const { code, stderr } = await train("--engine", ENGINE, ...TINY, "--d-model", "16", "--init", path("weights/seed_0.safetensors"));
    assertEquals([code, stderr.trim().split("\n").length], [1, 1]);
    assertMatch(stderr, /^error: .*seed_0\.safetensors/);
  }));

Deno.test("a checkpoint is resumed only as the run it is of", () =>
  folder(async (path) => {
    await trained("--checkpoint", path("saved"));
    const resume = (...args: string[]) => train("--engine", ENGINE, "--resume", path("saved"), ...args);
    const [other, fewer, absent] = await Promise.all([resume("--lr", "0.5"), resume("--steps", "10"), resume("--seeds", "0..2")]);
    assertMatch(other.stderr, /^error: Cannot resume seed 0: lr must be 0\.001 as in its checkpoint, current value is 0\.5$/m);
    assertMatch(fewer.stderr, /^error: Cannot resume seed 0: steps must be at least the 40 of its checkpoint, current value is 10$/m);
    assertMatch(absent.stderr, /^error: Cannot resume from .*: must have a checkpoint of every seed, there is none of 1, 2$/m);
  }));

Deno.test("a loss that is not a number: one line, exit code 1, and what came before is kept", () =>
  folder(async (path) => {
    const { code, stderr } = await train("--engine", ENGINE, ...TINY, "--lr", "1e6", "--steps", "200", "--metrics", path("m.csv"));
    assertEquals(code, 1, stderr);
    assertMatch(
      stderr,
      /^error: Cannot go on with seed 0: the train loss at step \d+ must be a finite number, current value is (NaN|Infinity)/m,
    );
    const rows = rowsOf(await Deno.readTextFile(path("m.csv")));
    assert(rows.length >= 1 && rows.every((row) => row.map(Number).every(Number.isFinite)));
  }));

Deno.test("advice about a loss that is not a number names what is the matter", () =>
  folder(async (path) => {
    await trained("--steps", "0", "--save", path("w"));
    const file = path("w/seed_0.safetensors"), bytes = await Deno.readFile(file);
    // The last tensor's last number.
    bytes.set([0, 0, 0xc0, 0x7f], bytes.length - 4);
    await Deno.writeFile(path("nan.safetensors"), bytes);
    const cases: [string[], RegExp][] = [
      [
        ["--init", path("nan.safetensors")],
        /^error: Cannot use --init .*: its weights must be finite numbers, .* hold NaN in unembed\.W_U$/,
      ],
      [["--weight-decay", "1e7", "--steps", "200"], /\(weight decay 10000000 times the learning rate 0\.001 is more than 2/],
      [["--init-sigma", "1e20"], /at step 0 must be .*\(the initial weights are drawn with initSigma 100000000000000000000;/],
      [["--lr", "1e6", "--steps", "200"], /\(the learning rate is 1000000; a smaller one may help\)/],
    ];
    for (const [args, says] of cases) {
      const { code, stderr } = await train("--engine", ENGINE, ...TINY, ...args);
      assertEquals(code, 1, args.join(" "));
      assertMatch(stderr.trim().split("\n").at(-1)!, says);
    }
  }));

Deno.test("a full disk is one line", async () => {
  const { code, stderr } = await train("--engine", ENGINE, ...TINY, "--metrics", "/dev/full");
  assertEquals(code, 1);
  assertMatch(stderr, /^error: Cannot write \/dev\/full: No space left on device/m);
});

Deno.test("a model that no memory holds is one line, and leaves no file", () =>
  folder(async (path) => {
    const large = "--layers 3 --d-model 8192 --steps 1".split(" ");
    const { code, stderr } = await train(...large, "--checkpoint", path("saved"), "--save-init", path("init"));
    assertEquals(code, 1);
    assertMatch(stderr.trim(), /^error: Cannot train this model on .*$/);
    assertEquals(await filesIn(path("")), []);
  }));

Deno.test("the help names every flag and the preset's defaults; a stack trace comes only when asked for", async () => {
  const text = await readRequest(["--help", "--preset", "one-layer", "--lr", "0.25"]);
  assert(typeof text === "string");
  for (const flag of [...FIELDS.keys(), "preset", "config", "seeds", "until-grokked", "resume", "metrics", "json"]) {
    assertStringIncludes(text, `--${flag}`);
  }
  assertMatch(text, /--prime N .*\[113\]/);
  assertMatch(text, /--lr N .*\[0\.25\]/);
  assert(text.split("\n").every((line) => line.length <= 100));
  const { stderr } = await start(["--nonsense"], { GROKBOOK_DEBUG: "1" }).output();
  assertStringIncludes(new TextDecoder().decode(stderr), "    at parse");
});
