/** Tensors that runs take over from others, out of the lab. */
import { groupsIn } from "../run/groups.ts";
import type { RunSpec } from "../run/spec.ts";
import { takeOver } from "../run/take.ts";
import { isAtHand, takenIn, takenTensors } from "../run/taken.ts";
import { loadWeights } from "../train/weights.ts";
import { artifacts, pathOf } from "./artifacts.ts";
import { type Lab, specOf } from "./store.ts";

/**
 * Brings what runs take over from others, where it isn't at hand, out of the stored states of these.
 * @throws Error in one line where the lab doesn't have one of them at its step, with the same numbers.
 */
export async function bringTaken(lab: Lab, specs: readonly RunSpec[]): Promise<void> {
  for (const value of new Set(specs.map(({ model }) => model.taken))) {
    if (isAtHand(value)) continue;
    const { hash, step, groups } = takenIn(value)!;
    const [run] = lab.query<{ id: number; hash: string; spec: string }>("SELECT id, hash, spec FROM runs WHERE hash = ?", hash);
    const stored = run && artifacts(lab, run.id, "checkpoint", "weights").find((each) => each.step === step);
    if (stored) {
      const spec = specOf(run, step);
      takeOver({ spec, step, params: await loadWeights(pathOf(lab, stored.file), spec) }, groupsIn(groups));
    }
    takenTensors(value); // throws where these weren't they
  }
}
