/** What a lab has already of an experiment, as far as whoever sweeps it may not expect it. */
import { specHash } from "../run/spec.ts";
import type { Experiment } from "./experiment.ts";
import { standingOf } from "./standing.ts";
import type { Lab } from "./store.ts";

/** How many runs the lab's experiment of this name has that this one doesn't ask for: other grids had its name. */
export function unasked(lab: Lab, { name, runs }: Experiment): number {
  const members = lab.query<{ hash: string }>(
    "SELECT hash FROM members m JOIN experiments e ON e.id = m.experiment JOIN runs r ON r.id = m.run WHERE e.name = ?",
    name,
  );
  if (members.length === 0) return 0;
  const asked = new Set(runs.map(specHash));
  return members.filter(({ hash }) => !asked.has(hash)).length;
}

/** Runs that go on where another engine left them. */
export interface Taken {
  readonly runs: number;
  /** The engines that left them there. */
  readonly engines: readonly string[];
}

/** The last training of each run whose state is stored, where another engine than this one did it. */
const LEFT_BY_OTHERS = `
  SELECT DISTINCT hash, engine FROM environments e CROSS JOIN sessions s ON s.environment = e.id CROSS JOIN work w ON w.session = s.id
    CROSS JOIN runs r ON r.id = w.run
  WHERE engine <> ? AND NOT thinned AND w.to_step > w.from_step AND w.to_step = (SELECT max(to_step) FROM work WHERE run = r.id)
    AND EXISTS (SELECT 1 FROM artifacts WHERE run = r.id AND kind = 'checkpoint')`;

/** The runs of an experiment that are left to do, and that this engine goes on with where another one left them. */
export function takenOver(lab: Lab, experiment: Experiment, engine: string): Taken {
  const left = new Map(lab.query<{ hash: string; engine: string }>(LEFT_BY_OTHERS, engine).map((row) => [row.hash, row.engine]));
  if (left.size === 0) return { runs: 0, engines: [] };
  const open = experiment.runs.flatMap((spec) => {
    const by = left.get(specHash(spec));
    return by !== undefined && standingOf(lab, experiment, spec).open ? [by] : [];
  });
  return { runs: open.length, engines: [...new Set(open)].sort() };
}
