/** What several tests of the lab need: a scratch folder, a lab's content without what differs from one start to the next, and its check. */
import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { Lab, type Row } from "../../lib/lab/store.ts";
import { verify } from "../../lib/lab/verify.ts";
import { METRIC_COLUMNS, METRIC_NAMES } from "../../lib/run/metrics.ts";

/** Calls the work with the paths of files in a new folder, which is gone afterwards. */
export async function scratch<T>(work: (path: (name: string) => string) => T | Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "lab-" });
  try {
    return await work((name) => join(folder, name));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Copies a lab that nobody has open, with the files of its runs. */
export function copyLab(from: string, to: string): void {
  const files = (db: string) => db.replace(/\.db$/, ".files");
  Deno.copyFileSync(from, to);
  Deno.mkdirSync(files(to));
  for (const { name } of Deno.readDirSync(files(from))) Deno.copyFileSync(join(files(from), name), join(files(to), name));
}

/** All that a lab knows of its runs, by their hashes: no ids, no times, no sessions. Files by their checksums. */
export function content(path: string): Record<string, Row[]> {
  using lab = Lab.open(path, { readOnly: true });
  return {
    runs: lab.query("SELECT hash, spec, parameters, shape, status, step, error, thinned FROM runs ORDER BY hash"),
    metrics: lab.query(`SELECT hash, ${METRIC_NAMES.map((name) => `m.${METRIC_COLUMNS[name]}`)} FROM metrics m JOIN runs ON id = run
      ORDER BY hash, m.step`),
    milestones: lab.query(
      `SELECT hash, rule, memorisation_step, grokking_step, delay, censored, last_step, passing_since, dips, dip_depth, time_below
      FROM milestones JOIN runs ON id = run ORDER BY hash, rule`,
    ),
    phases: lab.query(
      `SELECT hash, rule, first_step, memorised_step, transition_step, generalised_step, last_step FROM phases JOIN runs ON id = run
      ORDER BY hash, rule`,
    ),
    artifacts: lab.query("SELECT hash, kind, a.step, bytes, sha256 FROM artifacts a JOIN runs ON id = run ORDER BY hash, kind, a.step"),
    members: lab.query(`SELECT name, hash, steps FROM members m JOIN experiments e ON e.id = m.experiment JOIN runs r ON r.id = run
      ORDER BY name, hash`),
    rules: lab.query("SELECT * FROM rules ORDER BY name"),
  };
}

/** Verify finds nothing wrong with it. */
export async function isWhole(path: string): Promise<void> {
  using lab = Lab.open(path, { readOnly: true });
  assertEquals((await verify(lab)).findings, []);
}
