/** `deno task sweep` spread over tasks: on a real Slurm of one machine, on one machine without Slurm, and what can go wrong. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { hostname } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { exists } from "../../lib/cli/files.ts";
import { ROOT } from "../../lib/cli/process.ts";
import { ENGINE } from "./command.ts";
import { arrayScript, localScript, mergeScript, warning } from "../../lib/cli/scripts.ts";
import { find, look, unmet } from "../../lib/cli/setup.ts";
import { ranges } from "../../lib/cli/slurm.ts";
import type { TaskStatus } from "../../lib/cli/status_file.ts";
import { standingOf } from "../../lib/cli/sweep_status.ts";
import { progressOf } from "../../lib/lab/status.ts";
import { MIGRATIONS } from "../../lib/lab/schema.ts";
import { Lab } from "../../lib/lab/store.ts";
import { content, scratch } from "../lab/lab_files.ts";
import { type Cluster, processes, startCluster, until } from "./slurm_cluster.ts";

const SLURM = unmet(["slurm"], await look(["slurm"])).length === 0;
if (!SLURM) console.error("Slurm is not installed: the tests on a cluster are left out.");

/** Twelve runs of two shapes, some seconds of training in all, with batches that are drawn. */
const grid = (steps: number, seeds = "0..5") => ({
  name: "night",
  grid: {
    preset: "one-layer",
    data: { prime: [5, 7], trainFraction: 0.6, batch: 7 },
    model: { dModel: 8, heads: 2 },
    optim: { lr: 0.01 },
    schedule: { steps, evalEvery: 200 },
    seed: seeds,
  },
});

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function program(name: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const output = await new Deno.Command(name, { args: [...args], cwd: ROOT, env: { NO_COLOR: "1", ...env }, stdin: "null" }).output();
  const text = new TextDecoder();
  return { code: output.code, stdout: text.decode(output.stdout), stderr: text.decode(output.stderr) };
}

/** The sweep of a grid beside its database. */
const sweep = (db: string, args: readonly string[], env?: Record<string, string>) =>
  program(Deno.execPath(), ["run", "-A", "lib/cli/sweep.ts", "--grid", `${db}.json`, "--db", db, ...args], env);

/** What happened here in one lab is to have happened in the other, bit for bit. */
async function assertWhole(db: string, folder: (name: string) => string): Promise<void> {
  const alone = folder("alone.db");
  await Deno.copyFile(`${db}.json`, `${alone}.json`);
  const { code, stderr } = await sweep(alone, ["--engine", ENGINE]);
  assertEquals(code, 0, stderr);
  assertEquals(content(db), content(alone));
}

async function onCluster(work: (cluster: Cluster, path: (name: string) => string) => Promise<void>): Promise<void> {
  const cluster = await startCluster();
  try {
    await scratch(async (path) => {
      try {
        await work(cluster, path);
      } catch (error) {
        const folder = path("lab.tasks/night/logs");
        const logs = Array.from(
          await exists(folder) ? Deno.readDirSync(folder) : [],
          ({ name }) => `${name}:\n${Deno.readTextFileSync(`${folder}/${name}`)}`,
        );
        console.error([await cluster.slurm("squeue"), await cluster.slurm("scontrol", "show", "job"), ...logs].join("\n"));
        throw error;
      }
    });
  } finally {
    await cluster.stop();
  }
}

const status = async (db: string, { env }: Cluster) => {
  const { code, stdout, stderr } = await sweep(db, ["--status"], env);
  assertEquals(code, 0, stderr);
  return stdout;
};

const taskLab = (db: string, task: string) => `${db.replace(/\.db$/, "")}.tasks/night/labs/${task}`;

