/** What an optimiser keeps of a run beside its moments: part of the run's state, so that it goes on bit for bit. Most keep nothing. */
import type { Snapshot } from "./snapshot.ts";
import type { RunSpec } from "./spec.ts";

/**
 * f32 words by name, P parameters. `filter`: the average of `grokfast-ema`, [P]; or of `grokfast-ma`, [window + 1, P], past gradients and
 * a sum (`GradientFilter` in `engine/op/update.ts`). `norm`: the norm that the weights are held at, then three words of padding.
 */
export function besideWords({ optim: { gradFilter, filterWindow, heldNorm } }: Pick<RunSpec, "optim">, P: number): Map<string, number> {
  const words = new Map<string, number>();
  if (gradFilter === "grokfast-ema") words.set("filter", P);
  if (gradFilter === "grokfast-ma") words.set("filter", (filterWindow + 1) * P);
  if (heldNorm !== 0) words.set("norm", 4);
  return words;
}

/** The same before the first update of a run that begins with these parameters, f32[P]; `undefined` where nothing is kept. */
export function besideAtStart(spec: RunSpec, params: Float32Array): Record<string, Float32Array<ArrayBuffer>> | undefined {
  const words = besideWords(spec, params.length), { heldNorm } = spec.optim;
  if (words.size === 0) return undefined;
  const start = Object.fromEntries([...words].map(([name, count]) => [name, new Float32Array(count)]));
  if (heldNorm !== 0) start.norm[0] = heldNorm === "start" ? Math.sqrt(params.reduce((sum, x) => sum + x * x, 0)) : heldNorm;
  return start;
}

/**
 * Checks what a state has of it; a state of step 0 may have nothing.
 * @throws Error in one line where that isn't what the run's optimiser keeps.
 */
export function checkBeside({ spec, step, params, beside = {} }: Pick<Snapshot, "spec" | "step" | "params" | "beside">): void {
  const needed = besideWords(spec, params.length), had = Object.entries(beside).map(([name, { length }]) => [name, length] as const);
  if (had.length === 0 && step === 0) return;
  if (had.length === needed.size && had.every(([name, words]) => needed.get(name) === words)) return;
  const list = (words: Iterable<readonly [string, number]>) =>
    [...words].map(([name, n]) => `${n} floats of ${name}`).join(" and ") || "nothing";
  throw new Error(`Cannot place a run: what its optimiser keeps must be ${list(needed)}, current value is ${list(had)}`);
}
