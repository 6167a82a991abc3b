/** What a merge enters into the target's tables: runs with their evaluations and files, who trained them, experiments. */
import { stretches } from "../agreement.ts";
import { type Artifact, enterArtifact } from "../artifacts.ts";
import { enterResults, type Results } from "../results.ts";
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
    const { run, known } = each, now = target(into, run.hash);
    const id = now?.id ?? insert(into, "runs", pick(run, ["hash", "spec", "parameters", "shape"])).id;
    ids.set(run.id, id);
    // Since it was read, a session may have claimed it.
    const verdict = JSON.stringify(now) === JSON.stringify(known) || each.verdict === "less" ? each.verdict : "busy";
    if (verdict === "busy") {
      merged.left++;
      continue;
    }
    const taken = files.get(run.id) ?? [];
    let stored: Rows | undefined;
    if (verdict === "new" || verdict === "further") {
      merged[verdict === "new" ? "entered" : "further"]++;
      const evaluations = from.evaluations(run.id), entered = enterResults(into, id, resultsOf(from, into, run, id, evaluations, taken));
      touched.push(...entered.dropped.map(({ file }) => file));
      merged.evaluations += evaluations.length;
      stored = entered.evaluations;
    }
    if (verdict === "same") { for (const artifact of taken) enterArtifact(into, id, artifact); }
    merged.files += taken.length;
    enterWork(from, into, { ...each, verdict }, id, sessions);
    seal(into, "run", id, stored);
  }
  enterExperiments(from, into, ids);
  into.completeMilestones();
  return merged;
}

/** What the source has of a run, for the target. */
function resultsOf(from: Lab, into: Lab, run: RunRow, id: number, evaluations: Rows, files: readonly Artifact[]): Results {
  const { step, error, thinned } = run, status = run.session !== null || run.status === "training" ? "stopped" : run.status;
  const moments = () => {
    for (const table of ["milestones", "phases"]) {
      for (const row of from.query(`SELECT * FROM ${table} WHERE run = ?`, run.id)) insert(into, table, { ...row, run: id });
    }
  };
  return { status, step, error, thinned, evaluations, trained: stretches(from, run.id), files, moments };
}

/** Who trained a run; of one in two ways, only who went the one that stays. */
function enterWork(from: Lab, into: Lab, { run, verdict, differing }: Pair, id: number, sessions: ReadonlyMap<Value, number>): void {
  if (differing > 0 && verdict !== "further") return;
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
