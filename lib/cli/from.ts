/** `--from RUN[@STEP] --take GROUPS --freeze GROUPS` of `deno task train`: runs that begin with tensors of another one. */
import { type Group, GROUPS } from "../run/groups.ts";
import { quote } from "../run/quote.ts";
import type { RunSpec } from "../run/spec.ts";
import { takeOver } from "../run/take.ts";
import { readSeed, seedFile, seedsIn } from "../train/checkpoints.ts";
import { loadCheckpoint } from "../train/weights.ts";
import type { Snapshot } from "../engine/engine.ts";
import { exists, here } from "./files.ts";
import type { Flag, Given } from "./flags.ts";
import { LAB } from "./process.ts";

export const FROM_FLAGS: Record<string, Flag> = {
  "from": {
    value: "RUN[@STEP]",
    help:
      "begin with tensors of a run of the lab (its id or hash), or of a checkpoint (a file; a folder: that of each seed); the setting " +
      "is that run's unless --preset or flags say otherwise, and moments begin at 0",
  },
  "take": { value: "GROUPS", help: `which tensors: all, or some of ${GROUPS.join(",")}; all others are drawn anew from the seed` },
  "freeze": { value: "GROUPS", help: "the same as --frozen, in any order" },
  "db": { value: "FILE", help: `the lab that --from looks into [${LAB}]` },
};

type State = Pick<Snapshot, "spec" | "step" | "params">;

/** Where runs begin. */
export interface Start {
  /** The files that have the states; none where the lab has them. */
  readonly files: readonly string[];
  readonly spec: RunSpec;
  /** Seeds that there are states of; `undefined` where one state serves all. */
  readonly seeds?: readonly number[];
  /** The value of `model.taken` for a seed. */
  readonly taken: (seed: number) => Promise<string>;
}

/** Groups as people write them: all, or names joined by , or +. */
export function groupsOf(flag: string, text: string): Group[] {
  if (text === "all") return [...GROUPS];
  const names = text.split(/[,+]/).map((name) => name.trim()), stray = names.find((name) => !GROUPS.some((group) => group === name));
  if (stray === undefined) return GROUPS.filter((group) => names.includes(group));
  throw new Error(`Cannot read --${flag}: must be all, or some of ${GROUPS.join(", ")}, current value is ${quote(stray)}`);
}

/** What `--freeze` says, as a value of `optim.frozen`. */
export function frozenBy(given: Given): string | undefined {
  const text = given.get("freeze");
  if (typeof text !== "string") return undefined;
  if (given.has("frozen")) throw new Error("Cannot use --freeze and --frozen together: must be one of them");
  const groups = groupsOf("freeze", text);
  return groups.length === GROUPS.length ? "all" : groups.join("+");
}

/** Where `--from` says that runs begin; `null` without it. @throws Error in one line where that isn't there. */
export async function startFrom(given: Given): Promise<Start | null> {
  const from = given.get("from"), take = given.get("take");
  if (typeof from !== "string") {
    const alone = ["take", "db"].find((flag) => given.has(flag));
    if (alone !== undefined) throw new Error(`Cannot use --${alone} without --from: must be both, or neither`);
    return null;
  }
  if (typeof take !== "string") throw new Error("Cannot use --from without --take: must be both, or neither");
  const groups = take === "all" ? take : groupsOf("take", take), [, before, at] = from.match(/^(.*?)(?:@(\d{1,15}))?$/)!;
  // A file's name may end like a step.
  const [word, wanted] = at === undefined || await exists(from) ? [from] : [before, Number(at)];
  if (!await exists(word)) {
    const state = await stateInLab(word, wanted, given.get("db") as string ?? LAB), taken = takeOver(state, groups);
    return { files: [], spec: state.spec, taken: () => Promise.resolve(taken) };
  }
  const checked = (state: State): State => {
    if (wanted === undefined || state.step === wanted) return state;
    throw new Error(`Cannot take tensors over from ${word}: its step must be ${wanted}, current value is ${state.step}`);
  };
  if ((await Deno.stat(word)).isFile) {
    const state = checked(await loadCheckpoint(word)), taken = takeOver(state, groups);
    return { files: [word], spec: state.spec, taken: () => Promise.resolve(taken) };
  }
  const seeds = await seedsIn(word);
  if (seeds.length === 0) throw new Error(`Cannot take tensors over from ${word}: it must have files seed_S.safetensors, there are none`);
  const read = async (seed: number) => checked((await readSeed(word, seed)).state);
  const files = seeds.map((seed) => seedFile(word, seed)), { spec } = await read(seeds[0]);
  return { files, spec, seeds, taken: async (seed) => takeOver(await read(seed), groups) };
}

/** A state of a run of the lab: at the step asked for, or the last. */
async function stateInLab(word: string, step: number | undefined, db: string): Promise<State> {
  if (!await exists(db)) {
    throw new Error(`Cannot take tensors over from ${word}: it must be a checkpoint or a run of ${here(db)}, there is neither`);
  }
  const { Lab } = await import("../lab/store.ts"), { findRun } = await import("../lab/probe.ts");
  using lab = Lab.open(db, { readOnly: true });
  const { spec, hash, checkpoints } = findRun(lab, word);
  const found = step === undefined ? checkpoints.at(-1) : checkpoints.find((each) => each.step === step);
  if (found) return { spec, step: found.step, params: await found.load() as Snapshot["params"] };
  const steps = checkpoints.map((each) => each.step).join(", ") || "none";
  throw new Error(`Cannot take tensors over from run ${hash}@${step ?? "last"}: its step must be one that is stored, ${steps} is`);
}
