/**
 * What an export would destroy in the folder that it writes into. A record that lies there may be the only copy of what it holds: its runs,
 * files and evaluations must all stand in the new one too, and what isn't a record's is not written over.
 */
import { relative } from "node:path";
import { reason, type Writing } from "../../run/files.ts";
import { inside } from "../../run/inside.ts";
import { inOneLine } from "../../run/quote.ts";
import { specHash } from "../../run/spec.ts";
import type { Artifact } from "../artifacts.ts";
import type { Lab } from "../store.ts";
import type { Sent } from "./artifacts.ts";
import { FILES, FORMAT, type Kept, type Recorded, type RecordedRun } from "./files.ts";
import { readRecorded } from "./read.ts";

/** The record that lies in a folder; without `recorded`, one that can't be read, and `wrong` says why. */
export interface Earlier {
  readonly recorded?: Recorded;
  readonly wrong?: string;
  /** Its files, in its folder. */
  readonly names: ReadonlySet<string>;
}

/** `null` where there is none. */
export function earlierIn(folder: string): Earlier | null {
  const text = (name: string) => Deno.readTextFileSync(inside(folder, name));
  try {
    if (JSON.parse(text(FILES.experiment)).format !== FORMAT) return null;
  } catch {
    return null;
  }
  try {
    const recorded = readRecorded(text), files = recorded.runs.flatMap(({ artifacts }) => artifacts.map(({ file }) => file));
    const tables = [...recorded.kept === "none" ? [] : [FILES.metrics], ...files.length === 0 ? [] : [FILES.artifacts]];
    return { recorded, names: new Set([FILES.experiment, FILES.runs, ...tables, ...files]) };
  } catch (error) {
    return { wrong: reason(error), names: new Set(Object.values(FILES)) };
  }
}

/** An export that is about to be written. */
export interface Export {
  readonly lab: Lab;
  readonly folder: string;
  readonly earlier: Earlier | null;
  readonly recorded: Recorded;
  readonly writing: readonly Writing[];
  /** What is to go along. */
  readonly options: { readonly metrics: Kept; readonly files?: readonly Sent[]; readonly ended?: boolean };
  /** Lines on files of the lab that are left out. */
  readonly leftOut: readonly string[];
}

/** @throws Error in one line with what would be lost, and how it goes along. */
export function assertNothingLost(next: Export): void {
  const { folder, earlier, recorded: { name }, leftOut } = next;
  const fail = (what: string): never => {
    throw new Error(`Cannot export ${name}: ${what}; --replace writes it all the same`);
  };
  const others = foreign(next);
  if (others.length > 0) {
    const has = `${counted(others.length, "file")}, the first is ${inOneLine(others[0])}`;
    fail(`${folder} must have no files that are no record's where this one's go, it has ${has}`);
  }
  if (!earlier) return;
  if (!earlier.recorded) {
    fail(`the record in ${folder} must be readable, so that nothing of it gets lost: ${inOneLine(earlier.wrong!, 500)}`);
  }
  const lost = losses(earlier.recorded!, next).filter(({ all }) => all.length > 0);
  if (lost.length === 0) return;
  const what = lost.map(({ all, one, many }) => `${counted(all.length, one, many)} (the first: ${all[0]})`).join(", ");
  const hints = [...new Set(lost.flatMap(({ hint }) => hint || []))].map((hint) => `; ${hint}`).join("");
  const why = leftOut.length > 0 ? `; ${leftOut[0].replace(/^The/, "the")}` : "";
  fail(`all that the record in ${folder} has must go along, it would lose ${what}${why}${hints}`);
}

