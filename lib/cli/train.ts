/** `deno task train`: any number of seeds of one setting. Progress goes to stderr, results to stdout, files are written whole. */
import { milestones, RULES } from "../run/grokking.ts";
import { metricsCsv } from "../train/metrics_csv.ts";
import { initialise, parameterCount } from "../run/layout.ts";
import { dataset } from "../run/operations.ts";
import { type RunSpec, shapeKey, specHash } from "../run/spec.ts";
import { openEngine, type Run, snapshotOf, train } from "../train/train.ts";
import type { Engine, Snapshot } from "../engine/engine.ts";
import { saveCheckpoint, saveWeights } from "../train/weights.ts";
import { writeWhole } from "../run/files.ts";
import { prepareFile, prepareFolder } from "./files.ts";
import { run, stoppable } from "./main.ts";
import { Progress, type Speed } from "./progress.ts";
import { metricsBeside, readRequest, type Request, seedFile } from "./request.ts";
import { table } from "./table.ts";

/** Seconds between checkpoints, and between versions of the metrics file. */
const SAVE_EVERY = 60;

export async function main(args: string[]): Promise<number> {
  const request = await readRequest(args);
  if (typeof request === "string") {
    console.log(request);
    return 0;
  }
  await prepare(request);
  if (request.dumpData !== undefined) await writeWhole(request.dumpData, dataCsv(request.specs));
  const engine = await openEngine(request.engine);
  if (request.saveInit !== undefined) {
    for (const spec of request.specs) await saveWeights(seedFile(request.saveInit, spec.seed), spec, request.init ?? initialise(spec));
  }

  const progress = new Progress(engine.info, { untilGrokked: request.untilGrokked });
  const { result: runs, code } = await stoppable((signal) => trainAndSave(request, engine, progress, signal));
  report(request, engine, runs, progress.meter.total, code !== undefined);
  for (const { error } of runs) if (error !== undefined) console.error(`error: ${error}`);
  return code ?? (runs.some(({ status }) => status === "failed") ? 1 : 0);
}

/** Makes sure that all which is to be written can be, before hours of training. */
async function prepare({ metrics, dumpData, save, saveInit, checkpoint }: Request): Promise<void> {
  for (const [flag, path] of Object.entries({ "--metrics": metrics, "--dump-data": dumpData })) {
    if (path !== undefined) await prepareFile(flag, path);
  }
  const folders = { "--save": save, "--save-init": saveInit, "--checkpoint": checkpoint };
  for (const [flag, path] of Object.entries(folders)) if (path !== undefined) await prepareFolder(flag, path);
}

async function trainAndSave(request: Request, engine: Engine, progress: Progress, signal: AbortSignal): Promise<readonly Run[]> {
  const { specs, resume, history, init, checkpoint } = request;
  let saved = performance.now();
  let seen: readonly Run[] = [];
  const saveMetrics = async (runs: readonly Run[]) => {
    // Of a run whose turn hasn't come, what an earlier start saw of it.
    const seen = ({ spec: { seed }, metrics }: Run) => metrics.length > 0 ? metrics : history.get(seed) ?? [];
    const csv = metricsCsv(runs.map((run) => ({ seed: run.spec.seed, metrics: seen(run) })));
    if (request.metrics !== undefined) await writeWhole(request.metrics, csv);
    if (checkpoint !== undefined) await writeWhole(metricsBeside(checkpoint), csv);
    saved = performance.now();
  };
  const saveState = async (run: Run, state: Snapshot) => {
    if (checkpoint !== undefined) await saveCheckpoint(seedFile(checkpoint, run.spec.seed), state);
  };
  try {
    const runs = await train(specs, {
      engine,
      signal,
      untilGrokked: request.untilGrokked,
      rule: RULES[request.rule],
      begin: ({ seed }) => {
        const from = resume.get(seed) ?? init;
        return { history: history.get(seed) ?? [], ...from && { from } };
      },
      checkpointSeconds: SAVE_EVERY,
      ...checkpoint !== undefined && { onCheckpoint: saveState },
      onProgress: async (news, runs) => {
        seen = runs;
        progress.update(news, runs);
        if (performance.now() - saved > SAVE_EVERY * 1000) await saveMetrics(runs);
      },
      onEnd: async (run) => {
        if (!run.snapshot) return;
        await saveState(run, run.snapshot);
        if (request.save !== undefined) await saveWeights(seedFile(request.save, run.spec.seed), run.spec, run.snapshot.params);
      },
      keepSnapshots: false,
    });
    // So that --resume finds every seed, also those that were not begun.
    for (const run of runs) {
      if (run.status === "stopped" && run.step === 0) await saveState(run, resume.get(run.spec.seed) ?? snapshotOf(run.spec, init));
    }
    seen = runs;
    return runs;
  } finally {
    progress.done();
    if (seen.length > 0) await saveMetrics(seen);
  }
}

