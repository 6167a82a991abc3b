/**
 * `deno task sweep`: the runs of an experiment into the lab, from wherever the last sweep left off. Progress goes to stderr, results to
 * stdout.
 */
import { resolve } from "node:path";
import { EXPERIMENTS } from "../studies/mod.ts";
import type { Experiment } from "../lab/experiment.ts";
import type { Engine } from "../engine/engine.ts";
import { withLab } from "../lab/opening.ts";
import { Lab } from "../lab/store.ts";
import { bringTaken } from "../lab/taken.ts";
import { type Axes, type BoundaryMap, boundaryMap, edgesOf, sweepBoundary } from "../lab/boundary.ts";
import { part, type Shard } from "../lab/shards.ts";
import { asPlanned, left, standing, sweep, type SweepOptions, type SweptRun } from "../lab/sweep.ts";
import { withoutAttention } from "../lab/attention.ts";
import { runSpec } from "../run/spec.ts";
import { commandLine } from "../run/command.ts";
import { quote } from "../run/quote.ts";
import { takenTensors } from "../run/taken.ts";
import { dryRun } from "./dry_run.ts";
import { ENGINE_FLAGS, type EngineRequest, engineRequest, open } from "./engine.ts";
import { database, dbFlag, exists, prepare, prepareFolder } from "./files.ts";
import { type Flag, flagHelp, parse, seconds, whole } from "./flags.ts";
import { GRID_HELP, gridFile } from "./grid_file.ts";
import { oneLine, stoppable } from "./main.ts";
import { LAB } from "./process.ts";
import { plural } from "./progress.ts";
import { runTraining } from "./restart.ts";
import { readSending, send, SENDING, type Sending } from "./send.ts";
import { StatusFile } from "./status_file.ts";
import { fewerSteps, sweepStatus } from "./sweep_status.ts";
import { table } from "./table.ts";
import { moreRuns, otherEngines } from "./sweep_notes.ts";
import { SweepProgress, tally } from "./sweep_progress.ts";
import { say, tell } from "./terminal.ts";

export const FLAGS: Record<string, Flag> = {
  "experiment": { value: "NAME", help: "one of those below" },
  "grid": { value: "FILE.json", help: "your own, like the one below" },
  "db": { value: "FILE", help: "the lab's database; checkpoints lie beside it [data/lab.db]" },
  "dry-run": {
    help: "say what it would take: runs, shapes, parameters, memory, disk, time on this adapter; trains for a moment to measure that",
  },
  "boundary": {
    value: "X[,Y]",
    help: "of the grid, train only the runs that show where success turns into failure over these fields: optim.weightDecay,model.dModel",
  },
  "steps": { value: "N", help: "updates of every run, in place of the experiment's; more can be added later" },
  "limit": { value: "N", help: "train no more than so many runs" },
  "budget": { value: "TIME", help: "stop in time and store what is done: 90s, 8m, 2.5h" },
  "save-every": { value: "TIME", help: "how often to store the states of the runs in training: a power cut loses no more than that [60s]" },
  "shard": { value: "I/N", help: "part I of N, from 0: the same runs on any machine, each part into a database of its own" },
  ...ENGINE_FLAGS,
  "status": {
    help: "how far it is: runs by state, share of the work done, rate, time left, what has stopped reporting; " +
      "counted to the lab's steps unless --steps names others, of tasks to those that they were sent with",
  },
  ...SENDING,
  "help": { help: "this text" },
};

/** Flags that make no sense beside those that train nothing. */
const APART: readonly (readonly [string, readonly string[]])[] = [
  ["status", ["dry-run", "boundary", "limit", "status-file"]],
  ["dry-run", ["boundary", "status-file"]],
];

interface Request {
  readonly experiment: Experiment;
  /** The same with the runs of all parts. */
  readonly whole: Experiment;
  readonly db: string;
  readonly engine: EngineRequest;
  readonly dryRun: boolean;
  readonly boundary?: Axes;
  readonly limit?: number;
  /** Seconds. */
  readonly budget?: number;
  readonly saveEvery: number;
  readonly status: boolean;
  /** Whether `--steps` names them. */
  readonly steps: boolean;
  /** How it is to be spread over tasks. */
  readonly sending?: Sending;
  /** Where to write how far it is. */
  readonly statusFile?: string;
  /** Files that were read, by flag. */
  readonly reads: Readonly<Record<string, string | undefined>>;
}

