/** `deno task sweep` spread over tasks without Slurm: the scripts it writes, bad command lines, and what is said of a task. */
import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { hostname } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../lib/cli/process.ts";
import { arrayScript, localScript, mergeScript, warning } from "../../lib/cli/scripts.ts";
import { find } from "../../lib/cli/setup.ts";
import { ranges } from "../../lib/cli/slurm.ts";
import type { TaskStatus } from "../../lib/cli/status_file.ts";
import { standingOf } from "../../lib/cli/sweep_status.ts";
import { send } from "../../lib/cli/send.ts";
import { assertTaken, filesOfTasks, type Plan, taskFiles, tasksFolder, tasksOf } from "../../lib/cli/tasks.ts";
import { findRun } from "../../lib/lab/probe.ts";
import { progressOf } from "../../lib/lab/status.ts";
import { Lab } from "../../lib/lab/store.ts";
import { holdersOf } from "../../lib/lab/taken.ts";
import { writeAll } from "../../lib/run/files.ts";
import { runSpec } from "../../lib/run/spec.ts";
import { takeOver } from "../../lib/run/take.ts";
import { scratch } from "../lab/lab_files.ts";
import { runs, small, train } from "../lab/small_lab.ts";
import { ENGINE, FLAGGED } from "./command.ts";
import { assertWhole, grid, program, sweep } from "./tasks_process.ts";

/** Of a script, what bash says of its syntax: nothing where it is right. */
const syntax = async (script: string) => (await program("bash", ["-n", script])).stderr;

