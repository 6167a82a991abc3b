/**
 * A folder of checkpoints: a file of each seed, `seed_S.safetensors`, which holds the run's state and its evaluations up to that state, so
 * that both move with one rename. `metrics.csv` beside them has the evaluations of all seeds again, for people and other programs; it is
 * written after the states and may be older than they are.
 */
import { join } from "node:path";
import type { Metrics, Snapshot } from "../engine/engine.ts";
import { PART_ENTRIES, valueAt } from "../run/fields.ts";
import { reason, writeAll, writeWhole, type Writing } from "../run/files.ts";
import { inOneLine, quote } from "../run/quote.ts";
import type { RunSpec } from "../run/spec.ts";
import { takenIn } from "../run/taken.ts";
import { type Lock, tryLock } from "./lock.ts";
import { isSameRow, metricsCsv, parseMetrics } from "./metrics_csv.ts";
import { type Checkpoint, checkpointFile, readCheckpoint, saveCheckpoint } from "./weights.ts";

/** The file of a seed in a folder of weights or checkpoints. */
export const seedFile = (folder: string, seed: number) => join(folder, `seed_${seed}.safetensors`);

/** The evaluations of all seeds beside checkpoints. */
export const metricsBeside = (folder: string) => join(folder, "metrics.csv");

/** The seeds that a folder has files of, in their order; none where there is no such folder. */
export async function seedsIn(folder: string): Promise<number[]> {
  try {
    const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name.match(/^seed_(0|[1-9]\d{0,9})\.safetensors$/)?.[1]);
    return names.filter((seed) => seed !== undefined).map(Number).sort((a, b) => a - b);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new Error(`Cannot read ${folder}: ${reason(error)}`);
  }
}

/**
 * What a folder holds of a seed. Evaluations of a checkpoint that has none of its own, as earlier versions wrote them, are read from beside
 * it.
 * @throws Error in one line where it isn't a checkpoint, or one of another seed than its name says.
 */
export async function readSeed(folder: string, seed: number): Promise<Checkpoint> {
  const path = seedFile(folder, seed), { state, metrics, trainedOn } = await readCheckpoint(path), { spec, step } = state;
  if (spec.seed !== seed) {
    throw new Error(`Cannot load ${path}: its seed must be the ${seed} of its name, current value is ${spec.seed}`);
  }
  if (step > spec.schedule.steps) {
    throw new Error(`Cannot load ${path}: its step must be at most the ${spec.schedule.steps} of its run, current value is ${step}`);
  }
  return { state, metrics: metrics ?? await beside(folder, seed), trainedOn };
}

async function beside(folder: string, seed: number): Promise<readonly Metrics[] | null> {
  const path = metricsBeside(folder);
  try {
    return parseMetrics(await Deno.readTextFile(path)).get(seed) ?? null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw new Error(`Cannot go on with the metrics in ${path}: ${inOneLine(reason(error), 400)}`);
  }
}

/** A training that is to write into a folder. */
interface Writer {
  readonly specs: readonly RunSpec[];
  /** The states that it goes on from, by seed, where they were read from this very folder. */
  readonly resumed: ReadonlyMap<number, Snapshot>;
}

/** A folder of checkpoints that this process writes, and no other. */
export class CheckpointFolder implements Disposable {
  /** What the folder has of each seed. */
  readonly #metrics: Map<number, readonly Metrics[]>;

  private constructor(readonly path: string, readonly lock: Lock, metrics: Map<number, readonly Metrics[]>) {
    this.#metrics = metrics;
  }

