/**
 * Whether evaluations show that two trainings of a run are the same: bit for bit, but for values that depend on where a training was
 * interrupted.
 */
import type { MetricName } from "../run/metrics.ts";
import type { Lab } from "./store.ts";

/** What one session trained of a run. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** Whether two values of a metric, at one step of a run, can come from the same training. */
export type Agrees = (name: MetricName, step: number, one: number, other: number) => boolean;

export const stretches = (lab: Lab, run: number): readonly Stretch[] =>
  lab.query<{ from: number; to: number }>(`SELECT from_step AS "from", to_step AS "to" FROM work WHERE run = ?`, run);

/**
 * How values of a lab's run are compared. Two kinds may differ:
 * - The means over batches at the first evaluation after an end between two evaluations. Earlier versions emptied the sums at such an end.
 *   Where the run went on later, the means are of fewer batches.
 * - The gradient's norm where a run was taken up at its last step: it is unknown there, NaN. Earlier versions stored 0.
 * @param others what was trained of the run elsewhere, where evaluations from there are compared.
 */
export function agreement(lab: Lab, run: number, others: readonly Stretch[] = []): Agrees {
  const [{ every }] = lab.query<{ every: number }>("SELECT eval_every AS every FROM runs WHERE id = ?", run);
  const trained = [...stretches(lab, run), ...others];
  const afterAnEnd = (step: number) => trained.some(({ to }) => to < step && step <= Math.ceil(to / every) * every);
  const takenUp = (step: number) => trained.some(({ from, to }) => from === step && to === step);
  return (name, step, one, other) => {
    if (Object.is(one, other)) return true;
    if (name === "batchLoss" || name === "batchAcc") return afterAnEnd(step);
    return name === "gradNorm" && [one, other].some((value) => Number.isNaN(value) || (value === 0 && takenUp(step)));
  };
}