export async function main(args: string[]): Promise<number> {
  const request = await readRequest(args);
  if (typeof request === "string") {
    tell(request);
    return 0;
  }
  const { experiment, db, sending, statusFile } = request;
  if (request.status) {
    tell(await sweepStatus(experiment, db, request.steps, request.whole));
    return 0;
  }
  if (sending) return await send(experiment, db, sending);
  if (request.dryRun) {
    const lab = await exists(db) ? Lab.open(db, { readOnly: true }) : null;
    const todo = lab ? left(lab, experiment) : experiment.runs.map((spec) => ({ spec, updates: spec.schedule.steps }));
    let engine: Engine;
    try {
      if (lab) await bringTaken(lab, todo.map(({ spec }) => spec));
      else for (const { spec } of todo) takenTensors(spec.model.taken);
      engine = await open(request.engine, say);
      if (lab) { for (const line of notes(lab, request, engine)) say(line); }
    } finally {
      lab?.close();
    }
    await dryRun(experiment, todo.slice(0, request.limit), engine);
    return 0;
  }
  if (statusFile !== undefined) {
    await prepare([{ flag: "--status-file", path: statusFile, kind: "file" }], { ...request.reads, "--db": resolve(db) });
  }
  const file = statusFile === undefined ? null : new StatusFile(statusFile);
  try {
    return await trainHere(request, args, file);
  } catch (error) {
    await file?.fail(oneLine(error)).catch(() => {});
    throw error;
  }
}

const notes = (lab: Lab, { experiment, whole }: Request, engine: Engine) => [
  ...moreRuns(lab, whole),
  ...otherEngines(lab, experiment, engine.info.engine),
];

async function trainHere(request: Request, args: readonly string[], file: StatusFile | null): Promise<number> {
  // First, so that a machine that can't train gets no empty database.
  const engine = await open(request.engine, say);
  return await withLab(request.db, (lab) => trainInto(lab, engine, request, args, file), { say });
}

async function trainInto(lab: Lab, engine: Engine, request: Request, args: readonly string[], file: StatusFile | null): Promise<number> {
  const { experiment, db, budget, limit } = request;
  if (await exists(lab.folder)) await prepareFolder("--db's files", lab.folder);
  for (const line of notes(lab, request, engine)) say(line);
  const progress = new SweepProgress(engine, { name: experiment.name, mayEndEarly: (experiment.margin ?? null) !== null });
  // Of a boundary's grid only what is wanted of it counts.
  if (!request.boundary) await file?.update(standing(lab, experiment).map(({ run }) => run));
  let wrong = false, map: BoundaryMap | undefined;
  const { result: runs, code } = await stoppable(async (signal) => {
    try {
      const options: SweepOptions = {
        lab,
        engine,
        signal,
        command: commandLine("deno task sweep", args),
        say: (line) => {
          wrong = true;
          progress.line(`error: ${line}`);
        },
        onProgress: async (news, runs) => {
          progress.update(news, runs);
          await file?.update(runs);
        },
        checkpointSeconds: request.saveEvery,
        // The clock of performance.now() starts with the process.
        ...budget !== undefined && { deadline: 1000 * budget },
        ...limit !== undefined && { limit },
      };
      if (!request.boundary) return await sweep(experiment, options);
      map = await sweepBoundary(experiment, {
        ...options,
        axes: request.boundary,
        onRound: ({ wanted }) => progress.line(`next: ${plural(wanted.length, "run")} at the boundary, of ${experiment.runs.length}`),
      });
      return standing(lab, experiment).map(({ run }) => run).filter(({ status }) => status !== "waiting");
    } finally {
      progress.done();
    }
  });
  await file?.end(runs);
  for (const { error } of runs) if (error !== undefined) say(`error: ${error}`);
  if (map && request.boundary) tell(boundaryTable(map, request.boundary));
  tell(report(lab, experiment, runs, db));
  return code ?? (wrong || runs.some(({ status }) => status === "failed") ? 1 : 0);
}

async function readRequest(args: string[]): Promise<Request | string> {
  if (args.length === 0 || args.includes("--help")) return help();
  const given = parse(args, FLAGS);
  const text = (name: string) => given.get(name) as string | undefined;
  if (given.has("experiment") === given.has("grid")) {
    throw new Error("Cannot begin a sweep: must have either --experiment or --grid; --help lists the experiments");
  }
  for (const [flag, others] of APART) {
    const other = given.has(flag) ? others.find((name) => given.has(name)) : undefined;
    if (other !== undefined) throw new Error(`Cannot use --${other} with --${flag}: must be one of them`);
  }
  let experiment = given.has("grid") ? await gridFile(text("grid")!) : named(text("experiment")!);
  if (given.has("steps")) {
    const steps = whole("steps", text("steps")!, 0);
    experiment = { ...experiment, runs: experiment.runs.map((spec) => runSpec({ ...spec, schedule: { ...spec.schedule, steps } })) };
  }
  const all = experiment, shard = given.has("shard") ? shardOf(text("shard")!) : undefined;
  if (shard) {
    experiment = { ...experiment, runs: part(experiment.runs, shard) };
    if (experiment.runs.length === 0) {
      throw new Error(`Cannot read --shard: must have a run, part ${text("shard")} of ${experiment.name} has none`);
    }
  }
  const sending = readSending(given);
  const boundary = given.has("boundary") ? axesOf(text("boundary")!, experiment) : undefined;
  return {
    experiment,
    whole: all,
    ...boundary && { boundary },
    db: database(text("db") ?? (shard ? LAB.replace(/\.db$/, `.shard-${shard.index}-of-${shard.count}.db`) : LAB)),
    engine: engineRequest(given),
    dryRun: given.has("dry-run"),
    status: given.has("status"),
    steps: given.has("steps"),
    ...sending && { sending },
    ...given.has("status-file") && { statusFile: text("status-file")! },
    reads: { "--grid": text("grid") },
    ...given.has("limit") && { limit: whole("limit", text("limit")!, 1) },
    saveEvery: seconds("save-every", text("save-every") ?? "60s"),
    ...given.has("budget") && { budget: seconds("budget", text("budget")!) },
  };
}

