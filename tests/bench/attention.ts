/** What watching attention adds to training: `deno task bench --attention`. */
import { type WebGpuEngine, webgpuEngine } from "../../lib/engine/webgpu/engine.ts";
import { hyperWords } from "../../lib/engine/hyper.ts";
import type { ListName } from "../../lib/engine/op.ts";
import { plan } from "../../lib/engine/plan.ts";
import { firstGrok } from "../../lib/studies/lessons/first_grok.ts";
import { range } from "../../lib/lab/experiment.ts";
import { type RunSpec, runSpec } from "../../lib/run/spec.ts";
import { train } from "../../lib/train/train.ts";
import { added, inTurns, percent } from "./turns.ts";

export interface AttentionFigures {
  readonly work: string;
  /** Time with the log over time without, of each round. */
  readonly watched: readonly number[];
  /** Time without the log over time without: what a ratio of this size is worth on this machine. */
  readonly noise: readonly number[];
  /** Time of the kernels, each by itself between two timestamps, with the log over without; `null` where the adapter has none. */
  readonly kernels: number | null;
  /** Floating-point operations with it over those without, counted, not timed. */
  readonly operations: number;
}

/** Both are evaluated as often as the published experiments, every tenth update, which is where the log is paid for. */
const WORKS: readonly { readonly name: string; readonly runs: readonly RunSpec[] }[] = [
  {
    name: "the lesson: 4 runs of 1 × 32, p 47, all examples an update",
    runs: range(4).map((seed) => firstGrok({ seed, schedule: { steps: 100, evalEvery: 10 } })),
  },
  {
    name: "the template in small: 2 runs of 2 × 64, p 47, 128 examples an update",
    runs: range(2).map((seed) =>
      runSpec({ model: { dModel: 64 }, data: { prime: 47, batch: 128 }, schedule: { steps: 100, evalEvery: 10 }, seed })
    ),
  },
];

export async function attentionFigures(rounds: number, say: (line: string) => void): Promise<readonly AttentionFigures[]> {
  const engine = await webgpuEngine(), figures: AttentionFigures[] = [];
  for (const { name, runs } of WORKS) {
    say(`${name}: with the log, without and without again, in turns`);
    const without = () => train(runs, { engine, keepSnapshots: false });
    const works = [without, () => train(runs, { engine, keepSnapshots: false, attention: {} }), without];
    for (const work of works.slice(0, 2)) await work();
    const times = await inTurns(works, rounds);
    const operations = engine.cost(runs[0], { attention: {} }).flop / engine.cost(runs[0]).flop;
    figures.push({
      work: name,
      watched: times.map(([off, on]) => on / off),
      noise: times.map(([off, , again]) => again / off),
      kernels: await kernelTime(engine, runs[0]),
      operations,
    });
  }
  return figures;
}

/** What the kernels of the log add to those of the updates between two evaluations and of an evaluation, for one run. */
async function kernelTime({ executor }: WebGpuEngine, spec: RunSpec): Promise<number | null> {
  const made = plan(spec, { attention: {} }), queue = await executor.open(await executor.lower(made, 1), 1);
  if (!queue) return null;
  queue.write("hyper", 0, hyperWords(spec));
  const time = async (list: ListName) => {
    const timings = await queue.time(list, 9, 1);
    return timings?.reduce((sum, { milliseconds }) => sum + milliseconds, 0) ?? NaN;
  };
  const without = spec.schedule.evalEvery * (await time("batch") + await time("step")) + await time("elements") +
    made.chunks * (await time("chunk")) +
    (await time("endOfEvaluation"));
  const log = await time("attention");
  queue.dispose();
  return Number.isNaN(log) ? null : 1 + log / without;
}

/** The figures beside what they must be. */
export const attentionTable = (figures: readonly AttentionFigures[]): string =>
  figures.map(({ work, watched, noise, kernels, operations }) =>
    [
      work,
      `  watching attention      ${added(watched)}, to be below 5 %`,
      `  the same work again     ${added(noise)}`,
      ...kernels === null ? [] : [`  its kernels, timed      ${percent(kernels)}, one by one`],
      `  operations, counted     ${percent(operations)}`,
    ].join("\n")
  ).join("\n");
