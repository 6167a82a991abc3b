/** A small experiment in which everything happens that may become of a run, on an engine that trains nothing. */
import { type Experiment, grid, range } from "../../lib/lab/experiment.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep, type SweepOptions } from "../../lib/lab/sweep.ts";
import { fakeEngine } from "../fake_engine.ts";

/** Six very small runs, or those of other seeds: seed 0 groks and dips, seed 1 never does, seed 2 breaks off. */
export const runs = (steps = 200, seeds = range(3)) =>
  grid({
    preset: "one-layer",
    model: { dModel: [4, 8], heads: 1, dMlp: 4 },
    data: { prime: 5, trainFraction: 0.5 },
    schedule: { steps, evalEvery: 10 },
    seed: seeds,
  });
/** Three of one shape: for what is stored of runs while they train. */
export const watchedRuns = (steps = 450) =>
  grid({
    preset: "one-layer",
    model: { dModel: 4, heads: 2, dMlp: 4 },
    data: { prime: 5, trainFraction: 0.5 },
    schedule: { steps, evalEvery: 10 },
    seed: range(3),
  });
export const small = (more: Partial<Experiment> = {}): Experiment => ({ name: "small", question: "Does it?", runs: runs(), ...more });
export const engine = () =>
  fakeEngine({
    groksAt: ({ seed }) => seed === 0 ? 45 : Infinity,
    dips: (_, step) => step === 120,
    breaksAt: ({ seed }) => seed === 2 ? 75 : Infinity,
    fit: 2,
  });
/** Sweeps it into a database. */
export const train = async (path: string, experiment = small(), more: Partial<SweepOptions> = {}) => {
  using lab = Lab.open(path);
  await sweep(experiment, { lab, engine: engine(), ...more });
};

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The process that `deno task db` starts. */
export async function db(args: readonly string[], stdin = ""): Promise<Result> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "lib/cli/db.ts", ...args],
    cwd: new URL("../..", import.meta.url),
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  await using child = command.spawn();
  const [output] = await Promise.all([child.output(), new Blob([stdin]).stream().pipeTo(child.stdin).catch(() => {})]);
  const text = new TextDecoder();
  return { code: output.code, stdout: text.decode(output.stdout), stderr: text.decode(output.stderr) };
}
