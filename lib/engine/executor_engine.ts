/** The engine of any executor: what fits on it, what a run costs there, and trainers for it. */
import { type RunSpec, shapeKey } from "../run/spec.ts";
import type { Cost, Engine, EngineInfo, Snapshot, Watched } from "./engine.ts";
import type { Demand, Executor } from "./executor.ts";
import type { Plan } from "./op.ts";
import { plan } from "./plan.ts";
import { RowTrainer, specOf } from "./trainer.ts";

export class ExecutorEngine<Kind extends Executor = Executor> implements Engine {
  readonly info: EngineInfo;
  readonly executor: Kind;
  /** By shape and what is watched: runs of a shape share a plan, and forecasts go over many runs. */
  #plans = new Map<string, { readonly plan: Plan; readonly demand: Demand }>();

  constructor(executor: Kind) {
    this.executor = executor;
    this.info = executor.info;
  }

  rowsThatFit(spec: RunSpec, watched?: Watched): number {
    const { rows, bytes } = this.#planned(spec, watched).demand;
    return Math.max(1, Math.min(rows, Math.floor(this.executor.limits.memory() / bytes)));
  }

  cost(spec: RunSpec, watched?: Watched): Cost {
    const { plan: { chunks }, demand: { bytes, flop } } = this.#planned(spec, watched);
    const evaluation = flop.elements + chunks * flop.chunk + flop.endOfEvaluation + flop.attention;
    return { bytes, flop: flop.batch + flop.step + evaluation / spec.schedule.evalEvery };
  }

  refusal(spec: RunSpec, watched?: Watched): string | null {
    return this.#planned(spec, watched).demand.refusal;
  }

  async open(runs: readonly (RunSpec | Snapshot)[], watched?: Watched): Promise<RowTrainer> {
    const { plan, demand } = this.#planned(specOf(runs[0]), watched), { executor, info } = this;
    if (demand.refusal !== null) throw new Error(`Cannot train this model on ${info.adapter}: ${demand.refusal}`);
    const rows = Math.min(runs.length, this.rowsThatFit(specOf(runs[0]), watched)), lowered = await executor.lower(plan, rows);
    for (let capacity = rows; capacity >= 1; capacity = Math.floor(capacity / 2)) {
      const queue = await executor.open(lowered, capacity);
      if (!queue) continue;
      try {
        return new RowTrainer(executor, lowered, queue, runs.slice(0, capacity));
      } catch (error) {
        queue.dispose(); // a run was refused
        throw error;
      }
    }
    const needed = Math.ceil(demand.bytes / 2 ** 20);
    throw new Error(`Cannot allocate one run on ${info.adapter}: ${needed} MiB are needed, the driver refused`);
  }

  #planned(spec: RunSpec, watched: Watched = {}) {
    const key = `${shapeKey(spec)} ${JSON.stringify(watched)}`;
    return this.#plans.getOrInsertComputed(key, () => {
      const made = plan(spec, watched, this.executor.limits.chunk);
      return { plan: made, demand: this.executor.demand(made) };
    });
  }
}
