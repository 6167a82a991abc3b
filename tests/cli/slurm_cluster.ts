/**
 * A Slurm cluster of this machine alone, in a folder of its own, run by whoever runs the tests; it ends with the test, by its pid files.
 */
import { hostname } from "node:os";
import { join } from "node:path";
import { find } from "../../lib/cli/setup.ts";

export interface Cluster {
  /** What its clients need in their environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly node: string;
  /** Runs one of Slurm's programs. @returns what it prints. @throws Error where it fails. */
  slurm(program: string, ...args: string[]): Promise<string>;
  /** The queue: a line per job or task, `1_2 RUNNING`. */
  queue(): Promise<string[]>;
  stop(): Promise<void>;
}

/** Two ports that nobody listens on. */
function freePorts(): [number, number] {
  using one = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return [one.addr.port, other.addr.port];
}

const user = async () => new TextDecoder().decode((await new Deno.Command("id", { args: ["-un"] }).output()).stdout).trim();

/** Two cores, one partition, and no wait where a cluster would give its nodes time. */
const configuration = (folder: string, node: string, name: string, [control, daemon] = freePorts()) =>
  `ClusterName=tests
SlurmctldHost=${node}(127.0.0.1)
SlurmUser=${name}
SlurmdUser=${name}
SlurmctldPort=${control}
SlurmdPort=${daemon}
AuthType=auth/munge
# A requeued job waits until the credential that it had has expired.
AuthInfo=socket=${folder}/munge.socket,cred_expire=5
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/slurmd.pid
SlurmctldLogFile=${folder}/slurmctld.log
SlurmdLogFile=${folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=5
# A job is warned some seconds before its time ends. That these are enough on a busy machine isn't for these tests to say.
OverTimeLimit=2
SchedulerParameters=batch_sched_delay=1,sched_interval=2
SlurmdParameters=config_overrides
NodeName=${node} NodeAddr=127.0.0.1 CPUs=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=off
`;

/** Starts the cluster. @throws Error with what its daemons say where it can't. */
export async function startCluster(): Promise<Cluster> {
  const folder = await Deno.makeTempDir({ prefix: "slurm-" }), node = hostname().split(".")[0], conf = join(folder, "slurm.conf");
  const env = { SLURM_CONF: conf };
  const run = async (program: string, ...args: string[]) => {
    const path = find(program) ?? program;
    const { success, stdout, stderr } = await new Deno.Command(path, { args, env, stdin: "null" }).output();
    const text = new TextDecoder();
    if (!success) throw new Error(`${program} ${args.join(" ")}: ${text.decode(stderr).trim() || text.decode(stdout).trim()}`);
    return text.decode(stdout).trim();
  };
  const queue = async () => (await run("squeue", "-h", "-r", "-o", "%i %T")).split("\n").filter(Boolean);
  const stop = async () => {
    await run("scancel", "-u", await user()).catch(() => {});
    for (const name of ["slurmd", "slurmctld", "munged"]) await end(join(folder, `${name}.pid`));
    await Deno.remove(folder, { recursive: true });
  };
  try {
    // munge wants to be reached by all, and its key by nobody else.
    await Deno.chmod(folder, 0o755);
    for (const name of ["state", "spool"]) await Deno.mkdir(join(folder, name));
    await Deno.writeFile(join(folder, "munge.key"), crypto.getRandomValues(new Uint8Array(1024)), { mode: 0o400 });
    await Deno.writeTextFile(conf, configuration(folder, node, await user()));
    const munge = {
      "key-file": "munge.key",
      socket: "munge.socket",
      "pid-file": "munged.pid",
      "log-file": "munged.log",
      "seed-file": "seed",
    };
    await run("munged", ...Object.entries(munge).map(([flag, file]) => `--${flag}=${join(folder, file)}`));
    await run("slurmctld", "-c", "-f", conf);
    await run("slurmd", "-c", "-f", conf);
    await until("the node is idle", async () => (await run("sinfo", "-h", "-p", "main", "-o", "%T").catch(() => "")) === "idle");
    return { env, node, slurm: run, queue, stop };
  } catch (error) {
    const logs = await Promise.all(["slurmctld.log", "slurmd.log"].map((name) => Deno.readTextFile(join(folder, name)).catch(() => "")));
    await stop();
    throw new Error(`${(error as Error).message}\n${logs.join("\n").slice(-2000)}`);
  }
}

/** Ends the process of a pid file, and waits until it is gone. */
async function end(pidFile: string): Promise<void> {
  const pid = Number(await Deno.readTextFile(pidFile).catch(() => ""));
  if (!(pid > 0)) return;
  try {
    Deno.kill(pid, "SIGTERM");
    for (let i = 0; i < 100; i++) {
      await Deno.stat(`/proc/${pid}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Waits until something is so. @throws Error where it isn't within three minutes. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const began = performance.now();
  while (!await isSo()) {
    if (performance.now() - began > 180_000) throw new Error(`Waited three minutes in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** The processes whose command line holds all of these words. */
export function processes(...words: string[]): number[] {
  return Array.from(Deno.readDirSync("/proc"), ({ name }) => Number(name)).filter((pid) => {
    try {
      const line = Deno.readTextFileSync(`/proc/${pid}/cmdline`);
      return pid > 0 && words.every((word) => line.includes(word));
    } catch {
      return false;
    }
  });
}