  /**
   * Takes the folder, which must exist.
   * @throws Error in one line where another process writes it, or it holds what this training would destroy: checkpoints of another
   * setting, or of the same seeds that it doesn't go on from, or a `metrics.csv` that isn't of its checkpoints.
   */
  static async open(path: string, writer: Writer): Promise<CheckpointFolder> {
    const lock = tryLock(join(path, ".lock"));
    if (!lock) throw new Error(`Cannot write checkpoints in ${path}: it must be free, another training writes there now`);
    try {
      const there = new Map<number, Checkpoint>();
      for (const seed of await seedsIn(path)) {
        const checkpoint = await readSeed(path, seed);
        mustFit(path, checkpoint.state, writer);
        there.set(seed, checkpoint);
      }
      await metricsMustFit(path, there);
      return new CheckpointFolder(path, lock, new Map([...there].map(([seed, { metrics }]) => [seed, metrics ?? []])));
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  /** Whether the folder has this seed. */
  has(seed: number): boolean {
    return this.#metrics.has(seed);
  }

  /** Saves a run's state with its evaluations up to there, and the kinds of engines that trained it. */
  async save(state: Snapshot, metrics: readonly Metrics[], trainedOn: readonly string[]): Promise<void> {
    await saveCheckpoint(seedFile(this.path, state.spec.seed), state, metrics, trainedOn);
    this.#metrics.set(state.spec.seed, [...metrics]);
  }

  /** Saves where seeds begin that the folder doesn't have: of all of them or, where one can't be written, of none. */
  async begin(all: Iterable<Checkpoint>): Promise<void> {
    const begun = new Map<number, readonly Metrics[]>(), { path } = this;
    const files = function* (): Generator<Writing> {
      for (const { state, metrics, trainedOn } of all) {
        const { seed } = state.spec;
        begun.set(seed, [...metrics ?? []]);
        yield [seedFile(path, seed), checkpointFile(state, metrics ?? [], trainedOn)];
      }
    };
    await writeAll(files());
    for (const [seed, metrics] of begun) this.#metrics.set(seed, metrics);
  }

  /** Writes `metrics.csv` as the states are; nothing where there are none. */
  async saveMetrics(): Promise<void> {
    if (this.#metrics.size === 0) return;
    const seeds = [...this.#metrics].sort(([a], [b]) => a - b);
    await writeWhole(metricsBeside(this.path), metricsCsv(seeds.map(([seed, metrics]) => ({ seed, metrics }))));
  }

  /** Releases the lock. */
  [Symbol.dispose](): void {
    this.lock[Symbol.dispose]();
  }
}

/** Fails where a checkpoint in the folder would be lost, or be beside one that it doesn't belong with. */
function mustFit(folder: string, { spec, step }: Snapshot, { specs, resumed }: Writer): void {
  const same = specs.find(({ seed }) => seed === spec.seed), other = same ? difference(same, spec) : differenceOfSeeds(specs[0], spec);
  if (other) {
    throw new Error(
      `Cannot write checkpoints in ${folder}: its setting must be this one, seed ${spec.seed} there has ${other.field} ${
        quote(other.there)
      } and not ${quote(other.here)}`,
    );
  }
  if (!same) return;
  const from = resumed.get(spec.seed);
  if (!from) {
    throw new Error(
      `Cannot write checkpoints in ${folder}: it must have none of seed ${spec.seed}, there is one of step ${step}; ` +
        `--resume ${folder} goes on from it, another folder begins anew`,
    );
  }
  if (from.step !== step) {
    throw new Error(
      `Cannot write checkpoints in ${folder}: seed ${spec.seed} must be at step ${from.step} as when it was read, current value is ${step}`,
    );
  }
}

/** Fails where `metrics.csv` in the folder holds what its checkpoints don't: it would be lost when the file is written anew. */
async function metricsMustFit(folder: string, known: ReadonlyMap<number, Checkpoint>): Promise<void> {
  const path = metricsBeside(folder);
  if (!await Deno.stat(path).then(({ isFile }) => isFile, () => false)) return;
  const fail = (requirement: string, is: string) => {
    throw new Error(`Cannot write ${path}: it must ${requirement}, ${is}; move it elsewhere, or give another folder for checkpoints`);
  };
  const text = await Deno.readTextFile(path);
  let there = new Map<number, readonly Metrics[]>();
  try {
    there = parseMetrics(text);
  } catch (error) {
    fail("hold the evaluations of this folder's checkpoints", inOneLine(reason(error), 400));
  }
  for (const [seed, rows] of there) {
    const own = known.get(seed);
    if (!own) return fail("hold only seeds that this folder has checkpoints of", `it has evaluations of seed ${seed}`);
    const other = foreignRow(rows, own);
    if (other) fail("hold the evaluations of this folder's checkpoints", `seed ${seed} has others there at step ${other.step}`);
  }
}

/**
 * The first evaluation of a seed in `metrics.csv` that is not of its checkpoint. States are written before the file, so a killed training
 * may leave it older than they are: with fewer evaluations, and as its last one that at the end of an earlier, shorter training, which a
 * run that goes on doesn't keep.
 */
function foreignRow(rows: readonly Metrics[], { state, metrics }: Checkpoint): Metrics | undefined {
  const { step, spec: { schedule: { steps, evalEvery } } } = state,
    own = metrics ?? [],
    byStep = new Map(own.map((row) => [row.step, row]));
  const wasTheEnd = (row: Metrics, at: number) =>
    at === rows.length - 1 && row.step % evalEvery !== 0 && row.step <= step && row.step < steps &&
    own.filter((each) => each.step < row.step).length === at;
  return rows.find((row, at) => {
    const same = byStep.get(row.step);
    return same ? !isSameRow(same, row) : !wasTheEnd(row, at);
  });
}

/**
 * The first field in which runs of different seeds differ, but for how many steps they do; `null` where there is none. Each may take over
 * tensors of a state of its own, of the same groups.
 */
function differenceOfSeeds(one: RunSpec, other: RunSpec): ReturnType<typeof difference> {
  const groups = ({ model }: RunSpec) => takenIn(model.taken)?.groups;
  const taken = groups(one) === groups(other) ? one.model.taken : other.model.taken;
  return difference(one, { ...other, model: { ...other.model, taken } });
}

/** The first field in which two runs differ, but for their seeds and how many steps they do; `null` where there is none. */
export function difference(one: RunSpec, other: RunSpec): { field: string; here: unknown; there: unknown } | null {
  const entry = PART_ENTRIES.find((entry) => entry.path !== "schedule.steps" && valueAt(one, entry) !== valueAt(other, entry));
  return entry ? { field: entry.name, here: valueAt(one, entry), there: valueAt(other, entry) } : null;
}
