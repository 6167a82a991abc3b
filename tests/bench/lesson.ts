/** The first lesson's training on both of our engines, evaluations included: `deno task bench --lesson`. */
import { type NativeName, openNative } from "../../lib/engine/open.ts";
import type { RunSpec } from "../../lib/run/spec.ts";
import { firstGrok, SEEDS } from "../../lib/studies/lessons/first_grok.ts";
import { train } from "../../lib/train/train.ts";
import { columns, median } from "./table.ts";
import { inTurns } from "./turns.ts";

const ENGINES: readonly NativeName[] = ["cpu", "webgpu"];
/** Of the lesson's 3000, so many updates tell the speed. */
const STEPS = 200;

export interface LessonFigures {
  readonly runs: number;
  readonly steps: number;
  /** By engine: its device, and how long each round took, in s. */
  readonly engines: Readonly<Record<NativeName, { readonly device: string; readonly seconds: readonly number[] }>>;
  /** Time of `webgpu` over that of `cpu`, of each round. */
  readonly ratios: readonly number[];
}

export async function lessonFigures(rounds: number, say: (line: string) => void): Promise<LessonFigures> {
  const specs: readonly RunSpec[] = SEEDS.map((seed) => firstGrok({ seed, schedule: { steps: STEPS } }));
  const opened = await Promise.all(ENGINES.map((name) => openNative(name)));
  const works = opened.map((engine) => () => train(specs, { engine, keepSnapshots: false }));
  say(`${specs.length} runs of the lesson, ${STEPS} updates and their evaluations, on ${ENGINES.join(" and ")} in turns`);
  for (const work of works) await work();
  const times = await inTurns(works, rounds);
  const of = (i: number) => ({ device: opened[i].info.adapter, seconds: times.map((round) => round[i] / 1000) });
  return {
    runs: specs.length,
    steps: STEPS,
    engines: { cpu: of(0), webgpu: of(1) },
    ratios: times.map(([cpu, webgpu]) => webgpu / cpu),
  };
}

/** One row per engine, and how many times as fast `cpu` is. */
export function lessonTable({ runs, steps, engines, ratios }: LessonFigures): string {
  const figure = (values: readonly number[], digits: number) => {
    const sorted = values.toSorted((a, b) => a - b);
    return `${median(sorted).toFixed(digits)} (${sorted[0].toFixed(digits)} to ${sorted.at(-1)!.toFixed(digits)})`;
  };
  return [
    ...columns([
      ["engine", "device", "seconds"],
      ...ENGINES.map((name) => [name, engines[name].device, figure(engines[name].seconds, 2)]),
    ], 2),
    `${runs} runs, ${steps} updates, evaluations included: cpu is ${figure(ratios, 1)} times as fast as webgpu`,
  ].join("\n");
}
