/** Trains runs of a lab again from their seeds and compares: the processor engine promises the same bits on every machine. */
import type { Engine } from "../engine/engine.ts";
import { METRIC_COLUMNS, METRIC_NAMES, type MetricName, METRICS, type Metrics } from "../run/metrics.ts";
import type { RunSpec } from "../run/spec.ts";
import { type Run, train } from "../train/train.ts";
import { agreement, type Agrees } from "./agreement.ts";
import type { Finding } from "./check/finding.ts";
import type { Lab } from "./store.ts";
import { bringTaken } from "./taken.ts";

export interface Retrained {
  readonly findings: readonly Finding[];
  /** How many runs were trained again, and how many there are that could be. */
  readonly runs: number;
  readonly of: number;
  /** Evaluations compared. */
  readonly evaluations: number;
}

/** A run that was trained on nothing but an engine like this one, and the step of its last evaluation. */
interface Candidate {
  readonly id: number;
  readonly hash: string;
  readonly last: number;
}

/**
 * Trains some runs of the lab again, spread evenly over those that an engine of the same kind trained, and compares every evaluation that
 * is stored of them, as `agreement` says. Changes nothing.
 * @param count how many runs at most.
 * @param engine one whose bits depend on nothing but its `engine` and `driver`.
 * @throws Error in one line where the lab has no such run.
 */
export async function retrain(lab: Lab, count: number, engine: Engine, signal?: AbortSignal): Promise<Retrained> {
  const { info } = engine;
  const all = lab.query<{ id: number; hash: string; last: number }>(
    `SELECT r.id, r.hash, max(m.step) AS last FROM runs r JOIN metrics m ON m.run = r.id
     WHERE r.status IN ('finished', 'grokked', 'stopped') AND EXISTS (SELECT 1 FROM work WHERE run = r.id) AND NOT EXISTS (
       SELECT 1 FROM work w JOIN sessions s ON s.id = w.session JOIN environments e ON e.id = s.environment
       WHERE w.run = r.id AND (e.engine, e.driver) <> (?, ?))
     GROUP BY r.id ORDER BY r.id`,
    info.engine,
    info.driver,
  );
  if (all.length === 0) {
    const others = lab.query<{ name: string }>(
      `SELECT DISTINCT engine || ', ' || driver AS name FROM work JOIN sessions s ON s.id = session JOIN environments e ON e.id = environment
       WHERE (engine, driver) <> (?, ?) ORDER BY name`,
      ...[info.engine, info.driver],
    ).map(({ name }) => name);
    const both = mixed(lab, info), also = both > 0 ? `, ${both} of them on ${info.engine}, ${info.driver} as well` : "";
    const has = others.length === 0 ? "it has none" : `its runs were trained on ${others.join(" and ")}${also}`;
    const needs = `must have some that were trained on ${info.engine}, ${info.driver}`;
    throw new Error(
      `Cannot train runs again: ${lab.path} ${needs}, ${has}; deno task sweep --engine ${info.engine} --db NEW.db trains such`,
    );
  }
  const chosen = all.filter((_, i) => Math.floor((i + 1) * count / all.length) > Math.floor(i * count / all.length));
  const specs = chosen.map(({ id, last }): RunSpec => lab.spec(id, last)), findings: Finding[] = [];
  let evaluations = 0, runs = 0;
  await bringTaken(lab, specs);
  await train(specs, {
    engine,
    ...signal && { signal },
    keepSnapshots: false,
    onEnd: (run) => {
      if (run.status === "stopped") return;
      const candidate = chosen[run.index], stored = lab.metrics(candidate.id, candidate.last);
      findings.push(...differences(candidate, stored, run, agreement(lab, candidate.id)));
      evaluations += stored.length;
      runs++;
    },
  });
  return { findings, runs, of: all.length, evaluations };
}

/** How many runs an engine like this one trained in part, and another one too. */
function mixed(lab: Lab, { engine, driver }: Engine["info"]): number {
  return lab.query(
    `SELECT run FROM work JOIN sessions s ON s.id = session JOIN environments e ON e.id = environment
     GROUP BY run HAVING min((engine, driver) = (?1, ?2)) < max((engine, driver) = (?1, ?2))`,
    ...[engine, driver],
  ).length;
}

/** The first evaluation that isn't the stored one, if any. */
function differences({ hash }: Candidate, stored: readonly Metrics[], run: Run, agrees: Agrees): Finding[] {
  const again = new Map(run.metrics.map((metrics) => [metrics.step, metrics]));
  for (const metrics of stored) {
    const found = again.get(metrics.step);
    const isKnown = (name: MetricName) => !(METRICS[name].later && Number.isNaN(metrics[name]));
    const name = found ? METRIC_NAMES.find((name) => isKnown(name) && !agrees(name, metrics.step, metrics[name], found[name])) : "step";
    if (name === undefined) continue;
    const what = found
      ? `its ${METRIC_COLUMNS[name]} ${metrics[name]} must come again, trained anew it is ${found[name]}`
      : "it must come again";
    return [{ about: "evaluations", text: `run ${hash} at step ${metrics.step}: ${what}` }];
  }
  return [];
}
