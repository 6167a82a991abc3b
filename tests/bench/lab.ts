/** What the lab and live figures add to training, and how fast the lab takes and gives: `deno task bench --lab`. */
import { join } from "node:path";
import { firstGrok } from "../../lib/studies/lessons/first_grok.ts";
import { dashboard } from "../../lib/figures/dashboard.ts";
import { grid, range } from "../../lib/lab/experiment.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep } from "../../lib/lab/sweep.ts";
import { watch } from "../../lib/notebook/show.ts";
import { openEngine } from "../../lib/train/engines.ts";
import { train } from "../../lib/train/train.ts";
import type { Metrics } from "../../lib/engine/engine.ts";
import { added, inTurns } from "./turns.ts";

export interface LabFigures {
  /** Time of a sweep over that of the bare trainer on the same runs, of each round. */
  readonly overhead: readonly number[];
  /** The same for the lesson's live dashboard, drawn as in a notebook but shown to nobody. */
  readonly live: readonly number[];
  /** Seconds for a million evaluations. */
  readonly ingest: number;
  /** Seconds that each view takes over 400 runs and 4 million evaluations: the median of five. */
  readonly views: Readonly<Record<string, number>>;
}

const VIEWS = ["run_summary", "ratio_sweep_stats", "phase_boundary", "experiment_overview"];

export async function labFigures(rounds: number, say: (line: string) => void): Promise<LabFigures> {
  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  try {
    say("overhead: sweep, live dashboard and bare trainer in turns");
    const overhead = await overheads(rounds, folder);
    say("4 million evaluations");
    return { ...overhead, ...tables(join(folder, "large.db")) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The lesson's setting, evaluated as often as the published experiments: every tenth update. */
async function overheads(rounds: number, folder: string): Promise<Pick<LabFigures, "overhead" | "live">> {
  const engine = await openEngine();
  const runs = range(8).map((seed) => firstGrok({ seed, schedule: { steps: 600, evalEvery: 10 } }));
  const works = [
    () => train(runs, { engine, keepSnapshots: false }),
    async (round: number) => {
      using lab = Lab.open(join(folder, `${round}.db`));
      await sweep({ name: "overhead", runs }, { lab, engine });
    },
    () => watch(runs, { engine, figure: dashboard, inside: true }),
  ];
  await works[0](0);
  const times = await inTurns(works, rounds);
  return { overhead: times.map(([bare, swept]) => swept / bare), live: times.map(([bare, , watched]) => watched / bare) };
}

function tables(path: string): Omit<LabFigures, "overhead" | "live"> {
  using lab = Lab.open(path);
  const runs = grid({
    preset: "boundaries",
    optim: { weightDecay: [0.01, 0.1, 1, 3] },
    model: { dModel: [72, 96, 120, 144, 192, 240, 288, 388, 776, 1552] },
    schedule: { steps: 99_990 },
    seed: range(10),
  });
  const ids = lab.declare({ name: "large", rule: "sustained", runs });
  const metrics = range(10_000).map((n): Metrics => {
    const acc = n / 10_000;
    return {
      step: 10 * n,
      trainLoss: 1 / (n + 1),
      trainAcc: 1,
      valLoss: 2,
      valAcc: acc,
      weightNorm: 30,
      gradNorm: 1,
      batchLoss: 0.1,
      batchAcc: acc,
      noisyAcc: NaN,
    };
  });
  let ingest = NaN;
  const began = performance.now();
  for (const [i, id] of ids.entries()) {
    // As much as a sweep stores at once when it evaluates often.
    for (let from = 0; from < metrics.length; from += 1000) lab.write(() => lab.putMetrics(id, metrics.slice(from, from + 1000)));
    if (i === 99) ingest = (performance.now() - began) / 1000;
  }
  lab.write(() => {
    for (const id of ids) {
      lab.putMilestones(id);
      lab.run("UPDATE runs SET status = 'finished', step = 99990 WHERE id = ?", id);
    }
  });
  const median = (sql: string) => {
    const times = range(5).map(() => {
      const began = performance.now();
      lab.query(sql);
      return (performance.now() - began) / 1000;
    });
    return times.sort((a, b) => a - b)[2];
  };
  return { ingest, views: Object.fromEntries(VIEWS.map((view) => [view, median(`SELECT * FROM ${view}`)])) };
}

/** The figures beside what they must be. */
export function labTable({ overhead, live, ingest, views }: LabFigures): string {
  return [
    `a sweep over the bare trainer     ${added(overhead)}, to be below 5 %`,
    `a live dashboard over it          ${added(live)}, to be below 5 %`,
    `1 million evaluations stored      ${ingest.toFixed(2)} s, to be below 5 s`,
    ...Object.entries(views).map(([view, seconds]) =>
      `${view.padEnd(33)} ${seconds.toFixed(3)} s over 400 runs and 4 million evaluations${
        view === "phase_boundary" ? ", to be below 0.5 s" : ""
      }`
    ),
  ].join("\n");
}
