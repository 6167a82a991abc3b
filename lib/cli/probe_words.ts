/** What both tables of `deno task probe` say of a run, and how they write numbers. */
import { slingshots } from "../analysis/runs/slingshots.ts";
import { list } from "../analysis/words.ts";
import type { CheckpointedRun } from "../lab/probe.ts";
import { taskName } from "../run/operations.ts";

/** Three digits that count. */
export const short = (value: number) => value !== 0 && value < 0.001 ? value.toExponential(1) : value.toPrecision(3);
export const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** A run in a line: which, what it learns, when it memorised and grokked. */
export function runWords({ id, hash, spec, memorisationStep, grokkingStep }: CheckpointedRun): string {
  const { data: { operation, prime }, model: { dModel }, optim: { weightDecay }, seed } = spec;
  const moments = [`memorised at ${memorisationStep ?? "–"}`, `grokked at ${grokkingStep ?? "–"}`].join(", ");
  return `Run ${id} (${hash}): ${taskName(operation, prime)}, d_model ${dModel}, weight decay ${weightDecay}, seed ${seed}; ${moments}`;
}

/** How many slingshots there are, and where they are highest. */
export function slingshotWords({ metrics }: Pick<CheckpointedRun, "metrics">): string {
  const found = slingshots(metrics), steps = found.slice(0, 8).map(({ peak }) => String(peak));
  const where = found.length > 8 ? `steps ${steps.join(", ")} and later` : `step${found.length > 1 ? "s" : ""} ${list(steps)}`;
  return `Slingshots (spikes of the training loss) in ${metrics.length} evaluations: ${
    found.length === 0 ? "none" : `${found.length}, at ${where}`
  }.`;
}
