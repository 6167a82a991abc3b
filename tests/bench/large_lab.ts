/**
 * A lab as large as a cluster makes it, without the training: rows, bytes, and how long its views take.
 *
 *   deno run -A tests/bench/large_lab.ts FILE.db [--runs 10000] [--evaluations 4000]
 *
 * Makes the database where there is none, which takes minutes and, at its default size, 4 GB; then measures it and prints JSON. The curves
 * are drawn, not trained: a run memorises, and groks at a step that depends on its width, its weight decay and its seed, or never.
 */
import { parseArgs } from "node:util";
import type { Metrics } from "../../lib/engine/engine.ts";
import { type Experiment, grid, range } from "../../lib/lab/experiment.ts";
import { seal } from "../../lib/lab/seals.ts";
import { Lab } from "../../lib/lab/store.ts";
import { Random } from "../../lib/run/random.ts";
import type { RunSpec } from "../../lib/run/spec.ts";

/** The views that are asked, and questions of the kind that a figure asks of the evaluations themselves. */
const QUERIES: Readonly<Record<string, string>> = {
  run_summary: "SELECT * FROM run_summary",
  ratio_sweep_stats: "SELECT * FROM ratio_sweep_stats",
  phase_boundary: "SELECT * FROM phase_boundary",
  experiment_overview: "SELECT * FROM experiment_overview",
  provenance: "SELECT * FROM provenance",
  "the curve of one run": "SELECT step, val_acc FROM metrics WHERE run = 5000",
};

const EVERY = 10;

/** Widths, weight decays and moduli of a map, and as many seeds as make up the number of runs. */
function experiment(runs: number, evaluations: number): Experiment {
  const lists = { dModel: range(1, 11).map((n) => 16 * n), weightDecay: [0.1, 0.3, 1, 2, 3], prime: [23, 47] };
  const cells = lists.dModel.length * lists.weightDecay.length * lists.prime.length;
  const specs = grid({
    preset: "boundaries",
    model: { dModel: lists.dModel, heads: 1 },
    data: { prime: lists.prime },
    optim: { weightDecay: lists.weightDecay },
    schedule: { steps: EVERY * (evaluations - 1), evalEvery: EVERY },
    seed: range(Math.ceil(runs / cells)),
  });
  return { name: "large", question: "How large may a lab grow?", rule: "sustained", runs: specs.slice(0, runs) };
}

/** The evaluations of a run, drawn. */
function curves({ model, data, optim, schedule: { steps }, seed }: RunSpec): Metrics[] {
  const random = new Random(seed, "probe"), ratio = model.dModel / data.prime;
  const memorises = 200 + 300 * random.uniform(), groks = 4000 * (0.5 + random.uniform()) / (optim.weightDecay * ratio);
  const rise = (step: number, at: number, width: number) => 1 / (1 + Math.exp((at - step) / width));
  return range(steps / EVERY + 1).map((i) => {
    const step = EVERY * i, trainAcc = Math.min(1, rise(step, memorises, 30) + 1e-3), noise = random.uniform();
    const valAcc = Math.min(1, rise(step, groks, groks / 20) + 5e-3 * noise);
    return {
      step,
      trainLoss: Math.fround(5 * (1 - trainAcc) + 1e-3 * noise),
      trainAcc: Math.fround(trainAcc),
      valLoss: Math.fround(6 * (1 - valAcc) + 1e-2 * noise),
      valAcc: Math.fround(valAcc),
      weightNorm: Math.fround(30 + 10 * noise),
      gradNorm: Math.fround(noise),
      batchLoss: Math.fround(5 * (1 - trainAcc) + 1e-3 * noise),
      batchAcc: Math.fround(trainAcc),
      noisyAcc: NaN,
    };
  });
}

/** Runs that are stored at once. */
const TOGETHER = 20;

function make(path: string, { runs, evaluations }: { readonly runs: number; readonly evaluations: number }): void {
  using lab = Lab.open(path);
  const large = experiment(runs, evaluations), ids = lab.declare(large);
  const environment = lab.run(
    `INSERT INTO environments (engine, adapter, driver, software, system, processor, cores, deno, "commit")
     VALUES ('none', 'drawn', 'drawn', 1, 'none', 'none', 1, ?, 'none')`,
    Deno.version.deno,
  ).id;
  const now = new Date().toISOString();
  const session = lab.run(
    "INSERT INTO sessions (name, environment, command, started_at, seen_at, ended_at) VALUES ('drawn', ?, 'large_lab.ts', ?, ?, ?)",
    ...[environment, now, now, now],
  ).id;
  for (let from = 0; from < ids.length; from += TOGETHER) {
    lab.write(() => {
      for (const [i, id] of ids.slice(from, from + TOGETHER).entries()) {
        const spec = large.runs[from + i], metrics = curves(spec), { steps } = spec.schedule;
        lab.putMetrics(id, metrics);
        lab.putMilestones(id, metrics);
        lab.run("UPDATE runs SET status = 'finished', step = ? WHERE id = ?", steps, id);
        lab.run("INSERT INTO work VALUES (?, ?, 0, ?, 1)", session, id, steps);
        seal(lab, "run", id);
      }
    });
    if (from % 500 === 0) console.error(`${from} of ${ids.length} runs`);
  }
  lab.run("PRAGMA wal_checkpoint(TRUNCATE)");
}

/** Seconds of each query: the median of five, after one that warms up what the system keeps of the file. */
function measure(path: string): object {
  using lab = Lab.open(path, { readOnly: true });
  const [{ runs }] = lab.query<{ runs: number }>("SELECT count(*) AS runs FROM runs");
  const [{ evaluations }] = lab.query<{ evaluations: number }>("SELECT count(*) AS evaluations FROM metrics");
  const { size } = Deno.statSync(path);
  const time = (sql: string) => {
    const began = performance.now();
    lab.table(sql);
    return (performance.now() - began) / 1000;
  };
  const seconds = Object.fromEntries(
    Object.entries(QUERIES).map(([name, sql]) => {
      const first = time(sql), times = range(5).map(() => time(sql)).sort((a, b) => a - b);
      return [name, { first: round(first), median: round(times[2]) }];
    }),
  );
  return { runs, evaluations, bytes: size, bytesPerEvaluation: round(size / evaluations), seconds };
}

const round = (x: number) => Number(x.toPrecision(3));

if (import.meta.main) {
  const { values, positionals: [path] } = parseArgs({
    options: { runs: { type: "string", default: "10000" }, evaluations: { type: "string", default: "4000" } },
    allowPositionals: true,
  });
  if (path === undefined) throw new Error("Cannot make a large lab: must be given a file's path, there is none");
  const there = await Deno.stat(path).then(() => true, () => false);
  if (!there) make(path, { runs: Number(values.runs), evaluations: Number(values.evaluations) });
  console.log(JSON.stringify(measure(path), null, 2));
}
