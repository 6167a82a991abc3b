/** What `deno task sweep` refuses, in one line, with nothing written. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { gridFile } from "../../lib/cli/grid_file.ts";
import { main } from "../../lib/cli/sweep.ts";
import { scratch } from "../lab/lab_files.ts";
import { train as fakeTrain } from "../lab/small_lab.ts";
import { UNFLAGGED } from "./train_process.ts";
import { commandIn, ended, GRID } from "./sweep_process.ts";

/** Flags that don't go together, or say nothing that can be done, and what is said of them. */
const APART: readonly (readonly [flags: string, says: string])[] = [
  ["--status --limit 3", "Cannot use --limit with --status: must be one of them"],
  ["--status --dry-run", "Cannot use --dry-run with --status: must be one of them"],
  ["--dry-run --boundary model.dModel", "Cannot use --boundary with --dry-run: must be one of them"],
  [
    "--boundary model.dModel,model.dModel",
    'Cannot read --boundary: must be two different fields, current value is "model.dModel,model.dModel"',
  ],
  ...["1s", "90s", "99999999h"].map((time) =>
    [`--slurm --time ${time}`, `Cannot read --time: must be whole minutes, from 1m to 8760h, current value is "${time}"`] as const
  ),
];

Deno.test("flags that don't go together are refused before anything is opened", async () => {
  for (const [flags, says] of APART) {
    const { message } = await assertRejects(() => main(["--experiment", "small_map", ...flags.split(" ")]), Error);
    assertEquals(message, says);
  }
});

Deno.test("where a lab has all of an experiment, no tasks are written", () =>
  scratch(async (path) => {
    const grid = path("tiny.json"), db = path("lab.db");
    Deno.writeTextFileSync(grid, JSON.stringify({ grid: { ...GRID.grid, schedule: { steps: 20, evalEvery: 10 } } }));
    await fakeTrain(db, await gridFile(grid));
    assertEquals(await main(["--grid", grid, "--db", db, "--tasks", "2"]), 0);
    assertEquals([...Deno.readDirSync(path(""))].filter(({ name }) => name.endsWith(".tasks")), []);
  }));

/** Bad command lines, and what their one line must say. */
const BAD: readonly (readonly [args: string, says: RegExp])[] = [
  [
    "--experiment small_map --boundary data.operation",
    /^error: Cannot map a boundary: an axis must be a field that is a number, .* data\.operation$/,
  ],
  ["--experiment small_map --boundary model.dModel,", /^error: Cannot read --boundary: must be one field or two, .*"model\.dModel,"$/],
  ["--experiment exp6", /^error: Cannot read --experiment: must be one of small_map, .*exp1_weight_decay, .*, current value is "exp6"$/],
  ["--experiment exp1_weight_decay --grid x", /^error: Cannot begin a sweep: must have either --experiment or --grid/],
  ["--steps 5", /^error: Cannot begin a sweep: must have either --experiment or --grid/],
  [
    "--experiment exp1_weight_decay --budget soon",
    /^error: Cannot read --budget: must be a time like 90s, 8m or 2\.5h, current value is "soon"$/,
  ],
  [
    "--experiment exp1_weight_decay_jump --shard 3/3",
    /^error: Cannot read --shard: must be like 0\/3, 1\/3 or 2\/3, current value is "3\/3"$/,
  ],
  [
    "--experiment exp1_weight_decay_jump --shard 7/9",
    /^error: Cannot read --shard: must have a run, part 7\/9 of exp1_weight_decay_jump has none$/,
  ],
  [
    "--experiment exp1_weight_decay_jump --shard 9/99999999999",
    /^error: Cannot read --shard: must have a run, part 9\/99999999999 of exp1_weight_decay_jump has none$/,
  ],
  [
    "--grid DIR/margin_0.json --status-file DIR/margin_0.json",
    /^error: Cannot write --status-file .*: must be a place of its own, --grid names it too$/,
  ],
  [
    "--experiment small_map --status-file DIR/lab.db",
    /^error: Cannot write --status-file .*: must be a place of its own, --db names it too$/,
  ],
  ["--experiment small_map --status-file DIR", /^error: Cannot write --status-file .*: must be a file, it is a folder$/],
  ["--experiment exp1_weight_decay --limit 0", /^error: Cannot read --limit: must be a whole number from 1, current value is "0"$/],
  ["--experiment exp1_weight_decay --steps many", /^error: Cannot read --steps: must be a whole number from 0, current value is "many"$/],
  ["--grid DIR/none.json", /^error: Cannot read --grid .*none\.json: must be a file, there is none$/],
  ["--grid DIR/typo.json", /^error: Cannot read --grid .*typo\.json: its fields must be among name, .*, current value is "girds"$/],
  [
    "--grid DIR/empty.json",
    /^error: Cannot use this grid: model\.layers must be at least one value|must have at least one value, current value is \[\]$/,
  ],
  ["--grid DIR/field.json", /^error: Cannot use this run: a field of optim must be one of lr, .*, current value is "learningRate"$/],
  ["--grid DIR/list.json", /^error: Cannot read --grid .*list\.json: its grid must be an object, or a list of such, current value is 5$/],
  ["--grid DIR/part.json", /^error: Cannot use this run: model must be an object with fields among layers, .*, current value is 5$/],
  ["--grid DIR/none_given.json", /^error: Cannot read --grid .*: its grid must be an object, or a list of such, current value is none$/],
  ["--grid DIR/seeds.json", /^error: Cannot read --grid .*seeds\.json: seed must be like 0,1,2 or 0\.\.9, current value is "4\.\.0"$/],
  [
    "--grid DIR/many.json",
    /^error: Cannot use this grid: it must have at most 1,000,000 combinations, current value is 1,000,000,000,000,000$/,
  ],
  ["--grid DIR/question.json", /^error: Cannot read --grid .*: question must be a text, current value is 5$/],
  ["--grid DIR/rule.json", /^error: Cannot read --grid .*: rule must be first, sustained, or like .*, current value is \{"name":"x"\}$/],
  ["--grid DIR/watch.json", /^error: Cannot use experiment watch: watch must be attention, weights or both, current value is "heads"$/],
  [
    "--grid DIR/margin.json",
    /^error: Cannot use experiment margin: its margin must be null or a whole number of updates from 0, current value is -1$/,
  ],
];

