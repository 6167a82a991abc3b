/** Slurm, by its own programs: what it offers, what is in its queue, and submitting. Whatever goes wrong is one line. */
import { quote } from "../run/quote.ts";

/** A task of an array that is in the queue. */
export interface Queued {
  readonly index: number;
  /** Slurm's word: PENDING, RUNNING, COMPLETING, … */
  readonly state: string;
  /** Why it waits, or where it runs. */
  readonly note: string;
}

/** Jobs of one sweep. */
export interface Jobs {
  /** Arrays that were submitted, by their numbers. */
  readonly arrays: readonly string[];
  /** The job that merges, if one was submitted. */
  readonly merge: string | null;
}

/** Whether Slurm's programs are here. */
export const hasSlurm = async (): Promise<boolean> => (await call("sbatch", ["--version"])) !== null;

/**
 * That jobs can be submitted, to this partition where one is named.
 * @throws Error in one line where there is no Slurm, it doesn't answer, or it has no such partition.
 */
export async function checkSlurm(partition?: string): Promise<void> {
  if (!await hasSlurm()) {
    throw new Error(
      "Cannot submit: sbatch must be on PATH, there is none; --tasks without --slurm writes scripts for one machine or GNU parallel",
    );
  }
  const partitions = [...new Set((await answer("sinfo", ["-h", "-a", "-o", "%R"])).split("\n").filter(Boolean))];
  if (partition === undefined) return;
  const unknown = partition.split(",").find((name) => !partitions.includes(name));
  if (unknown !== undefined) {
    throw new Error(`Cannot submit: --partition must be one of ${partitions.join(", ")}, current value is ${quote(unknown)}`);
  }
}

/** The tasks of these arrays that are in the queue, waiting, running or ending. @throws Error in one line where Slurm doesn't answer. */
export async function queuedTasks(arrays: readonly string[]): Promise<Queued[]> {
  return (await queue()).filter(({ array, index }) => arrays.includes(array) && /^\d+$/.test(index)).map(({ index, state, note }) => {
    return { index: Number(index), state, note };
  });
}

/** What Slurm says of a job's state; `null` where it isn't in the queue. @throws Error in one line where Slurm doesn't answer. */
export async function jobState(job: string): Promise<string | null> {
  return (await queue()).find(({ id }) => id === job)?.state ?? null;
}

/** The queue: a row per task of an array. */
async function queue(): Promise<{ id: string; array: string; index: string; state: string; note: string }[]> {
  const text = await answer("squeue", ["-h", "-r", "-o", "%A|%F|%K|%T|%R"]);
  return text.split("\n").filter(Boolean).map((line) => {
    const [id, array, index, state, ...note] = line.split("|");
    return { id, array, index, state, note: note.join("|") };
  });
}

/** Submits a script. @param flags of sbatch, over those in the script. @returns the job's number. @throws Error in one line. */
export async function submit(script: string, ...flags: string[]): Promise<string> {
  const [id] = (await answer("sbatch", ["--parsable", ...flags, script])).split(/[;\n]/);
  if (!/^\d+$/.test(id)) throw new Error(`Cannot submit ${script}: sbatch must answer with a job's number, it says ${quote(id)}`);
  return id;
}

/** Takes a job back that hasn't begun. */
export const cancel = (job: string): Promise<string> => answer("scancel", [job]);

/** Numbers as sbatch takes them for an array: `0-3,7`. */
export function ranges(numbers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const n of numbers.toSorted((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && n === last[1] + 1) last[1] = n;
    else runs.push([n, n]);
  }
  return runs.map(([from, to]) => from === to ? String(from) : `${from}-${to}`).join(",");
}

/** What a program prints. @throws Error in one line, with what it says is wrong. */
async function answer(program: string, args: readonly string[]): Promise<string> {
  const output = await call(program, args);
  if (output === null) throw new Error(`Cannot ask Slurm: ${program} must be on PATH, there is none`);
  const { success, stdout, stderr } = output, text = new TextDecoder();
  if (success) return text.decode(stdout).trim();
  const said = text.decode(stderr).trim().split("\n").at(-1) || "it says nothing";
  throw new Error(`Cannot ask Slurm: ${program} must succeed, it says ${said.replace(/^\w+: (error: |fatal: )?/, "")}`);
}

/** `null` where there is no such program. */
async function call(program: string, args: readonly string[]): Promise<Deno.CommandOutput | null> {
  try {
    return await new Deno.Command(program, { args: [...args], stdin: "null" }).output();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
