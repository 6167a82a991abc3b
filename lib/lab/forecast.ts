/** What a sweep would take, before it is begun: by shape, and in all. */
import { parameterCount } from "../run/layout.ts";
import { type RunSpec, shapeKey } from "../run/spec.ts";
import { groups } from "../train/train.ts";
import type { Engine, Watched } from "../engine/engine.ts";

/** A run, and how many updates of it are left to do. */
export interface Left {
  readonly spec: RunSpec;
  readonly updates: number;
}

/** Runs of one shape. */
export interface Forecast {
  readonly shape: string;
  readonly spec: RunSpec;
  readonly runs: number;
  /** Parameters of a run. */
  readonly parameters: number;
  /** Runs that train at once. */
  readonly rows: number;
  /** Memory that these take. */
  readonly bytes: number;
  /** Updates left, over all runs. */
  readonly updates: number;
  /** Floating-point operations left. */
  readonly flop: number;
}

/** By shape, in the order in which they would be trained. */
export function forecast(left: readonly Left[], engine: Engine, watched: Watched = {}): Forecast[] {
  return groups(left).map((group) => {
    const [{ spec }] = group, { bytes, flop } = engine.cost(spec, watched);
    const rows = Math.min(group.length, engine.rowsThatFit(spec, watched));
    const updates = group.reduce((sum, run) => sum + run.updates, 0);
    return {
      shape: shapeKey(spec),
      spec,
      runs: group.length,
      parameters: parameterCount(spec),
      rows,
      bytes: rows * bytes,
      updates,
      flop: updates * flop,
    };
  });
}

/** For about so long a speed is measured, in ms. */
const MEASURE = 1500;

/**
 * Operations per second of a shape with its rows full, evaluations included: trains it for a moment. The first moment, in which kernels are compiled,
 * doesn't count.
 */
export async function speedOf({ spec, rows, flop, updates }: Forecast, engine: Engine, watched: Watched = {}): Promise<number> {
  // Evaluations are timed by themselves, so that rare ones count too.
  const runs = Array.from({ length: rows }, (_, i): RunSpec => ({
    ...spec,
    seed: i,
    schedule: { steps: 2 ** 31, evalEvery: 2 ** 31 },
  }));
  const trainer = await engine.open(runs, watched);
  const time = async (work: () => Promise<unknown>) => {
    const began = performance.now();
    await work();
    return performance.now() - began;
  };
  const advance = async (n: number) => {
    for await (const _ of trainer.advance(n));
  };
  try {
    await advance(1);
    await trainer.evaluate();
    let n = 1, took = await time(() => advance(n));
    while (took < MEASURE / 2) took = await time(() => advance(n *= 2));
    const evaluation = await time(() => trainer.evaluate());
    const perUpdate = (took / n + evaluation / spec.schedule.evalEvery) / 1000;
    return flop / updates * trainer.rows.length / perUpdate;
  } finally {
    trainer.dispose();
  }
}
