/** What a merge enters into the target's tables: runs with their evaluations and files, who trained them, experiments. */
import { type Artifact, artifacts, dropArtifact, enterArtifact } from "../artifacts.ts";
import type { RunRow } from "../schema.ts";
import { seal } from "../seals.ts";
import type { Lab, Row, Rows, Value } from "../store.ts";
import { type Pair, target } from "./pair.ts";

export interface Merged {
  /** Runs of the source: all, those that the target didn't have, and those of which the source had more. */
  readonly runs: number;
  readonly entered: number;
  readonly further: number;
  /** What was entered with them. */
  readonly evaluations: number;
  readonly files: number;
}

/** The files that are to be entered, by the source's runs; and all files that may have to be removed in the end. */
export interface Copies {
  readonly files: ReadonlyMap<number, readonly Artifact[]>;
  readonly touched: string[];
}

/** All that is entered, in one transaction of the target. */
export function enter(from: Lab, into: Lab, pairs: readonly Pair[], { files, touched }: Copies): Merged & { readonly left: number } {
  for (const rule of from.rules()) into.rule(rule);
  const sessions = enterSessions(from, into), ids = new Map<Value, number>();
  const merged = { runs: pairs.length, entered: 0, further: 0, evaluations: 0, files: 0, left: 0 };
  for (const each of pairs) {
    const { run, known, differing } = each, now = target(into, run.hash);
    const id = now?.id ?? insert(into, "runs", pick(run, ["hash", "spec", "parameters", "shape"])).id;
    ids.set(run.id, id);
    // Since it was read, a session may have claimed it.
    const verdict = JSON.stringify(now) === JSON.stringify(known) || each.verdict === "less" ? each.verdict : "busy";
    if (verdict === "busy") merged.left++;
    else enterWork(from, into, { ...each, verdict }, id, sessions);
    if (verdict === "less") seal(into, "run", id);
    if (verdict === "busy" || verdict === "less") continue;
    if (verdict === "new") merged.entered++;
    if (verdict === "further") merged.further++;
    const evaluations = verdict === "same" ? undefined : enterState(from, into, run, id);
    merged.evaluations += evaluations?.length ?? 0;
    const taken = files.get(run.id) ?? [];
    merged.files += taken.length;
    if (verdict === "further") {
      // Files of a training with other bits, or of an earlier step.
      for (const stored of artifacts(into, id)) {
        const { kind, step, file } = stored;
        // Weights at other steps belong to the same training.
        if (differing === 0 && !taken.some((each) => each.kind === kind && (kind !== "weights" || each.step === step))) continue;
        dropArtifact(into, id, stored);
        touched.push(file);
      }
    }
    for (const artifact of taken) enterArtifact(into, id, artifact);
    seal(into, "run", id, evaluations);
  }
  enterExperiments(from, into, ids);
  into.completeMilestones();
  return merged;
}

/** How far a run is, its evaluations, milestones and phases, in place of what is there. @returns the evaluations. */
function enterState(from: Lab, into: Lab, run: RunRow, id: number): Rows {
  const status = run.session !== null || run.status === "training" ? "stopped" : run.status;
  into.run(
    "UPDATE runs SET status = ?, step = ?, thinned = ?, error = ?, session = NULL WHERE id = ?",
    ...[status, run.step, run.thinned, run.error, id],
  );
  for (const table of ["metrics", "milestones", "phases"]) into.run(`DELETE FROM ${table} WHERE run = ?`, id);
  for (const table of ["milestones", "phases"]) {
    for (const row of from.query(`SELECT * FROM ${table} WHERE run = ?`, run.id)) insert(into, table, { ...row, run: id });
  }
  const evaluations = from.evaluations(run.id);
  into.putEvaluations(id, evaluations);
  return evaluations;
}

/** Who trained a run; of one in two ways, only who went the one that stays. */
function enterWork(from: Lab, into: Lab, { run, verdict, differing }: Pair, id: number, sessions: ReadonlyMap<Value, number>): void {
  if (differing > 0 && verdict !== "further") return;
  if (differing > 0) into.run("DELETE FROM work WHERE run = ?", id);
  for (const { session, from_step, to_step, seconds } of from.query("SELECT * FROM work WHERE run = ?", run.id)) {
    into.run(
      "INSERT INTO work VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET to_step = excluded.to_step, seconds = excluded.seconds WHERE excluded.to_step > to_step",
      ...[sessions.get(session)!, id, from_step, to_step, seconds],
    );
  }
}

/** @returns the target's ids by the source's. */
function enterSessions(from: Lab, into: Lab): Map<Value, number> {
  const environments = new Map(
    from.query("SELECT * FROM environments").map(({ id, ...row }) => {
      const names = Object.keys(row).map((name) => `"${name}"`), values = Object.values(row);
      const same = into.query<{ id: number }>(`SELECT id FROM environments WHERE (${names}) = (${values.map(() => "?")})`, ...values);
      return [id, same[0]?.id ?? insert(into, "environments", row).id];
    }),
  );
  return new Map(
    from.query("SELECT * FROM sessions ORDER BY id").map(({ id, name, environment, command, started_at, seen_at, ended_at }) => {
      // In the target it counts as ended when it last wrote, until a later merge says otherwise.
      into.run(
        `INSERT INTO sessions (name, environment, command, started_at, seen_at, ended_at) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at, ended_at = excluded.ended_at WHERE excluded.seen_at > seen_at`,
        ...[name, environments.get(environment)!, command, started_at, seen_at, ended_at ?? seen_at],
      );
      return [id, into.query<{ id: number }>("SELECT id FROM sessions WHERE name = ?", name)[0].id];
    }),
  );
}

/**
 * Experiments by name. Where both have one, the target's question, rule and margin stay; their runs come together, the larger number of
 * steps each.
 */
function enterExperiments(from: Lab, into: Lab, ids: ReadonlyMap<Value, number>): void {
  for (const { id, ...row } of from.query<Row & { id: number; name: string }>("SELECT * FROM experiments ORDER BY id")) {
    const [known] = into.query<{ id: number }>("SELECT id FROM experiments WHERE name = ?", row.name);
    const members = from.query("SELECT run, steps FROM members WHERE experiment = ?", id).filter(({ run }) => ids.has(run));
    if (members.length === 0) continue;
    const experiment = known?.id ?? insert(into, "experiments", row).id;
    const changes = members.map(({ run, steps }) =>
      into.run(
        "INSERT INTO members VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET steps = excluded.steps WHERE excluded.steps > steps",
        ...[experiment, ids.get(run)!, steps],
      ).changes
    );
    if (changes.some((n) => n > 0)) into.describe(experiment);
  }
}

function insert(into: Lab, table: string, row: Row): { readonly id: number } {
  const names = Object.keys(row).map((name) => `"${name}"`), values = Object.values(row);
  return into.run(`INSERT INTO ${table} (${names}) VALUES (${values.map(() => "?")})`, ...values);
}

const pick = (row: Row, names: readonly string[]): Row => Object.fromEntries(names.map((name) => [name, row[name]]));