Deno.test("a grid through a pipe must say its name: two without would be one experiment", async () => {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "lib/cli/sweep.ts", "--grid", "/dev/stdin", "--dry-run"],
    cwd: new URL("../..", import.meta.url),
    ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
  });
  await using child = command.spawn();
  const [output] = await Promise.all([child.output(), new Blob(['{"grid": {}}']).stream().pipeTo(child.stdin)]);
  assertEquals(
    [output.code, new TextDecoder().decode(output.stderr)],
    [1, "error: Cannot read --grid /dev/stdin: it must have a name, as what is no file gives it none\n"],
  );
});

Deno.test("bad input: one line, exit code 1, nothing written", () =>
  scratch(async (path) => {
    const thousand = Array(1000).fill(1);
    const files = {
      typo: { girds: {} },
      empty: { grid: { model: { layers: [] } } },
      field: { grid: { optim: { learningRate: 1 } } },
      rule: { rule: { name: "x" }, grid: {} },
      watch: { watch: { heads: {} }, grid: {} },
      list: { grid: [5] },
      part: { grid: { model: 5 } },
      none_given: {},
      seeds: { grid: { seed: "4..0" } },
      many: { grid: { model: { layers: thousand }, optim: { lr: thousand, eps: thousand, warmup: thousand }, seed: thousand } },
      question: { question: 5, grid: {} },
      margin: { margin: -1, grid: {} },
      margin_0: { margin: 0, grid: {} },
    };
    for (const [name, file] of Object.entries(files)) Deno.writeTextFileSync(path(`${name}.json`), JSON.stringify(file));
    const waiting = [...BAD];
    const worker = async () => {
      for (let next = waiting.pop(); next; next = waiting.pop()) {
        const [args, says] = next;
        const given = args.replaceAll("DIR", path("")).split(" ");
        const { code, stdout, stderr } = ended(await commandIn(UNFLAGGED, ...given, "--db", path("lab.db")).output());
        assertEquals([code, stdout], [1, ""], args);
        assertMatch(stderr.trim(), says);
      }
    };
    await Promise.all([worker(), worker()]);
    const names = Array.from(Deno.readDirSync(path("")), ({ name }) => name).sort();
    assertEquals(names, Object.keys(files).map((name) => `${name}.json`).sort());
  }));
