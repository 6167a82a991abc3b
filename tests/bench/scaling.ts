/** How the native engine's speed changes as the work grows: `deno task bench --scaling`. */
import type { ScalingAxis, ScalingPoint } from "../../lib/bench_record.ts";
import { type WebGpuEngine, webgpuEngine } from "../../lib/engine/engine.ts";
import type { WebGpuTrainer } from "../../lib/engine/trainer.ts";
import { reason } from "../../lib/files.ts";
import { type RunSpec, runSpec } from "../../lib/spec.ts";
import { columns, digits, median } from "./table.ts";

/** So far away that no evaluation falls into the timed part. */
const NEVER = 2 ** 30;
/** A point at which one update takes longer, in s, is left out, and what lies beyond it on its axis. */
const PATIENCE = 10;

const powers = (from: number, to: number) => Array.from({ length: Math.log2(to / from) + 1 }, (_, i) => from * 2 ** i);
const AXES: Readonly<Record<Exclude<ScalingAxis, "rows">, readonly number[]>> = {
  dModel: powers(32, 512),
  layers: powers(1, 8),
  batch: powers(64, 2048),
};
/** On which axis R grows, and R on the others. */
const ROWS = { hardware: { axis: powers(1, 256), else: 32 }, software: { axis: powers(1, 8), else: 1 } };

/** The template, but for one thing. */
const at = (axis: ScalingAxis, value: number, seed: number): RunSpec =>
  runSpec({
    preset: "ai-scientist",
    ...(axis === "batch" ? { data: { batch: value } } : axis === "rows" ? {} : { model: { [axis]: value } }),
    schedule: { steps: NEVER, evalEvery: NEVER },
    seed,
  });

/** All points, each measured in every round, so that a machine's drift hits all alike. */
export async function scaling(rounds: number, seconds: number, say: (line: string) => void): Promise<readonly ScalingPoint[]> {
  const engine = await webgpuEngine(), { axis: rowsAxis, else: rows } = ROWS[engine.info.software ? "software" : "hardware"];
  const points = [
    ...rowsAxis.map((value) => ({ axis: "rows" as const, value, rows: value })),
    ...(Object.keys(AXES) as (keyof typeof AXES)[]).flatMap((axis) => AXES[axis].map((value) => ({ axis, value, rows }))),
  ].map((point) => ({ ...point, flop: engine.cost(at(point.axis, point.value, 0)).flop, runStepsPerSecond: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    for (const [i, point] of points.entries()) {
      const before = points[i - 1];
      // What didn't fit, or took too long, isn't tried again, and neither is more of it.
      if (point.runStepsPerSecond.length < round || (before?.axis === point.axis && before.runStepsPerSecond.length <= round)) continue;
      const { axis, value, rows } = point;
      if (round === 0) say(`${axis} ${value}, R ${rows}`);
      const rate = await measure(engine, Array.from({ length: rows }, (_, seed) => at(axis, value, seed)), seconds, say);
      if (rate !== null) point.runStepsPerSecond.push(rate);
    }
  }
  return points;
}

/** R × steps / s; `null` where the runs don't fit, or take too long. */
async function measure(
  engine: WebGpuEngine,
  specs: readonly RunSpec[],
  seconds: number,
  say: (line: string) => void,
): Promise<number | null> {
  let trainer: WebGpuTrainer;
  try {
    trainer = await engine.open(specs);
  } catch (error) {
    say(reason(error));
    return null;
  }
  const timed = async (steps: number) => {
    const began = performance.now();
    await Array.fromAsync(trainer.advance(steps));
    await trainer.gradient(specs.length - 1); // waits for the device
    return (performance.now() - began) / 1000;
  };
  try {
    if (trainer.rows.length < specs.length) return null;
    await timed(1); // compiles
    const once = await timed(1);
    if (once > PATIENCE) return null;
    const steps = Math.max(1, Math.ceil(seconds / once));
    return specs.length * steps / await timed(steps);
  } finally {
    trainer.dispose();
  }
}

/** Axis by axis: run-steps a second, the median of the rounds with least and most, and operations a second. */
export function scalingTable(points: readonly ScalingPoint[]): string {
  const rows = points.map(({ axis, value, rows, runStepsPerSecond: rates, flop }) => [
    axis,
    String(value),
    String(rows),
    ...rates.length === 0
      ? ["doesn't fit, or takes too long", "", ""]
      : [digits(median(rates)), `(${digits(Math.min(...rates))}–${digits(Math.max(...rates))})`, digits(median(rates) * flop / 1e9)],
  ]);
  return columns([["axis", "value", "R", "run-steps/s", "(min–max)", "GFLOP/s"], ...rows], 1).join("\n");
}
