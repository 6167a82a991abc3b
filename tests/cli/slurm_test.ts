/** `deno task sweep --slurm` on a real Slurm of one machine. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { exists } from "../../lib/cli/files.ts";
import { look, unmet } from "../../lib/cli/setup.ts";
import { MIGRATIONS } from "../../lib/lab/schema.ts";
import { Lab } from "../../lib/lab/store.ts";
import { scratch } from "../lab/lab_files.ts";
import { ENGINE, FLAGGED } from "./command.ts";
import { type Cluster, processes, startCluster, until } from "./slurm_cluster.ts";
import { assertWhole, grid, sweep } from "./tasks_process.ts";

const SLURM = unmet(["slurm"], await look(["slurm"])).length === 0;
if (!SLURM) console.error("Slurm is not installed: the tests on a cluster are left out.");

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
  const { code, stdout, stderr } = await sweep(db, ["--status"], { ...FLAGGED, ...env });
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
      const halted = async (task: string) => {
        const pid = await trainer(db, task);
        Deno.kill(pid, "SIGSTOP");
        return pid;
      };
      const [killed, slow] = await Promise.all([halted("0000"), halted("0001")]);
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
      Deno.kill(await trainer(db, "0000"), "SIGSTOP"); // so that it can't end before
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
