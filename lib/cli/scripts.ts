/** The scripts that run the tasks of a sweep: on a cluster, or on one machine. They are plain bash, written to be read and changed. */
import { join } from "node:path";
import { quoted } from "../run/command.ts";

/** What a task may take of the cluster; what isn't said is left to the cluster's defaults. */
export interface Resources {
  readonly partition?: string;
  /** Whole minutes. */
  readonly minutes?: number;
  readonly gpus?: number;
  /** Cores of a task. */
  readonly cpus?: number;
}

export interface ScriptOptions {
  readonly experiment: string;
  /** The folder of the tasks, and of all that they write: an absolute path. */
  readonly folder: string;
  /** The lab that everything is merged into: an absolute path. */
  readonly db: string;
  /** The project's folder. */
  readonly checkout: string;
  readonly deno: string;
  /** Flags that each task's sweep gets as well: `--engine`, `--save-every`. */
  readonly more: readonly string[];
  /** The flags that name the experiment, for `--status`. */
  readonly named: readonly string[];
  readonly resources: Resources;
}

/** What a task is called in all its files. */
export const taskName = (index: number): string => String(index).padStart(4, "0");

const jobName = (experiment: string) => `grokbook-${experiment}`;

/** How long before its time ends a task is told, in seconds: enough to store its states, and a fifth of a short time. */
export const warning = (minutes: number = Infinity): number => Math.min(120, Math.floor(minutes * 60 / 5));

const directives = (lines: readonly (string | false | undefined)[]) =>
  lines.filter((line): line is string => Boolean(line)).map((line) => `#SBATCH --${line}`).join("\n");

/** Variables and checks that both scripts begin with. */
const setting = ({ folder, checkout, deno }: ScriptOptions) =>
  `set -u
folder=${quoted(folder)} # tasks, their labs and logs: every node must see it
checkout=${quoted(checkout)} # Grokbook: every node must see it, in the same version
deno=${quoted(deno)}
`;

const CHECKS = `
fail() {
  echo "error: Cannot run $what on $(hostname): $1" >&2
  exit 1
}
[ -d "$folder" ] || fail "$folder must be a folder that this machine shares, there is none"
[ -f "$checkout/lib/cli/sweep.ts" ] || fail "Grokbook must be in $checkout, it isn't there"
[ -x "$deno" ] || deno=$(command -v deno) || fail "Deno must be on PATH, it isn't"
cd "$checkout" || exit 1
export XDG_RUNTIME_DIR=\${XDG_RUNTIME_DIR:-/tmp} # the Vulkan loader wants one
`;

/** The script of one task, given by its argument or by Slurm. */
export function arrayScript(options: ScriptOptions): string {
  const { experiment, folder, more, resources: { partition, minutes, gpus, cpus } } = options;
  return `#!/bin/bash
# One task of the experiment ${experiment}: trains its runs into a lab of its own. \`deno task sweep\` wrote this, and leaves it alone once it was changed.
# Slurm starts it for each task of an array. Without Slurm: bash array.sh 3
${
    directives([
      `job-name=${jobName(experiment)}`,
      `output=${quoted(join(folder, "logs", "%4a.log"))}`,
      "open-mode=append",
      "requeue",
      partition !== undefined && `partition=${partition}`,
      minutes !== undefined && `time=${minutes}`,
      `signal=B:USR1@${warning(minutes)}`,
      cpus !== undefined && `cpus-per-task=${cpus}`,
      gpus !== undefined && `gpus=${gpus}`,
    ])
  }

# Slurm says by USR1, to this shell alone, that the time is nearly over: then the sweep is stopped, which stores its states.
# TERM, at scancel or preemption, Slurm sends to the sweep as well.
sweep='' stirred='' over=''
trap 'stirred=1 over=1; [ -z "$sweep" ] || kill -TERM "$sweep"' USR1
trap 'stirred=1 over=1' TERM

${setting(options)}
index=\${1:-\${SLURM_ARRAY_TASK_ID:-}}
task=$(printf %04d "$((10#\${index:-0}))")
what="task $task"
${CHECKS.trimStart()}[ -n "$index" ] || fail "its number must be given, there is none: bash array.sh 0"
[ -f "$folder/tasks/$task.json" ] || fail "$folder/tasks/$task.json must be there, there is none"

for try in 1 2 3; do
  [ -z "$over" ] || { code=143 && break; }
  "$deno" run -A lib/cli/sweep.ts --grid "$folder/tasks/$task.json" --db "$folder/labs/$task.db" \\
    --status-file "$folder/status/$task.json"${more.map((word) => ` ${quoted(word)}`).join("")} &
  sweep=$!
  # A signal ends \`wait\` before the sweep has ended.
  while stirred=''; wait "$sweep"; code=$?; [ -n "$stirred" ]; do :; done
  # Killed without a word, as by a machine short of memory: it goes on from its checkpoints, up to three times.
  [ "$code" -eq 137 ] || break
  echo "task $task was killed on $(hostname) (try $try of 3)" >&2
done

# Stopped by a signal while Slurm still counts the job as running, so not by scancel: back into the queue, to go on from its checkpoints.
if [ "$code" -eq 143 ] && [ -n "\${SLURM_JOB_ID:-}" ] && [ "$(squeue -h -j "$SLURM_JOB_ID" -o %T)" = RUNNING ]; then
  echo "task $task goes back into the queue"
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
`;
}

