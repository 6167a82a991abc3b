/** The states that runs go on from. A state belongs to the evaluations that led to it: without them, what comes after has no beginning. */
import { reason } from "../run/files.ts";
import type { Snapshot } from "../run/snapshot.ts";
import { loadCheckpoint } from "../train/weights.ts";
import { artifacts, pathOf, readArtifact } from "./artifacts.ts";
import type { RunRow } from "./schema.ts";
import type { Lab } from "./store.ts";

/** Why a run can't go on from a state that is stored of it, in words about the state; `null` where it can. */
export function strayState(lab: Lab, run: number, state: { readonly step: number }): string | null {
  const [{ step, thinned }] = lab.query<Pick<RunRow, "step" | "thinned">>("SELECT step, thinned FROM runs WHERE id = ?", run);
  if (thinned === 1) return "it must have all evaluations before it, the lab has a part of them, as they were imported";
  // One that began anew replaces its evaluations from the first on.
  return state.step > step ? `it must be of a step up to ${step}, how far the run is stored, it is of ${state.step}` : null;
}

interface Claimed {
  /** What is known to be damaged of the run, if anything. */
  readonly damage?: string | undefined;
  readonly say: (line: string) => void;
}

/**
 * The last state that is stored of a run, for so many steps; `null` where there is none, or where the run can't go on from it, which is
 * said.
 */
export async function lastState(lab: Lab, run: number, steps: number, { damage, say }: Claimed): Promise<Snapshot | null> {
  const stored = artifacts(lab, run, "checkpoint").at(-1);
  if (!stored) return null;
  try {
    const wrong = damage ?? strayState(lab, run, stored);
    if (wrong !== null) throw new Error(wrong);
    await readArtifact(lab, stored);
    const snapshot = await loadCheckpoint(pathOf(lab, stored.file));
    return { ...snapshot, spec: lab.spec(run, steps) };
  } catch (error) {
    const [{ hash }] = lab.query<{ hash: string }>("SELECT hash FROM runs WHERE id = ?", run);
    say(
      `Cannot take up run ${hash} at step ${stored.step}: ${
        reason(error)
      }. It begins anew; what is stored of it stays until it is computed ` +
        `again, or comes out differently`,
    );
    return null;
  }
}