const counted = (n: number, one: string, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

/** The files that would be written over, are no record's, and hold something else. */
function foreign({ folder, earlier, writing }: Export): string[] {
  const own = new Set([...earlier?.names ?? []].map((name) => inside(folder, name)));
  return writing.flatMap(([path, data]) => {
    if (own.has(path)) return [];
    const there = bytesOf(path);
    return there === null || isSame(there, data) ? [] : [relative(folder, path)];
  });
}

function bytesOf(path: string): Uint8Array | null {
  try {
    return isFile(path) ? Deno.readFileSync(path) : null;
  } catch {
    // There is none; whatever else is wrong, writing it says.
    return null;
  }
}

function isSame(a: Uint8Array, data: string | Uint8Array): boolean {
  const b = typeof data === "string" ? new TextEncoder().encode(data) : data;
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Things of one kind that would be lost, and how they go along. */
interface Loss {
  readonly one: string;
  readonly many?: string;
  readonly all: readonly string[];
  readonly hint?: string | false;
}

interface Pair {
  readonly hash: string;
  readonly run: RecordedRun;
  /** The same run as it is to be written. */
  readonly after: RecordedRun;
}

/** The steps up to which a run was evaluated or trained. */
const seen = ({ step, milestones }: RecordedRun) => Math.max(step, Number(milestones[0].last_step));

function losses(was: Recorded, next: Export): Loss[] {
  const { folder, recorded, options: { ended, files: sent = [], metrics } } = next;
  const now = new Map(recorded.runs.map((run) => [specHash(run.spec), run])), pairs: Pair[] = [], gone: string[] = [];
  for (const run of was.runs) {
    const hash = specHash(run.spec), after = now.get(hash);
    if (after) pairs.push({ hash, run, after });
    else gone.push(hash);
  }
  const further = pairs.filter(({ run, after }) => seen(run) > seen(after));
  const fewer = pairs.filter((pair) => losesEvaluations(was, pair, next));
  const files = pairs.flatMap((pair) => lostFiles(pair, next)), of = (kind: Lost["kind"]) => files.filter((file) => file.kind === kind);
  const brings = `deno task db import ${folder} brings them into the lab`;
  return [
    { one: "run", all: gone, hint: ended ? "without --ended all of the lab's go along" : brings },
    {
      ...{ one: "run further on than the lab's", many: "runs further on than the lab's", hint: brings },
      all: further.map(({ hash, run, after }) => `${hash} at step ${seen(run)}, the lab's at ${seen(after)}`),
    },
    {
      ...{
        one: "run's evaluations",
        many: "runs' evaluations",
        hint: metrics === "all" || metrics === was.kept ? brings : `--metrics ${was.kept} takes them along`,
      },
      all: fewer.map(({ hash, run, after }) => `${hash} with ${run.metrics.length}, it would have ${after.metrics.length}`),
    },
    {
      ...{ one: "file of weights", many: "files of weights", hint: !sent.includes("weights") && "--weights takes weights along" },
      all: of("weights").map(({ file }) => file),
    },
    { one: "trained network", all: of("network").map(({ file }) => file), hint: "--networks takes those of its seeds along" },
    {
      ...{ one: "attention log", hint: !sent.includes("attention") && "--attention takes logs along" },
      all: of("attention").map(({ file }) => file),
    },
  ];
}

function losesEvaluations(was: Recorded, { hash, run, after }: Pair, { lab, recorded }: Export): boolean {
  const isPart = lab.query("SELECT 1 FROM runs WHERE hash = ? AND thinned = 1", hash).length > 0;
  // As many as a figure needs, chosen from all: of more steps they are others.
  if (was.kept === "thin" && recorded.kept === "thin" && !isPart) return false;
  const steps = new Set(after.metrics.map(({ step }) => step)), { evalEvery } = run.spec.schedule, goesOn = seen(after) > seen(run);
  // One that goes on makes none where it ended between two evaluations.
  return run.metrics.some(({ step }) => !steps.has(step) && !(goesOn && step % evalEvery !== 0));
}

interface Lost {
  readonly kind: "attention" | "weights" | "network";
  readonly file: string;
}

/** The files of a run that lie in the record, and that the new one doesn't have. */
function lostFiles({ hash, run, after }: Pair, { lab, folder, options: { files: sent = [] } }: Export): Lost[] {
  const weights = ({ artifacts }: RecordedRun) => artifacts.filter(({ kind, step }) => kind === "weights" && step > 0);
  const isNetwork = ({ step }: Artifact) => step === run.step && (sent.includes("weights") || weights(run).length === 1);
  // The network of a run that has gone on takes the place of the one before, which only a record has.
  const isReplaced = ({ step }: Artifact) =>
    step === run.step && after.step > step && weights(after).some((file) => file.step === after.step) &&
    lab.query("SELECT 1 FROM artifacts a JOIN runs ON id = run WHERE hash = ? AND kind = 'weights' AND a.step = ?", hash, step).length ===
      0;
  const stays = (file: Artifact) => {
    const same = after.artifacts.find((each) => each.file === file.file);
    return file.kind === "weights" ? same !== undefined || isReplaced(file) : same !== undefined && same.step >= file.step;
  };
  return run.artifacts.filter((file) => !stays(file) && isFile(inside(folder, file.file))).map((file) => {
    const kind = file.kind !== "weights" ? "attention" : isNetwork(file) ? "network" : "weights";
    return { kind, file: file.file };
  });
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
