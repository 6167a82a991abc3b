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
  /** Why it can't be trained here; `null` where no reason is known. */
  readonly refusal: string | null;
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
      refusal: engine.refusal?.(spec, watched) ?? null,
    };
  });
}

/** For about so long a speed is measured, in ms. */
const MEASURE = 1500;
/** Within so many ms a shape must be expected to be measured, to be measured after the first. */
const PATIENCE = 4000;

/** Operations per second at which a group will train. */
export interface Speed {
  readonly flops: number;
  /** Whether it was measured, or follows from those that were. */
  readonly measured: boolean;
}

/**
 * The speed of each group, `null` where it can't be trained here. Kernels of large shapes take minutes to compile, so that two groups at
 * most are measured: the one with the least operations an update, and the largest that takes no longer than seconds. Between the two, speed
 * is taken to be even over the logarithm of the operations; beyond them, as at the nearer.
 * @throws Error in one line where none can be trained.
 */
export async function speeds(groups: readonly Forecast[], engine: Engine, watched: Watched = {}): Promise<(Speed | null)[]> {
  const size = ({ flop, updates }: Forecast) => flop / updates;
  const known = new Map<Forecast, number>(), refused = new Set(groups.filter(({ refusal }) => refusal !== null));
  const ordered = groups.filter((group) => !refused.has(group)).toSorted((a, b) => size(a) - size(b));
  let took = 0, failed: unknown;
  for (const [i, group] of ordered.entries()) {
    const began = performance.now();
    try {
      known.set(group, await speedOf(group, engine, watched));
      took = performance.now() - began;
      ordered.splice(0, i + 1);
      break;
    } catch (error) {
      failed = error;
      refused.add(group);
    }
  }
  const [[first, flops] = []] = known;
  if (!first || flops === undefined) {
    const why = failed instanceof Error ? failed.message : groups.find(({ refusal }) => refusal !== null)?.refusal ?? "there is none";
    throw new Error(`Cannot estimate the time: must have a shape that can be trained here, ${why}`);
  }
  // Measuring takes a few updates and evaluations, all rows at once; compiling grows with the shape as well.
  const second = ordered.findLast((group) =>
    took * size(group) * group.rows / (size(first) * first.rows) < PATIENCE && size(group) > 2 * size(first)
  );
  if (second) await speedOf(second, engine, watched).then((speed) => known.set(second, speed), () => refused.add(second));
  const [low, high = low] = [...known].map(([group, speed]) => ({ at: Math.log(size(group)), speed }));
  return groups.map((group) => {
    if (refused.has(group)) return null;
    const share = high === low ? 0 : Math.min(1, Math.max(0, (Math.log(size(group)) - low.at) / (high.at - low.at)));
    return { flops: known.get(group) ?? low.speed + share * (high.speed - low.speed), measured: known.has(group) };
  });
}

/**
 * Operations per second of a shape as it will be trained, evaluations included: trains it for a moment. The first moment, in which kernels
 * are compiled, doesn't count.
 */
async function speedOf({ spec, rows, flop, updates }: Forecast, engine: Engine, watched: Watched = {}): Promise<number> {
  // Evaluations are timed by themselves, so that rare ones count too. On a processor, a run takes as long alone as beside others.
  const runs = Array.from({ length: engine.info.software ? 1 : rows }, (_, i): RunSpec => ({
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
    if (await time(() => advance(1)) < MEASURE) await trainer.evaluate();
    let n = 1, took = await time(() => advance(n));
    while (took < MEASURE / 2) took = await time(() => advance(n *= 2));
    const evaluation = await time(() => trainer.evaluate());
    const perUpdate = (took / n + evaluation / spec.schedule.evalEvery) / 1000;
    return flop / updates * trainer.rows.length / perUpdate;
  } finally {
    trainer.dispose();
  }
}