Deno.test("without Slurm: the scripts train the tasks on one machine and merge them, in a folder of any name", () =>
  scratch(async (path) => {
    await Deno.mkdir(path("it's $HOME here"));
    const db = path("it's $HOME here/lab.db"), folder = path("it's $HOME here/lab.tasks/night");
    await Deno.writeTextFile(`${db}.json`, JSON.stringify(grid(200, "0..2")));
    const written = await sweep(db, ["--tasks", "3", "--engine", ENGINE]);
    assertEquals(written.code, 0, written.stderr);
    assertMatch(written.stdout, /\n3 new tasks of 2 to 2 runs, each with [\d.]+ % to [\d.]+ % of the mean work\nWritten: /);
    for (const name of ["array.sh", "merge.sh", "local.sh"]) assertEquals(await syntax(`${folder}/${name}`), "", name);
    await Deno.writeTextFile(path("broken.sh"), "while true; do");
    assertMatch(await syntax(path("broken.sh")), /syntax error/);
    assertMatch((await sweep(db, ["--status"])).stdout, /\n0 of 1,200 updates\ntasks: 3 not begun\n$/);

    const { code, stdout, stderr } = await program("bash", [`${folder}/local.sh`, "2"]);
    assertEquals(code, 0, stderr);
    assertMatch(stdout, /\n1,200 of 1,200 updates\ntasks: 3 done\n$/);
    await assertWhole(db, path);
    const bare = await program("bash", [`${folder}/array.sh`]);
    assertEquals([bare.code, bare.stderr], [
      1,
      `error: Cannot run task 0000 on ${hostname()}: its number must be given, there is none: bash array.sh 0\n`,
    ]);

    // More runs are new tasks; those that there are keep theirs.
    await Deno.writeTextFile(`${db}.json`, JSON.stringify(grid(200, "0..3")));
    const more = await sweep(db, ["--tasks", "3", "--engine", ENGINE]);
    assertMatch(more.stdout, /^night: 8 runs, 5 tasks, 2 with runs left to do\n2 new tasks of 1 to 1 runs, /, more.stderr);
    assertMatch((await sweep(db, ["--status"])).stdout, /\n1,200 of 1,600 updates\ntasks: 3 done, 2 not begun\n$/);
    // With GNU parallel where it is installed, as the command says.
    const rest = find("parallel")
      ? more.stdout.match(/seq .* && bash \S+ .*?merge\.sh'?/)![0]
      : `bash '${folder.replaceAll("'", "'\\''")}/local.sh'`;
    const ended = await program("bash", ["-c", rest]);
    assertEquals(ended.code, 0, ended.stderr);
    await Deno.remove(path("alone.db"));
    await assertWhole(db, path);
  }));

Deno.test("local.sh's lines for containers give each worker a card and every folder that its task reads", () =>
  scratch(async (path) => {
    // Stands in for Docker, which the tests can't count on: shows what it is asked for, and runs the command without a container.
    await Deno.writeTextFile(path("docker"), '#!/bin/bash\necho "$*"\nwhile [ "$1" != IMAGE ]; do shift; done\nshift\nexec "$@"\n', {
      mode: 0o755,
    });
    const folder = path("it's $HOME here");
    await Deno.mkdir(folder);
    await Deno.writeTextFile(join(folder, "array.sh"), 'echo "task $1"\n');
    await Deno.writeTextFile(join(folder, "merge.sh"), "echo merged\n");
    const options = {
      experiment: "night",
      folder,
      db: path("lab.db"),
      checkout: ROOT,
      deno: Deno.execPath(),
      more: [],
      named: [],
      resources: {},
    };
    const script = localScript(options, 2).replace(/^# {3}(export .*)\n# {3}(command=.*)\n# {2}(.*)\ncommand=.*$/m, "$1\n$2\n$3");
    await Deno.writeTextFile(path("local.sh"), script);
    const env = { PATH: `${path(".")}:${Deno.env.get("PATH")}`, DENO_DIR: path("cache") };
    const { code, stdout, stderr } = await program("bash", [path("local.sh"), "1"], env);
    assertEquals([code, stderr], [0, ""]);
    const seen = [folder, ROOT, Deno.execPath(), path("cache")].map((each) => `-v ${each}:${each} `).join("");
    const asked = stdout.split("\n").filter((line) => line.startsWith("run ")).map((line) => line.replace(/-u \d+:\d+ /, ""));
    assertEquals(
      asked,
      ["0", "1"].map((index) =>
        `run --rm --init --gpus device=0 -e NVIDIA_DRIVER_CAPABILITIES=all -e DENO_DIR ${seen}IMAGE bash ${folder}/array.sh ${index}`
      ),
    );
    assertEquals(stdout.split("\n").filter((line) => !line.startsWith("run ")), ["task 0", "task 1", "merged", ""]);
  }));

Deno.test("tasks of runs that take tensors from others get these runs, those that were written without them too; without any, it is refused", () =>
  scratch(async (path) => {
    const db = path("lab.db"), folder = tasksFolder(db, "next"), [first] = runs(20), options = { db, busy: new Set<number>() };
    await train(db, small({ runs: [first] }));
    using lab = Lab.open(db);
    const { hash, checkpoints: [{ step, load }] } = findRun(lab, 1);
    const taken = takeOver({ spec: first, step, params: await load() as Float32Array<ArrayBuffer> }, ["embed"]);
    const like = (seed: number, taken: string) => runSpec({ ...first, model: { ...first.model, taken }, seed });
    const experiment = { name: "next", runs: [5, 6].map((seed) => like(seed, taken)) };
    const empty: Plan = { version: 1, tasks: [], jobs: { arrays: [], merge: null }, scripts: {} };
    const tasks = await tasksOf(experiment, empty, { ...options, count: 2 });
    await assertTaken(db, tasks);
    const labs = [0, 1].map((index) => taskFiles(folder, index).lab),
      has = (path: string) => {
        using own = Lab.open(path, { readOnly: true });
        return [...holdersOf(own, experiment.runs)];
      };
    const { entries, files } = await filesOfTasks(experiment, tasks, empty, options);
    await writeAll(files);
    assertEquals(labs.map(has), [[hash], [hash]]);
    // As an older version wrote them.
    await Deno.remove(labs[0]);
    const plan = { ...empty, tasks: entries };
    await filesOfTasks(experiment, await tasksOf(experiment, plan, { ...options, count: 2 }), plan, options);
    assertEquals(has(labs[0]), [hash]);

    const strange = [like(5, taken.replace(/:\w+$/, ":0123456789abcdef"))], sending = { slurm: false, resources: {}, more: [], named: [] };
    for (const place of [db, path("none.db")]) {
      const { message } = await assertRejects(
        () => send({ name: "strange", runs: strange }, place, { ...sending, tasks: 2, dryRun: false }),
        Error,
      );
      assertMatch(message, /^Cannot begin a run that takes embed from run \w{16}@20: [^\n]* must be at hand, [^\n]*deno task db merge /);
    }
    assertEquals(Array.from(Deno.readDirSync(path("lab.tasks")), ({ name }) => name), ["next"]);
  }));

Deno.test("a folder or a checkout that a node doesn't see: one line that says which", () =>
  scratch(async (path) => {
    const options = {
      experiment: "night",
      db: path("lab.db"),
      deno: Deno.execPath(),
      more: [],
      named: ["--experiment", "night"],
      resources: {},
    };
    const says = async (text: string, ...args: string[]) => {
      await Deno.writeTextFile(path("script.sh"), text);
      const { code, stderr } = await program("bash", [path("script.sh"), ...args]);
      assertEquals(code, 1);
      return stderr;
    };
    const nowhere = { ...options, folder: path("nowhere"), checkout: ROOT },
      elsewhere = { ...options, folder: path(""), checkout: path("nowhere") };
    const folder =
      /^error: Cannot run (task 0003|the merge) on \S+: \S+nowhere must be a folder that this machine shares, there is none\n$/;
    assertMatch(await says(arrayScript(nowhere), "3"), folder);
    assertMatch(await says(mergeScript(nowhere)), folder);
    assertMatch(
      await says(arrayScript(elsewhere), "3"),
      /^error: Cannot run task 0003 on \S+: Grokbook must be in \S+nowhere, it isn't there\n$/,
    );
    const present = { ...options, folder: path(""), checkout: ROOT };
    assertMatch(
      await says(arrayScript(present), "3"),
      /^error: Cannot run task 0003 on \S+: \S+tasks\/0003\.json must be there, there is none\n$/,
    );
  }));

/** Bad command lines, and what their one line must say. Slurm is out of reach. */
const BAD: readonly (readonly [args: string, says: RegExp])[] = [
  [
    "--slurm",
    /^error: Cannot submit: sbatch must be on PATH, there is none; --tasks without --slurm writes scripts for one machine or GNU parallel$/,
  ],
  ["--slurm --db DIR/none/lab.db", /^error: Cannot write tasks beside .*: .*none must be a folder that all nodes share, there is none$/],
  ["--tasks 0", /^error: Cannot read --tasks: must be a whole number from 1, current value is "0"$/],
  ["--time 2h", /^error: Cannot use --time without --slurm: must have both$/],
  ["--slurm --time soon", /^error: Cannot read --time: must be a time like 90s, 8m or 2\.5h, current value is "soon"$/],
  ["--slurm --partition a;b", /^error: Cannot read --partition: must be a name or several with commas, current value is "a;b"$/],
  ["--slurm --shard 0/2", /^error: Cannot use --shard with --slurm: must be one of them$/],
  ["--status", /^error: Cannot show the status of small_map: .*lab\.db must be there, there is none$/],
];

Deno.test("bad input: one line, exit code 1, nothing written; a dry run needs no Slurm and writes nothing", () =>
  scratch(async (path) => {
    const base = ["run", "-A", "lib/cli/sweep.ts", "--experiment", "small_map"], env = { ...FLAGGED, PATH: path("") };
    for (const [args, says] of BAD) {
      const words = args.replaceAll("DIR", path("")).split(" "), db = words.includes("--db") ? [] : ["--db", path("lab.db")];
      const { code, stdout, stderr } = await program(Deno.execPath(), [...base, ...words, ...db], env);
      assertEquals([code, stdout], [1, ""], args);
      assertMatch(stderr.trim(), says);
    }
    const args = [
      "--slurm",
      "--tasks",
      "4",
      "--time",
      "2h",
      "--gpus",
      "1",
      "--cpus",
      "8",
      "--partition",
      "gpu",
      "--threads",
      "3",
      "--save-every",
      "30s",
      "--dry-run",
      "--db",
      path("lab.db"),
    ];
    const dry = await program(Deno.execPath(), [...base, ...args], env);
    assertEquals(dry.code, 0, dry.stderr);
    const lines = ["time=120", "signal=B:USR1@120", "gpus=1", "cpus-per-task=8", "partition=gpu", "requeue"].map((line) =>
      `#SBATCH --${line}\n`
    );
    for (const line of lines) assertStringIncludes(dry.stdout, line);
    assertStringIncludes(dry.stdout, " --threads 3 --save-every 30s &\n");
    assertStringIncludes(dry.stdout, "Of these would be submitted: 0-3. ");
    assertEquals(Array.from(Deno.readDirSync(path(""))), []);
  }));

Deno.test("arrays are written as Slurm reads them; a short time is warned of in time; what a task's file and the queue say of it", () => {
  assertEquals([ranges([3, 1, 2, 7, 9, 10]), ranges([5]), ranges([])], ["1-3,7,9-10", "5", ""]);
  assertEquals([warning(1), warning(5), warning(10), warning(600), warning()], [12, 60, 120, 120, 120]);
  const file = (state: TaskStatus["state"], seconds = 0): TaskStatus => ({
    ...progressOf([]),
    ...{ state, rate: null, host: "node", seenAt: new Date(Date.now() - 1000 * seconds).toISOString() },
  });
  const queued = (state: string) => ({ index: 0, state, note: "" });
  assertEquals(standingOf(null, undefined, false), "not begun");
  assertEquals(standingOf(null, undefined, true), "lost");
  assertEquals(standingOf(file("running"), queued("PENDING"), true), "queued");
  assertEquals(standingOf(file("stopped"), queued("RUNNING"), true), "starting");
  assertEquals(standingOf(file("running"), queued("RUNNING"), true), "running");
  assertEquals(standingOf(file("running", 3600), queued("RUNNING"), true), "silent");
  assertEquals(standingOf(file("running"), undefined, true), "killed");
  assertEquals([standingOf(file("running"), undefined, false), standingOf(file("running", 3600), undefined, false)], ["running", "silent"]);
  assertEquals(standingOf(file("failed"), undefined, true), "failed");
});
