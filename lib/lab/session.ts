/**
 * A session: one process at work on a lab. It claims runs, so that no other trains them too, and stores what becomes of them.
 *
 * While it lives it holds a lock on a file of its own beside the database; the system lets go of it when the process ends, in whatever way. So a
 * session without an end whose lock is free was killed, and its runs are anybody's. A run's evaluations are stored as they come, and its state now
 * and then; taken up again it goes on from the last state, and evaluations that were stored beyond it are replaced by equal ones.
 */
import { join } from "node:path";
import { checksum, reason, writeWhole } from "../files.ts";
import type { Beginning, Run } from "../train.ts";
import type { EngineInfo, Metrics, Snapshot } from "../trainer.ts";
import { checkpointFile, loadCheckpoint } from "../weights.ts";
import { environment } from "./environment.ts";
import { type Lab, specOf } from "./store.ts";

export interface SessionOptions {
  readonly info: EngineInfo;
  /** How it was started, as typed. */
  readonly command: string;
  /** Hears of what went wrong but didn't stop the work, a line each. */
  readonly say?: (line: string) => void;
}

export class Session {
  readonly #lab: Lab;
  readonly #lock: Lock;
  readonly #say: (line: string) => void;
  /** Of every run claimed: where it began here, and when. */
  readonly #claims = new Map<number, { readonly from: number; readonly since: number }>();
  #unstored: { readonly run: number; readonly metrics: Metrics }[] = [];
  #stored = performance.now();

  private constructor(lab: Lab, readonly id: number, lock: Lock, say: (line: string) => void) {
    this.#lab = lab;
    this.#lock = lock;
    this.#say = say;
  }

  static async open(lab: Lab, { info, command, say = console.error }: SessionOptions): Promise<Session> {
    const { engine, adapter, driver, software, system, processor, cores, deno, commit } = await environment(info);
    const name = crypto.randomUUID();
    // The lock comes first: a session without one counts as dead.
    const lock = takeLock(lab, name);
    try {
      const id = lab.write(() => {
        const values = [engine, adapter, driver, Number(software), system, processor, cores, deno, commit];
        const columns = `engine, adapter, driver, software, system, processor, cores, deno, "commit"`;
        lab.run(`INSERT OR IGNORE INTO environments (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, ...values);
        const [{ id }] = lab.query<{ id: number }>(
          `SELECT id FROM environments WHERE (${columns}) = (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          ...values,
        );
        const now = new Date().toISOString();
        return lab.run(
          "INSERT INTO sessions (name, environment, command, started_at, seen_at) VALUES (?, ?, ?, ?, ?)",
          ...[name, id, command, now, now],
        ).id;
      });
      const session = new Session(lab, id, lock, say);
      await session.#tidy(session.recover());
      return session;
    } catch (error) {
      drop(lock);
      throw error;
    }
  }

  /** Frees the runs of sessions that were killed. @returns how many sessions there are beside this one. */
  recover(): number {
    const others = this.#lab.query<{ id: number; name: string }>(
      "SELECT id, name FROM sessions WHERE ended_at IS NULL AND id <> ?",
      this.id,
    );
    const dead = others.filter(({ name }) => isGone(this.#lab, name));
    for (const { id, name } of dead) {
      this.#lab.write(() => {
        this.#lab.run("UPDATE sessions SET ended_at = seen_at WHERE id = ?", id);
        this.#lab.run("UPDATE runs SET session = NULL, status = 'stopped' WHERE session = ?", id);
      });
      remove(lockPath(this.#lab, name));
    }
    return others.length - dead.length;
  }

  /**
   * Takes a run for this session. @returns where it begins: at its last state, or from its seed where there is none or its file is broken, which is
   * said; `null` where it isn't open any more: another session has it, or has done it.
   */
  async claim(run: number, steps: number, isOpen: () => boolean): Promise<Beginning | null> {
    const lab = this.#lab;
    const free = lab.write(() => {
      if (!isOpen()) return 0;
      // A part of the evaluations of a run that was imported is no beginning for the whole.
      lab.run("DELETE FROM metrics WHERE run = (SELECT id FROM runs WHERE id = ? AND session IS NULL AND thinned)", run);
      const sql = "UPDATE runs SET session = ?, status = 'training', thinned = 0, error = NULL WHERE id = ? AND session IS NULL";
      return lab.run(sql, this.id, run).changes;
    });
    if (free === 0) return null;
    const from = await this.#state(run, steps), step = from?.step ?? 0;
    lab.write(() => {
      lab.run("UPDATE runs SET step = ? WHERE id = ?", step, run);
      lab.run("INSERT OR REPLACE INTO work VALUES (?, ?, ?, ?, 0)", this.id, run, step, step);
    });
    this.#claims.set(run, { from: step, since: performance.now() });
    if (!from) return {};
    // An evaluation at the end of fewer steps may lie where one that goes on makes none.
    const history = lab.metrics(run, step).filter((row) => row.step % from.spec.schedule.evalEvery === 0);
    return { from, history };
  }

  /** The last state that is stored of a run, if any. */
  async #state(run: number, steps: number): Promise<Snapshot | null> {
    const [stored] = this.#lab.query<{ file: string; step: number; sha256: string; bytes: number; hash: string; spec: string }>(
      `SELECT file, a.step, sha256, bytes, hash, spec FROM artifacts a JOIN runs ON id = run WHERE run = ? AND kind = 'checkpoint'
       ORDER BY a.step DESC LIMIT 1`,
      run,
    );
    if (!stored) return null;
    const path = join(this.#lab.folder, stored.file);
    try {
      const bytes = await Deno.readFile(path);
      if (checksum(bytes) !== stored.sha256) {
        throw new Error(`${path} must be the ${stored.bytes} bytes that were written, it is ${bytes.length} and they differ`);
      }
      const snapshot = await loadCheckpoint(path);
      return { ...snapshot, spec: specOf(stored.spec, steps) };
    } catch (error) {
      this.#say(
        `Cannot take up run ${stored.hash} at step ${stored.step}: ${
          reason(error)
        }. It begins anew; what is stored of it stays until it is ` +
          `computed again`,
      );
      return null;
    }
  }

