/** Taking tensors over from a state of a run, for others to begin with: this makes the values of `model.taken`. */
import { type Group, groupOf, GROUPS } from "./groups.ts";
import { layout, read } from "./layout.ts";
import { quote } from "./quote.ts";
import type { Snapshot } from "./snapshot.ts";
import { specHash } from "./spec.ts";
import { keepTaken, type TakenTensor } from "./taken.ts";

/**
 * Takes groups of tensors over from a state: runs whose `model.taken` is what this gives begin with them, and with what their own seed
 * draws for the rest. Their moments begin at 0, and their steps.
 * @param which some of `GROUPS`, in any order, or all that the model has.
 * @returns the value of `model.taken`; this process has the tensors at hand from now on.
 * @throws Error in one line where there are no groups, one that isn't among the model's, or some of the numbers aren't finite.
 */
export function takeOver({ spec, step, params }: Pick<Snapshot, "spec" | "step" | "params">, which: readonly Group[] | "all"): string {
  const hash = specHash(spec),
    { tensors } = layout(spec),
    own = new Set(tensors.map(({ name }) => groupOf(name))),
    groups = which === "all" ? [...own] : which;
  const fail = (what: string, requirement: string, value: unknown): never => {
    throw new Error(`Cannot take tensors over from run ${hash}@${step}: ${what} must be ${requirement}, current value is ${quote(value)}`);
  };
  const stray = groups.find((group) => !own.has(group));
  if (groups.length === 0) fail("groups", `some of ${[...own].join(", ")}`, "none");
  if (stray !== undefined) fail("groups", `among ${[...own].join(", ")}, which that model has`, stray);
  const taken = new Map<string, TakenTensor>();
  for (const tensor of tensors) {
    if (!groups.includes(groupOf(tensor.name))) continue;
    const values = read(tensor, params), wrong = values.find((value) => !Number.isFinite(value));
    if (wrong !== undefined) fail(tensor.name, "finite numbers", wrong);
    taken.set(tensor.name, { dims: tensor.dims, values });
  }
  const named = GROUPS.filter((group) => groups.includes(group));
  return `${hash}@${step}:${named.length === GROUPS.length ? "all" : named.join("+")}:${keepTaken(taken)}`;
}
