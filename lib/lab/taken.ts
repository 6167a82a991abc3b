/** Tensors that runs take over from others, out of the lab. */
import { groupOf } from "../run/groups.ts";
import { layout, read } from "../run/layout.ts";
import type { Snapshot } from "../run/snapshot.ts";
import type { RunSpec } from "../run/spec.ts";
import { isAtHand, keepTaken, takenIn, takenTensors, takes } from "../run/taken.ts";
import { loadWeights } from "../train/weights.ts";
import { artifacts, pathOf } from "./artifacts.ts";
import type { Lab } from "./store.ts";
import { specOf } from "./stored.ts";

/**
 * Brings what runs take over from others, where it isn't at hand: out of the stored states of these, or of where a run began that takes the
 * same.
 * @throws Error in one line where the lab has neither, with the same numbers.
 */
export async function bringTaken(lab: Lab, specs: readonly RunSpec[]): Promise<void> {
  for (const value of new Set(specs.map(({ model }) => model.taken))) {
    if (isAtHand(value)) continue;
    for (const { run, step, file } of holders(lab, value)) {
      keepGroups(value, { spec: specOf(run, step), params: await loadWeights(pathOf(lab, file), specOf(run, step)) });
      if (isAtHand(value)) break;
    }
    takenTensors(value); // throws where none of these were they
  }
}

/**
 * The hashes of runs that another lab needs beside some runs, so that it has what these take over: of each value the source, and a run that
 * takes the same.
 */
export function holdersOf(lab: Lab, specs: readonly RunSpec[]): Set<string> {
  const values = [...new Set(specs.map(({ model }) => model.taken))].filter((value) => value !== "none");
  return new Set(
    values.flatMap((value) => {
      const all = holders(lab, value), { hash } = takenIn(value)!;
      return [...all.filter(({ run }) => run.hash === hash), ...all.filter(({ run }) => run.hash !== hash).slice(0, 1)];
    }).map(({ run }) => run.hash),
  );
}

/** The stored states that hold what a value of `model.taken` names, the source's first. */
function holders(lab: Lab, value: string): { readonly run: StoredSpec; readonly step: number; readonly file: string }[] {
  const { hash, step } = takenIn(value)!;
  const sources = lab.query<StoredSpec>("SELECT id, hash, spec FROM runs WHERE hash = ?", hash).map((run) => ({ run, step }));
  const takers = lab.query<StoredSpec>("SELECT id, hash, spec FROM runs WHERE taken = ?", value).map((run) => ({ run, step: 0 }));
  return [...sources, ...takers].flatMap(({ run, step }) => {
    const stored = artifacts(lab, run.id, "checkpoint", "weights").find((each) => each.step === step);
    return stored ? [{ run, step, file: stored.file }] : [];
  });
}

type StoredSpec = { readonly id: number; readonly hash: string; readonly spec: string };

/** Keeps, of a state, the tensors of the groups that a value of `model.taken` names. */
function keepGroups(value: string, { spec, params }: Pick<Snapshot, "spec"> & { readonly params: Float32Array }): void {
  const groups = takes(value), tensors = layout(spec).tensors.filter(({ name }) => groups.has(groupOf(name)));
  keepTaken(new Map(tensors.map((tensor) => [tensor.name, { dims: tensor.dims, values: read(tensor, params) }])));
}