  /** Takes an evaluation of a run, to be stored with others soon. */
  record(run: number, metrics: Metrics): void {
    this.#unstored.push({ run, metrics });
  }

  /** Stores what was recorded, if a second has passed since the last time, or now. */
  flush(now = false): void {
    if (!now && performance.now() - this.#stored < 1000) return;
    const lab = this.#lab;
    lab.write(() => {
      for (const { run, metrics } of this.#unstored) lab.putMetrics(run, [metrics]);
      lab.run("UPDATE sessions SET seen_at = ? WHERE id = ?", new Date().toISOString(), this.id);
    });
    this.#unstored = [];
    this.#stored = performance.now();
  }

  /** Stores the state of a run in training, its evaluations up to there, and what follows from them. */
  async checkpoint(id: number, snapshot: Snapshot): Promise<void> {
    this.flush(true);
    await this.#save(id, snapshot.step, snapshot, () => this.#lab.putMilestones(id));
  }

  /** Stores how a run ended and lets it go. `keep`: whether the state of one that is done stays. */
  async end(id: number, run: Run, keep: boolean): Promise<void> {
    const lab = this.#lab, last = run.metrics.at(-1);
    const done = run.status !== "stopped";
    this.flush(true);
    const state = run.status === "failed" || (done && !keep) ? "none" : run.snapshot ?? "as stored";
    await this.#save(id, run.step, state, () => {
      if (done && last) {
        lab.putMetrics(id, [last]);
        // Where it had come further, or ended off its grid, in another way to here.
        lab.run(
          "DELETE FROM metrics WHERE run = ?1 AND (step > ?2 OR step < ?2 AND step % ?3 <> 0)",
          id,
          last.step,
          run.spec.schedule.evalEvery,
        );
      }
      lab.putMilestones(id);
      lab.run("UPDATE runs SET session = NULL, status = ?, error = ? WHERE id = ?", run.status, run.error ?? null, id);
    });
    this.#claims.delete(id);
  }

  /** Writes the state, then enters it with all that belongs to it, then removes the one before. */
  async #save(id: number, step: number, state: Snapshot | "none" | "as stored", and: () => void): Promise<void> {
    const lab = this.#lab;
    const [{ hash }] = lab.query<{ hash: string }>("SELECT hash FROM runs WHERE id = ?", id);
    const stored = lab.query<{ file: string }>("SELECT file FROM artifacts WHERE run = ? AND kind = 'checkpoint'", id).map(({ file }) =>
      file
    );
    const entry = typeof state === "object" ? { file: `${hash}-${step}.safetensors`, bytes: checkpointFile(state) } : null;
    if (entry) await writeWhole(join(lab.folder, entry.file), entry.bytes);
    lab.write(() => {
      if (state !== "as stored") lab.run("DELETE FROM artifacts WHERE run = ? AND kind = 'checkpoint'", id);
      if (entry) {
        const { file, bytes } = entry;
        lab.run("INSERT INTO artifacts VALUES (?, 'checkpoint', ?, ?, ?, ?)", id, step, file, bytes.length, checksum(bytes));
      }
      lab.run("UPDATE runs SET step = ? WHERE id = ?", step, id);
      const { from, since } = this.#claims.get(id)!, seconds = (performance.now() - since) / 1000;
      lab.run("UPDATE work SET to_step = ?, seconds = ? WHERE session = ? AND run = ? AND from_step = ?", step, seconds, this.id, id, from);
      and();
    });
    if (state !== "as stored") { for (const file of stored) if (file !== entry?.file) remove(join(lab.folder, file)); }
  }

  /** Removes what a killed session may have left in the folder: files that the database doesn't know. Not while others are at work. */
  async #tidy(others: number): Promise<void> {
    if (others > 0) return;
    const known = new Set(this.#lab.query<{ file: string }>("SELECT file FROM artifacts").map(({ file }) => file));
    try {
      for await (const { name } of Deno.readDir(this.#lab.folder)) {
        if (/(^[0-9a-f]{16}-\d+\.safetensors|\.part)$/.test(name) && !known.has(name)) remove(join(this.#lab.folder, name));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Ends the session; runs that it still has can be taken up by others. */
  close(): void {
    const lab = this.#lab;
    try {
      lab.write(() => {
        lab.run("UPDATE runs SET session = NULL, status = 'stopped' WHERE session = ?", this.id);
        lab.run("UPDATE sessions SET seen_at = ?1, ended_at = ?1 WHERE id = ?2", new Date().toISOString(), this.id);
      });
    } finally {
      // Without its lock it counts as killed: what couldn't be written here, the next session does.
      drop(this.#lock);
    }
  }
}

interface Lock {
  readonly file: Deno.FsFile;
  readonly path: string;
}

const lockPath = (lab: Lab, name: string) => `${lab.path}-session-${name}`;

function takeLock(lab: Lab, name: string): Lock {
  const path = lockPath(lab, name);
  const file = Deno.openSync(path, { create: true, write: true });
  file.lockSync(true);
  return { file, path };
}

/** Whether the process of a session that has no end is there no more: nobody holds its lock. */
export function isGone(lab: Lab, name: string): boolean {
  try {
    using file = Deno.openSync(lockPath(lab, name), { write: true });
    return file.tryLockSync(true);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}

function drop({ file, path }: Lock): void {
  remove(path);
  file.close();
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
