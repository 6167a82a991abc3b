/** `deno task train`: any number of seeds of one setting. Progress goes to stderr, results to stdout, files are written whole. */
import { basename } from "node:path";
import { followUp } from "../analysis/runs/follow_up.ts";
import { type Engine, kindOf, type Snapshot } from "../engine/engine.ts";
import { removeEmpty, writeAll, writeWhole, type Writing } from "../run/files.ts";
import { RULES } from "../run/grokking.ts";
import { initialise, parameterCount } from "../run/layout.ts";
import { METRIC_COLUMNS, metricsIn } from "../run/metrics.ts";
import { dataset } from "../run/operations.ts";
import { type RunSpec, shapeKey, specHash } from "../run/spec.ts";
import { CheckpointFolder, metricsBeside, seedFile } from "../train/checkpoints.ts";
import { counted, findGap } from "../train/history.ts";
import { metricsCsv } from "../train/metrics_csv.ts";
import { Pace } from "../train/pace.ts";
import { type Run, snapshotOf, train } from "../train/train.ts";
import { isCheckpoint, saveWeights, weightsFile } from "../train/weights.ts";
import { type Open, open as openEngine } from "./engine.ts";
import { prepare, type Target } from "./files.ts";
import { stoppable } from "./main.ts";
import { delayOf, resultTable } from "./milestones.ts";
import { Progress, type Speed } from "./progress.ts";
import { readRequest, type Request } from "./request.ts";
import { runTraining } from "./restart.ts";
import { say, tell } from "./terminal.ts";

/** Seconds between checkpoints, and between versions of the files of metrics, once training has gone on for a while. */
const SAVE_EVERY = 60;

/** What tests replace. */
interface Means {
  readonly open?: Open;
  /** Seconds between saves. */
  readonly saveEvery?: number;
}

export async function main(args: string[], { open = openEngine, saveEvery = SAVE_EVERY }: Means = {}): Promise<number> {
  const request = await readRequest(args);
  if (typeof request === "string") {
    tell(request);
    return 0;
  }
  const made = await prepare(targets(request), request.inputs);
  try {
    return await trainAll(request, open, saveEvery);
  } catch (error) {
    await removeEmpty(made);
    throw error;
  }
}

async function trainAll(request: Request, open: Open, saveEvery: number): Promise<number> {
  await mustNotReplace(request);
  using folder = await openFolder(request);
  if (request.dumpData !== undefined) await writeWhole(request.dumpData, dataCsv(request.specs));
  const engine = await open(request.engine, say);
  for (const line of [...request.notes, ...gaps(request), ...otherEngines(request, engine)]) say(line);

  const progress = new Progress(engine.info, { untilGrokked: request.untilGrokked });
  const files = new Files(request, folder, kindOf(engine.info), saveEvery);
  const { result: runs, code } = await stoppable((signal) => trainAndSave(request, engine, progress, files, signal));
  report(request, engine, runs, progress.meter.total, code !== undefined);
  for (const { error } of runs) if (error !== undefined) say(`error: ${error}`);
  return code ?? (runs.some(({ status }) => status === "failed") ? 1 : 0);
}

/** All that is to be written. */
function targets({ specs, metrics, dumpData, save, saveInit, checkpoint }: Request): Target[] {
  const files = specs.map(({ seed }) => basename(seedFile("", seed)));
  const file = (flag: string, path?: string): Target[] => path === undefined ? [] : [{ flag, path, kind: "file" }];
  const folder = (flag: string, path?: string): Target[] => path === undefined ? [] : [{ flag, path, kind: "folder", files }];
  return [
    ...folder("--checkpoint", checkpoint),
    ...folder("--save", save),
    ...folder("--save-init", saveInit),
    ...checkpoint === undefined || checkpoint.trim() === "" ? [] : file("--checkpoint", metricsBeside(checkpoint)),
    ...file("--metrics", metrics),
    ...file("--dump-data", dumpData),
  ];
}

