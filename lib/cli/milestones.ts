/** When each run memorised and grokked, as `deno task train` says it. */
import { followUp } from "../analysis/runs/follow_up.ts";
import type { Run } from "../train/train.ts";
import { table } from "./table.ts";

/** Updates from memorising to grokking; `null` unless both are known. */
export const delayOf = ({ memorisationStep, grokkingStep }: Pick<Run, "memorisationStep" | "grokkingStep">) =>
  memorisationStep === null || grokkingStep === null ? null : grokkingStep - memorisationStep;

/** The milestones of every run, one line per run. */
export function resultTable(runs: readonly Run[]): string {
  const percent = (share: number | undefined) => share === undefined ? "–" : `${(100 * share).toFixed(1)} %`;
  const rows = runs.map((run) => {
    const { spec, step, status, gap, memorisationStep, grokkingStep, metrics } = run, last = metrics.at(-1);
    return [
      spec.seed,
      memorisationStep ?? (gap ? "unknown" : "–"),
      grokkingStep ?? (gap ? "unknown" : `> ${followUp(run).known}`),
      delayOf(run) ?? "–",
      step,
      percent(last?.trainAcc),
      percent(last?.valAcc),
      status,
    ];
  });
  return table([
    ["seed", "memorised", "grokked", "delay", "updates", "train acc", "val acc", "status"],
    ...rows.map((row) => row.map(String)),
  ]);
}