function dataCsv(specs: readonly RunSpec[]): string {
  const rows = specs.flatMap(({ data, seed }) => {
    const { a, b, target, trainCount } = dataset(data, seed);
    return Array.from(a, (_, i) => `${seed},${i < trainCount ? "train" : "val"},${a[i]},${b[i]},${target[i]}\n`);
  });
  return `seed,split,a,b,target\n${rows.join("")}`;
}

/** What came of it, on stdout: for people, or for programs. */
function report(request: Request, { info }: Engine, runs: readonly Run[], speed: Speed, stopped: boolean): void {
  if (!request.json) return console.log(resultTable(runs));
  const { seed: _, ...spec } = request.specs[0];
  const rule = RULES[request.rule];
  const summary = {
    engine: info.engine,
    adapter: info.adapter,
    driver: info.driver,
    software: info.software,
    versions: { deno: Deno.version.deno },
    spec,
    shape: shapeKey(request.specs[0]),
    parameters: parameterCount(request.specs[0]),
    grokked_means: { rule: request.rule, ...rule },
    stopped,
    steps_per_second: speed.steps,
    run_steps_per_second: speed.runSteps,
    runs: runs.map(({ spec, status, step, metrics, error }) => {
      const { memorisationStep, grokkingStep, delay, censored } = milestones(metrics, rule);
      const last = metrics.at(-1);
      return {
        seed: spec.seed,
        hash: specHash(spec),
        status,
        steps: step,
        memorisation_step: memorisationStep,
        grokking_step: grokkingStep,
        delay,
        censored,
        final: last
          ? {
            step: last.step,
            train_loss: last.trainLoss,
            train_acc: last.trainAcc,
            val_loss: last.valLoss,
            val_acc: last.valAcc,
            weight_norm: last.weightNorm,
          }
          : null,
        ...error !== undefined && { error },
      };
    }),
  };
  console.log(JSON.stringify(summary, null, 2));
}

/** The milestones of every run, a line each. */
export function resultTable(runs: readonly Run[]): string {
  const percent = (share: number | undefined) => share === undefined ? "–" : `${(100 * share).toFixed(1)} %`;
  const rows = runs.map(({ spec, step, status, memorisationStep, grokkingStep, metrics }) => {
    const delay = memorisationStep === null || grokkingStep === null ? null : grokkingStep - memorisationStep;
    const last = metrics.at(-1);
    return [
      spec.seed,
      memorisationStep ?? "–",
      grokkingStep ?? `> ${last?.step ?? 0}`,
      delay ?? "–",
      step,
      percent(last?.trainAcc),
      percent(last?.valAcc),
      status,
    ];
  });
  return table([
    ["seed", "memorised", "grokked", "delay", "updates", "train acc", "val acc", "status"],
    ...rows.map((row) => row.map(String)),
  ]);
}

if (import.meta.main) await run(main);