/** Fails where weights would be written over a checkpoint, which holds more than they do. */
async function mustNotReplace({ specs, save, saveInit }: Request): Promise<void> {
  for (const [flag, folder] of Object.entries({ "--save": save, "--save-init": saveInit })) {
    for (const { seed } of folder === undefined ? [] : specs) {
      const path = seedFile(folder!, seed);
      if (await isCheckpoint(path)) throw new Error(`Cannot write ${flag} ${folder}: must have no checkpoints, ${path} is one`);
    }
  }
}

async function openFolder({ specs, resume, resumeFrom, checkpoint }: Request): Promise<CheckpointFolder | null> {
  if (checkpoint === undefined) return null;
  const same = resumeFrom !== undefined && await Deno.realPath(resumeFrom) === await Deno.realPath(checkpoint);
  const resumed = new Map(same ? [...resume].map(([seed, { state }]) => [seed, state] as const) : []);
  return await CheckpointFolder.open(checkpoint, { specs, resumed });
}

/** A line about each resumed run whose earlier evaluations aren't all there. */
function gaps({ specs, resume }: Request): string[] {
  return specs.flatMap((spec) => {
    const { state, metrics } = resume.get(spec.seed) ?? {}, step = state?.step ?? 0;
    const gap = findGap(counted(metrics ?? [], spec, step), spec, step);
    if (!gap) return [];
    const which = gap.first === gap.last
      ? `the evaluation at step ${gap.first} is`
      : `evaluations from step ${gap.first} to ${gap.last} are`;
    return [`seed ${spec.seed}: ${which} missing; what it reached from there on is unknown`];
  });
}

/** A line where runs go on that another kind of engine trained: from here on, their bits are those of neither alone. */
function otherEngines({ resume }: Request, { info }: Engine): string[] {
  const others = new Set([...resume.values()].flatMap(({ trainedOn }) => trainedOn).filter((kind) => kind !== kindOf(info)));
  return others.size === 0 ? [] : [`going on with ${kindOf(info)}; so far trained on ${[...others].join("; ")}`];
}

/** The kinds of engines that trained a run up to a step. */
function trainedOn({ resume }: Request, kind: string, seed: number, step: number): readonly string[] {
  const { state, trainedOn = [] } = resume.get(seed) ?? {};
  return step > (state?.step ?? 0) ? [...new Set([...trainedOn, kind])] : trainedOn;
}

/** The files that are written while runs train. A run's state and its evaluations go into one file, at once. */
class Files {
  readonly #pace: Pace;
  #begun = false;

  constructor(readonly request: Request, readonly folder: CheckpointFolder | null, readonly kind: string, readonly saveEvery: number) {
    this.#pace = new Pace(saveEvery);
  }