/** The sweep of a task, once it trains and a state is stored. */
async function trainer(db: string, task: string): Promise<number> {
  const lab = taskLab(db, task), sweeps = () => processes("lib/cli/sweep.ts", `${lab}.db`);
  await until(`task ${task} has stored a state`, () => {
    try {
      return sweeps().length > 0 && Deno.readDirSync(`${lab}.files`).some(({ name }) => name.endsWith(".safetensors"));
    } catch {
      return false;
    }
  });
  const [pid, ...more] = sweeps();
  assertEquals(more, [], "one process trains a task");
  return pid;
}
const log = (db: string, name: string) => Deno.readTextFileSync(`${db.replace(/\.db$/, "")}.tasks/night/logs/${name}.log`);

Deno.test({
  name:
    "an array of four, of which one is killed, the time of another runs out, and the node is drained: merged, it is the sweep that nothing happened to",
  ignore: !SLURM,
  fn: () =>
    onCluster(async (cluster, path) => {
      const db = path("lab.db"), args = ["--slurm", "--tasks", "4", "--time", "1m", "--engine", ENGINE, "--save-every", "0.2s"];
      await Deno.writeTextFile(`${db}.json`, JSON.stringify(grid(16_000)));
      const sent = await sweep(db, args, cluster.env);
      assertEquals(sent.code, 0, sent.stderr);
      assertMatch(sent.stdout, /^night: 12 runs, 4 tasks, 4 with runs left to do\n4 new tasks of 3 to 3 runs, /);
      assertMatch(sent.stdout, /\nSubmitted 4 tasks as job 1: 0-3\nSubmitted the merge into .*lab\.db as job 2, which waits for them\n/);
      // Two cores: the other two wait.
      const slow = await trainer(db, "0001");
      Deno.kill(slow, "SIGSTOP");
      const killed = await trainer(db, "0000");
      Deno.kill(killed, "SIGKILL");
      await cluster.slurm("scontrol", "update", `nodename=${cluster.node}`, "state=drain", "reason=test");
      assertMatch(await status(db, cluster), /\ntasks: .*2 queued/);
      // The task that hangs is told before its time ends. SIGTERM is the 15th signal.
      const pending = () => BigInt(`0x${Deno.readTextFileSync(`/proc/${slow}/status`).match(/ShdPnd:\s*(\w+)/)![1]}`) >> 14n & 1n;
      await until("the time of task 1 is nearly over", () => pending() === 1n);
      Deno.kill(slow, "SIGCONT");
      await until("task 1 is back in the queue", () => log(db, "0001").includes("task 0001 goes back into the queue"));
      assertMatch(log(db, "0000"), /task 0000 was killed on .* \(try 1 of 3\)/);
      assertMatch(await status(db, cluster), /task 0002: waits \(.*(DRAINED|drain)/);
      await cluster.slurm("scontrol", "update", `nodename=${cluster.node}`, "state=resume");
      await until("all is done", async () => (await cluster.queue()).length === 0);
      assertMatch(await status(db, cluster), /100 % of the work .* running 0 {2}waiting 0\n.*\ntasks: 4 done\n$/);
      // Nothing was trained twice but what came after the last stored state, and nothing is left to submit.
      const again = await sweep(db, args, cluster.env);
      assertMatch(again.stdout, /\nNothing to submit: .*lab\.db has it all\.\n/);
      await assertWhole(db, path);
    }),
});

/** Marks a task's lab as one of this version. */
function setVersion(lab: string, version: number): void {
  const db = new DatabaseSync(`${lab}.db`);
  db.exec(`PRAGMA user_version = ${version}`);
  db.close();
}

Deno.test({
  name:
    "the lab's states are gone on from; of tasks that were taken back or failed, and of no others, the same command submits what is missing",
  ignore: !SLURM,
  fn: () =>
    onCluster(async (cluster, path) => {
      const db = path("lab.db"), args = ["--slurm", "--tasks", "4", "--engine", ENGINE, "--save-every", "0.2s"];
      await Deno.writeTextFile(`${db}.json`, JSON.stringify(grid(24_000)));
      const began = await sweep(db, ["--engine", ENGINE, "--steps", "2000"]);
      assertEquals(began.code, 0, began.stderr);

      const node = (state: string) => cluster.slurm("scontrol", "update", `nodename=${cluster.node}`, `state=${state}`, "reason=test");
      await node("drain");
      const nowhere = await sweep(db, [...args, "--partition", "fast"], cluster.env);
      assertEquals([nowhere.code, nowhere.stdout], [1, ""]);
      assertEquals(nowhere.stderr, 'error: Cannot submit: --partition must be one of main, urgent, current value is "fast"\n');
      const sent = await sweep(db, args, cluster.env);
      assertStringIncludes(sent.stdout, "Submitted 4 tasks as job 1: 0-3", sent.stderr);
      assertMatch(await status(db, cluster), /8 % of the work .*\n24,000 of 288,000 updates\ntasks: 4 queued\n/);
      const twice = await sweep(db, args, cluster.env);
      assertStringIncludes(twice.stdout, "Nothing to submit: the 4 tasks in the queue have all that is left.", twice.stderr);
      await cluster.slurm("scancel", "1_3");
      setVersion(taskLab(db, "0001"), 99);
      await node("resume");
      // A node that is lost: Slurm itself queues its tasks anew.
      await trainer(db, "0000");
      await node("down");
      await until("nothing trains on a node that is down", () => processes("lib/cli/sweep.ts", taskLab(db, "0000")).length === 0);
      // It may have come back by itself: its daemon lives.
      await until("the node is back", () =>
        node("resume").catch(() => {}).then(async () => !/down/.test(await cluster.slurm("sinfo", "-h", "-o", "%T"))));
      // An urgent job that wants all cores: Slurm stops the tasks and queues them anew.
      await trainer(db, "0000");
      await cluster.slurm("sbatch", "-p", "urgent", "-c", "2", "-o", "/dev/null", "--wrap", "sleep 1");
      await until("task 0 was preempted", () =>
        log(db, "0000").includes("DUE TO PREEMPTION"));
      await until("all that was submitted has ended", async () => (await cluster.queue()).length === 0);

      const after = await status(db, cluster);
      assertMatch(after, /\ntasks: 2 done, 1 failed, 1 lost\n/);
      assertMatch(
        after,
        /\ntask 0001: failed on .*: Cannot open .*0001\.db: its version must be at most \d, current value is 99: it was made by a newer/,
      );
      assertMatch(after, /\ntask 0003: ended before it began/);
      const errors = log(db, "merge").split("\n").filter((line) => line.startsWith("error: "));
      assertEquals(errors.length, 1, log(db, "merge"));
      assertMatch(errors[0], /^error: Cannot open .*0001\.db: its version must be at most/);

      setVersion(taskLab(db, "0001"), MIGRATIONS.length);
      const script = `${db.replace(/\.db$/, "")}.tasks/night/array.sh`, changed = `${Deno.readTextFileSync(script)}# Mine.\n`;
      await Deno.writeTextFile(script, changed);
      const again = await sweep(db, args, cluster.env);
      assertMatch(again.stderr, /^.*array\.sh was changed by hand and stays; /);
      assertMatch(again.stdout, /\nSubmitted 2 tasks as job \d+: 1,3\n/);
      assertEquals(Deno.readTextFileSync(script), changed);
      await until("the rest has ended", async () => (await cluster.queue()).length === 0);
      assertMatch(await status(db, cluster), /100 % of the work .*\n.*\ntasks: 4 done\n$/);
      await assertWhole(db, path);
      using lab = Lab.open(db, { readOnly: true });
      assertEquals(lab.query("SELECT count(DISTINCT run) AS runs FROM work WHERE from_step = 0 AND to_step > 2000"), [{ runs: 0 }]);
    }),
});

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
    const base = ["run", "-A", "lib/cli/sweep.ts", "--experiment", "small_map"], env = { PATH: path("") };
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
