/** How an engine's speed changes as the work grows: `deno task bench --scaling`. */
import type { ExecutorEngine } from "../../lib/engine/executor_engine.ts";
import { type NativeName, openNative } from "../../lib/engine/open.ts";
import type { RowTrainer } from "../../lib/engine/trainer.ts";
import { reason } from "../../lib/run/files.ts";
import { type RunSpec, runSpec } from "../../lib/run/spec.ts";
import { columns, digits, median } from "./table.ts";
import { stepsOfTurn } from "./turns.ts";
import type { ScalingAxis, ScalingPoint } from "../../lib/analysis/speed.ts";

/** So far away that no evaluation falls into the timed part. */
const NEVER = 2 ** 30;
/** A point at which one update takes longer, in s, is left out, and what lies beyond it on its axis. */
const PATIENCE = 10;

const powers = (from: number, to: number) => Array.from({ length: Math.log2(to / from) + 1 }, (_, i) => from * 2 ** i);
const AXES: Readonly<Record<Exclude<ScalingAxis, "rows" | "threads">, readonly number[]>> = {
  dModel: powers(32, 512),
  layers: powers(1, 8),
  batch: powers(64, 2048),
};
/** On which axis R grows, and R on the others; where threads grow, there are twice as many runs as processors. */
const ROWS = { hardware: { axis: powers(1, 256), else: 32 }, software: { axis: powers(1, 8), else: 1 } };

/** The template, but for one thing. */
const at = (axis: ScalingAxis, value: number, seed: number): RunSpec =>
  runSpec({
    preset: "ai-scientist",
    ...(axis === "batch" ? { data: { batch: value } } : axis === "rows" || axis === "threads" ? {} : { model: { [axis]: value } }),
    schedule: { steps: NEVER, evalEvery: NEVER },
    seed,
  });

/** All points, each opened once, for that takes longer than a turn where runs are many, and measured `rounds` times there. */
export async function scaling(
  name: NativeName,
  rounds: number,
  seconds: number,
  say: (line: string) => void,
): Promise<readonly ScalingPoint[]> {
  const whole = await openNative(name), { info: { software } } = whole, cores = navigator.hardwareConcurrency;
  const { axis: rowsAxis, else: others } = ROWS[software || name === "cpu" ? "software" : "hardware"];
  const threads = name === "cpu" ? { threads: [...new Set([...powers(1, 2 ** Math.floor(Math.log2(cores))), cores])] } : {};
  const points: ScalingPoint[] = [];
  for (const [axis, values] of Object.entries({ rows: rowsAxis, ...AXES, ...threads }) as [ScalingAxis, readonly number[]][]) {
    let beyond = false; // What lies beyond what didn't fit, or took too long, isn't tried.
    for (const value of values) {
      const rows = axis === "rows" ? value : axis === "threads" ? 2 * cores : others;
      const engine = axis === "threads" ? await openNative(name, { threads: value }) : whole;
      const specs = Array.from({ length: rows }, (_, seed) => at(axis, value, seed));
      if (!beyond) say(`${axis} ${value}, R ${rows}`);
      const runStepsPerSecond: readonly number[] = beyond ? [] : await measure(engine, specs, rounds, seconds, say);
      beyond = runStepsPerSecond.length === 0;
      points.push({ axis, value, rows, runStepsPerSecond, flop: engine.cost(specs[0]).flop });
    }
  }
  return points;
}

/** R × steps / s of each turn; none where the runs don't fit, or take too long. */
async function measure(
  engine: ExecutorEngine,
  specs: readonly RunSpec[],
  rounds: number,
  seconds: number,
  say: (line: string) => void,
): Promise<number[]> {
  let trainer: RowTrainer;
  try {
    trainer = await engine.open(specs);
  } catch (error) {
    say(reason(error));
    return [];
  }
  const timed = async (steps: number) => {
    const began = performance.now();
    await Array.fromAsync(trainer.advance(steps)); // which ends when the device is done
    return (performance.now() - began) / 1000;
  };
  try {
    if (trainer.rows.length < specs.length) return [];
    await timed(1); // compiles
    const steps = await stepsOfTurn(async (steps) => ({ steps, seconds: await timed(steps) }), seconds, PATIENCE);
    const rates: number[] = [];
    for (let round = 0; steps !== null && round < rounds; round++) rates.push(specs.length * steps / await timed(steps));
    return rates;
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
