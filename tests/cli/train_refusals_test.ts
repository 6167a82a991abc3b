/** What `deno task train` refuses or can't go on with, in one line: bad input, losses that aren't numbers, a full disk or memory. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { readRequest, type Request } from "../../lib/cli/request.ts";
import { initialise } from "../../lib/run/layout.ts";
import { snapshotOf } from "../../lib/train/train.ts";
import { saveCheckpoint, saveWeights } from "../../lib/train/weights.ts";
import { ended, ENGINE, filesIn, folder, refusedHere, rowsOf, start, TINY, train, trained, UNFLAGGED } from "./train_process.ts";

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

Deno.test("what a training begins with is never written over, by its own name or through a link", () =>
  folder(async (path) => {
    const { specs: [spec] } = await readRequest([...TINY, "--seed", "0"]) as Request, weights = path("w/seed_0.safetensors");
    await saveWeights(weights, spec, initialise(spec));
    await Deno.writeTextFile(path("w/seed_0.json"), "{}");
    await saveCheckpoint(path("state"), snapshotOf(spec));
    await Deno.symlink(weights, path("link.safetensors"));
    await Deno.mkdir(path("other"));
    await Deno.symlink(weights, path("other/seed_0.safetensors"));
    const bytes =
      async () => [await Deno.readFile(weights), await Deno.readTextFile(path("w/seed_0.json")), await Deno.readFile(path("state"))];
    const before = await bytes();
    const cases = [
      `--init ${weights} --save ${path("w")}`,
      `--init ${weights} --save-init ${path("w")}`,
      `--init ${path("link.safetensors")} --save ${path("w")}`,
      `--init ${weights} --save ${path("other")}`,
      `--from-hooked ${weights} --save ${path("w")}`,
      `--from-hooked ${weights} --metrics ${path("w/seed_0.json")}`,
      `--from ${path("state")} --take embed --metrics ${path("state")}`,
      `--init ${weights} --dump-data ${path("new/seed_1.safetensors")} --seeds 0,1 --save-init ${path("new")}`,
    ];
    for (const line of cases) {
      const setting = line.startsWith("--from-hooked") ? [] : TINY; // the file says it
      await refusedHere(
        [...setting, ...line.split(" ")],
        /^Cannot write --[a-z-]+ .*: must be a place of its own, --[a-z-]+ names it too$/,
      );
    }
    assertEquals(await bytes(), before);
    // Other seeds' files may lie beside it.
    await refusedHere([...TINY, "--init", weights, "--seed", "1", "--save", path("w")], /^it begins$/);
  }));

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
    const muon = ["--resume", path("saved"), "--optimiser", "muon"];
    await refusedHere(muon, /^Cannot resume seed 0: rule must be "adamw" as in its checkpoint, current value is "muon"$/);
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