function named(name: string): Experiment {
  const found = EXPERIMENTS.find((experiment) => experiment.name === name);
  if (!found) {
    const names = EXPERIMENTS.map((experiment) => experiment.name).join(", ");
    throw new Error(`Cannot read --experiment: must be one of ${names}, current value is ${quote(name)}`);
  }
  return found;
}

function shardOf(text: string): Shard {
  const [index, count] = (text.match(/^(\d+)\/(\d+)$/) ?? []).slice(1).map(Number);
  if (!(index < count)) throw new Error(`Cannot read --shard: must be like 0/3, 1/3 or 2/3, current value is ${quote(text)}`);
  return { index, count };
}

/** Two fields of the grid, checked before anything is opened. */
function axesOf(text: string, { runs }: Experiment): Axes {
  const [x, y, ...more] = text.split(",").map((part) => part.trim());
  if (!x || y === "" || more.length > 0) {
    throw new Error(
      `Cannot read --boundary: must be one field or two, like optim.weightDecay,model.dModel, current value is ${quote(text)}`,
    );
  }
  if (x === y) throw new Error(`Cannot read --boundary: must be two different fields, current value is ${quote(text)}`);
  const axes = y === undefined ? { x } : { x, y };
  boundaryMap(runs, axes, runs.map(() => null));
  return axes;
}

/** At each y, between which values of x success turns. */
function boundaryTable(map: BoundaryMap, { x, y }: Axes): string {
  const edges = edgesOf(map), open = map.wanted.length > 0 ? ` (${plural(map.wanted.length, "run")} still wanted)` : "";
  if (edges.length === 0) return `no boundary along ${x}${open}`;
  const rows = edges.map((edge) => [
    ...y === undefined ? [] : [String(edge.y)],
    ...edge.rises ? [String(edge.to), String(edge.from)] : [String(edge.from), String(edge.to)],
  ]);
  return `${table([[...y === undefined ? [] : [y], `most grok at ${x}`, "and not at"], ...rows])}${open && `\n${open.trim()}`}`;
}

/** What came of it, and what to do next. */
export function report(lab: Lab, experiment: Experiment, runs: readonly SweptRun[], db: string): string {
  const { name } = experiment, bare = withoutAttention(lab, experiment).length, planned = asPlanned(lab, experiment);
  const open = runs.filter(({ status }) => status === "waiting" || status === "stopped").length;
  return [
    `${name}: ${plural(runs.length, "run")}, ${tally(runs).replaceAll("  ", ", ")}`,
    ...planned === experiment ? [] : [fewerSteps(experiment, planned)],
    ...open > 0 ? ["The same command goes on."] : [],
    ...bare > 0
      ? [`${plural(bare, "run")} without attention, trained before: --db NEW.db trains with it, and deno task db merge NEW.db brings it.`]
      : [],
    `${["deno task db", ...dbFlag(db)].join(" ")} query "SELECT * FROM ratio_sweep_stats WHERE experiment = '${name}'"`,
  ].join("\n");
}

function help(): string {
  const width = Math.max(...EXPERIMENTS.map(({ name }) => name.length));
  const experiments = EXPERIMENTS.map(({ name, runs, question = "" }) =>
    `  ${name.padEnd(width)}  ${String(runs.length).padStart(4)} runs  ${question}`
  );
  return `Trains the runs of an experiment that aren't done yet, as many at once as fit, and stores all of it in the lab's database.
If it is stopped or killed, the same command continues from there.

  deno task sweep --experiment NAME | --grid FILE.json [flags]

${flagHelp("Flags", Object.entries(FLAGS))}
Experiments
${experiments.join("\n")}

${GRID_HELP}
`;
}

if (import.meta.main) await runTraining(main);