/** The script that merges the labs of all tasks. */
export function mergeScript(options: ScriptOptions): string {
  const { experiment, folder, db, named, resources: { partition, minutes } } = options;
  return `#!/bin/bash
# Merges the labs of the tasks of ${experiment} into one. Doing it again changes nothing. \`deno task sweep\` wrote this, and leaves it alone once it was
# changed. Slurm starts it when all tasks have ended, in whichever way. Without Slurm: bash merge.sh
${
    directives([
      `job-name=${jobName(experiment)}-merge`,
      `output=${quoted(join(folder, "logs", "merge.log"))}`,
      "open-mode=append",
      partition !== undefined && `partition=${partition}`,
      minutes !== undefined && `time=${minutes}`,
    ])
  }
${setting(options)}into=${quoted(db)}
what="the merge"
${CHECKS.trimStart()}
# One by one: a lab that can't be read keeps no other from being merged.
code=0
for lab in "$folder"/labs/*.db; do
  "$deno" run -A lib/cli/db.ts merge "$lab" --db "$into" || code=1
done
"$deno" run -A lib/cli/sweep.ts ${named.map(quoted).join(" ")} --db "$into" --status || code=1
exit "$code"
`;
}

/** The script that runs the tasks on this machine. */
export function localScript(options: ScriptOptions, tasks: number): string {
  const { experiment } = options;
  return `#!/bin/bash
# All tasks of ${experiment} on one machine, so many at once: bash local.sh 4. Stop it in whatever way; started again, it goes on.
# Each worker has its number, from 0, in GROKBOOK_SLOT. \`deno task sweep\` wrote this, and leaves it alone once it was changed.
${setting(options)}
# Of a machine with several cards, each worker should see one: one that sees them all uses the one that the driver names first. Where Docker
# and NVIDIA's container toolkit are installed, these lines in place of the last one hide the others. IMAGE has bash, git and libvulkan1.
#   export folder checkout deno DENO_DIR="\${DENO_DIR:-$HOME/.cache/deno}"
#   command='docker run --rm --init --gpus device=$GROKBOOK_SLOT -e NVIDIA_DRIVER_CAPABILITIES=all -e DENO_DIR -u "$(id -u):$(id -g)" \\
#     -v "$folder:$folder" -v "$checkout:$checkout" -v "$deno:$deno" -v "$DENO_DIR:$DENO_DIR" IMAGE bash "$0" "$1"'
command='bash "$0" "$1"'

code=0
seq 0 ${tasks - 1} | xargs -P "\${1:-1}" --process-slot-var=GROKBOOK_SLOT -I{} bash -c "$command" "$folder/array.sh" {} || code=1
bash "$folder/merge.sh" || code=1
exit "$code"
`;
}