  /** Saves where every seed begins, once: so --resume finds all of them from then on, also those whose turn hasn't come. */
  async begin(): Promise<void> {
    const { folder, request: { specs, resume, init, saveInit } } = this;
    if (this.#begun) return;
    this.#begun = true;
    if (saveInit !== undefined) {
      const files = specs.values().map((spec): Writing => [
        seedFile(saveInit, spec.seed),
        weightsFile(spec, init ?? initialise(spec)),
      ]);
      await writeAll(files);
    }
    if (!folder) return;
    const lacking = specs.values().filter(({ seed }) => !folder.has(seed)).map((spec) => {
      const { state, metrics, trainedOn = [] } = resume.get(spec.seed) ?? {};
      return { state: state ? { ...state, spec } : snapshotOf(spec, init), metrics: metrics ?? [], trainedOn };
    });
    await folder.begin(lacking);
    await folder.saveMetrics();
  }

  async save({ spec, metrics }: Run, state: Snapshot): Promise<void> {
    await this.folder?.save({ ...state, spec }, metrics, trainedOn(this.request, this.kind, spec.seed, state.step));
  }

  /** The files of metrics, now and then. */
  async look(runs: readonly Run[]): Promise<void> {
    if (this.#pace.due) await this.#pace.save(() => this.saveMetrics(runs));
  }

  async saveMetrics(runs: readonly Run[]): Promise<void> {
    const { kept, metrics: path } = this.request;
    await this.folder?.saveMetrics();
    if (path === undefined) return;
    const trained = runs.map(({ spec: { seed }, metrics }) => ({ seed, metrics }));
    const all = [...[...kept].map(([seed, metrics]) => ({ seed, metrics })), ...trained];
    await writeWhole(path, metricsCsv(kept.size === 0 ? all : all.sort((a, b) => a.seed - b.seed)));
  }
}

async function trainAndSave(request: Request, engine: Engine, progress: Progress, files: Files, signal: AbortSignal) {
  const { specs, resume, init, checkpoint, save } = request;
  let seen: readonly Run[] = [];
  try {
    seen = await train(specs, {
      engine,
      signal,
      untilGrokked: request.untilGrokked,
      rule: RULES[request.rule],
      known: ({ seed }) => {
        const checkpoint = resume.get(seed);
        return checkpoint && { from: checkpoint.state, history: checkpoint.metrics ?? [] };
      },
      begin: ({ seed }) => {
        const { state = init, metrics } = resume.get(seed) ?? {};
        return { history: metrics ?? [], ...state && { from: state } };
      },
      checkpointSeconds: files.saveEvery,
      ...checkpoint !== undefined && { onCheckpoint: (run, state) => files.save(run, state) },
      onProgress: async (news, runs) => {
        seen = runs;
        // Not before the engine has taken the runs: what it refuses leaves no checkpoints.
        await files.begin();
        progress.update(news, runs);
        await files.look(runs);
      },
      onEnd: async (run) => {
        if (!run.snapshot) return;
        await files.save(run, run.snapshot);
        if (save !== undefined) await saveWeights(seedFile(save, run.spec.seed), run.spec, run.snapshot.params);
      },
      keepSnapshots: false,
    });
    await files.begin();
    return seen;
  } finally {
    progress.done();
    if (seen.length > 0) await files.saveMetrics(seen);
  }
}

function dataCsv(specs: readonly RunSpec[]): string {
  const rows = specs.flatMap(({ data, seed }) => {
    const { a, b, target, answer, trainCount } = dataset(data, seed);
    return Array.from(a, (_, i) => `${seed},${i < trainCount ? "train" : "val"},${a[i]},${b[i]},${target[i]},${answer[i]}\n`);
  });
  return `seed,split,a,b,target,answer\n${rows.join("")}`;
}

/** What came of it, on stdout: for people, or for programs. */
function report(request: Request, { info }: Engine, runs: readonly Run[], speed: Speed, stopped: boolean): void {
  if (!request.json) return tell(resultTable(runs));
  const { spec, takenApart } = common(request.specs), rule = RULES[request.rule];
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
    runs: runs.map((run) => {
      const { spec, status, step, metrics, gap, memorisationStep, grokkingStep, error } = run, last = metrics.at(-1);
      return {
        seed: spec.seed,
        hash: specHash(spec),
        ...takenApart && { taken: spec.model.taken },
        status,
        steps: step,
        trained_on: trainedOn(request, kindOf(info), spec.seed, step),
        memorisation_step: memorisationStep,
        grokking_step: grokkingStep,
        delay: delayOf({ memorisationStep, grokkingStep }),
        censored: grokkingStep === null && !gap,
        known_until: gap ? null : followUp(run).known,
        // What a run reached at these steps or later is unknown where its milestones are null.
        ...gap && { missing_evaluations: { first_step: gap.first, last_step: gap.last } },
        // What has no value, as the gradient's norm of a run taken up at its last step, is null.
        final: last ? Object.fromEntries(metricsIn([last]).map((name) => [METRIC_COLUMNS[name], last[name]])) : null,
        ...error !== undefined && { error },
      };
    }),
  };
  tell(JSON.stringify(summary, null, 2));
}

/** The setting that all runs have, without their seeds; where each takes over tensors of another state, also without `model.taken`. */
function common([{ seed: _, ...first }, ...others]: readonly RunSpec[]) {
  const takenApart = others.some(({ model }) => model.taken !== first.model.taken), { taken: _taken, ...model } = first.model;
  return { spec: takenApart ? { ...first, model } : first, takenApart };
}

if (import.meta.main) await runTraining(main);
