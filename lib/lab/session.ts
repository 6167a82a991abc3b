/**
 * A session: one process at work on a lab. It claims runs, so that no other trains them too, and stores what becomes of them.
 *
 * While it lives it holds a lock on a file of its own beside the database; the system lets go of it when the process ends, however it ends.
 * So a session without an end whose lock is free was killed, and any other session may claim its runs. A run's evaluations are stored as
 * they come, and its state now and then; taken up again it goes on from the last state, and evaluations that were stored beyond it are
 * replaced by equal ones. Where one isn't equal, another engine had trained them: then all that is left of that training goes.
 */
import type { AttentionReading } from "../run/attention.ts";
import type { RunSpec } from "../run/spec.ts";
import type { Beginning, Run } from "../train/train.ts";
import type { EngineInfo, Metrics, Snapshot } from "../engine/engine.ts";
import { checkpointFile } from "../train/weights.ts";
import { removeParts } from "../run/files.ts";
import { agreement } from "./agreement.ts";
import { artifacts, type Made, removeLeftOver, removeUnknown, storeFiles, weightsOf } from "./artifacts.ts";
import { beginningOf, logFile } from "./attention.ts";
import { enterEnvironment, environment } from "./environment.ts";
import type { Experiment } from "./experiment.ts";
import { drop, isGone, type Lock, removeFreeLocks, takeLock } from "./lock.ts";
import { runFindings } from "./check/runs.ts";
import { dropEarlier, isAnother, type Replacing } from "./replaced.ts";
import { seal } from "./seals.ts";
import { lastState } from "./states.ts";
import type { Lab } from "./store.ts";

export interface SessionOptions {
  readonly info: EngineInfo;
  /** How it was started, as typed. */
  readonly command: string;
  /** Called with a line for whatever went wrong but didn't stop the work. */
  readonly say?: (line: string) => void;
}

/** What of a run is stored while it trains and when it has ended, as its experiment says. */
export type Stored = Pick<Experiment, "keep" | "watch">;

/** How a run stood before it was claimed. */
type Before = { readonly status: string; readonly step: number; readonly error: string | null };

/** A run claimed: when, and how it stood before, as long as nothing of it is stored here. */
interface Claim extends Replacing {
  readonly since: number;
  readonly before: Before | null;
  readonly files: Set<string>;
}

export class Session {
  readonly #lab: Lab;
  readonly #lock: Lock;
  readonly #say: (line: string) => void;
  readonly #claims = new Map<number, Claim>();
  /** Of those whose attention is watched: their readings up to now. */
  readonly #logs = new Map<number, AttentionReading[]>();
  #unstored: { readonly run: number; readonly metrics: Metrics }[] = [];
  #stored = performance.now();

  private constructor(lab: Lab, readonly id: number, lock: Lock, say: (line: string) => void) {
    this.#lab = lab;
    this.#lock = lock;
    this.#say = say;
  }

  static async open(lab: Lab, { info, command, say = console.error }: SessionOptions): Promise<Session> {
    const here = await environment(info);
    const name = crypto.randomUUID();
    const lock = takeLock(lab, name);
    try {
      const id = lab.write(() => {
        const now = new Date().toISOString();
        return lab.run(
          "INSERT INTO sessions (name, environment, command, started_at, seen_at) VALUES (?, ?, ?, ?, ?)",
          ...[name, enterEnvironment(lab, here), command, now, now],
        ).id;
      });
      const session = new Session(lab, id, lock, say);
      session.recover();
      // Beside a session at work, also one of another database that had this name, a part may be of a file that it writes.
      if (removeFreeLocks(lab) === 1) await removeParts(lab.folder);
      return session;
    } catch (error) {
      drop(lock);
      throw error;
    }
  }

  /** Frees the runs of killed sessions, and removes what these left of them. @returns how many sessions there are beside this one. */
  recover(): number {
    const others = this.#lab.query<{ id: number; name: string }>(
      "SELECT id, name FROM sessions WHERE ended_at IS NULL AND id <> ?",
      this.id,
    );
    const dead = others.filter(({ name }) => isGone(this.#lab, name));
    for (const { id } of dead) {
      this.#lab.write(() => {
        removeLeftOver(this.#lab, id);
        this.#lab.run("UPDATE sessions SET ended_at = seen_at WHERE id = ?", id);
        this.#lab.run("UPDATE runs SET session = NULL, status = 'stopped' WHERE session = ?", id);
      });
    }
    removeFreeLocks(this.#lab);
    return others.length - dead.length;
  }

  /**
   * Takes a run for this session. @returns where it begins: at its last state, or from its seed where there is none, or where it can't
   * go on from that one, which is said: what is stored is damaged, or the state isn't of the evaluations that are stored; `null` where it
   * isn't open any more: another session has it, or has done it.
   */
  async claim(run: number, steps: number, isOpen: () => boolean, { watch = {} }: Stored = {}): Promise<Beginning | null> {
    const lab = this.#lab;
    let damage: string | undefined;
    const free = lab.write(() => {
      if (!isOpen()) return null;
      const [before] = lab.query<Before>("SELECT status, step, error FROM runs WHERE id = ? AND session IS NULL", run);
      // Before it is taken, which removes its seal: going on from what is damaged would seal the damage.
      damage = before && runFindings(lab, run)[0]?.text;
      if (before) lab.run("UPDATE runs SET session = ?, status = 'training', error = NULL WHERE id = ?", this.id, run);
      return before ?? null;
    });
    if (free === null) return null;
    const from = await lastState(lab, run, steps, { damage, say: this.#say }), step = from?.step ?? 0;
    if (!from && this.#keepsMore(run, steps, free)) return null;
    if (from) lab.write(() => this.#begin(run, step));
    const earlier = new Map(lab.metrics(run).filter((row) => !from || row.step > step).map((row) => [row.step, row]));
    const claim = { session: this.id, from: step, files: new Set<string>(), earlier, agrees: agreement(lab, run) };
    this.#claims.set(run, { ...claim, since: performance.now(), before: from ? null : free });
    // An evaluation at the end of fewer steps may lie where one that goes on makes none.
    const history = from ? lab.metrics(run, step).filter((row) => row.step % from.spec.schedule.evalEvery === 0) : [];
    if (watch.attention) {
      const log = from && await beginningOf(lab, { id: run, hash: this.#hash(run), spec: from.spec, history }, watch.attention, this.#say);
      if (log || !from) this.#logs.set(run, log ?? []);
    }
    return from ? { from, history } : {};
  }

  /** Whether fewer steps would take the place of more: of a run that begins anew, and of which there is a part of the evaluations. */
  #keepsMore(run: number, steps: number, before: Before): boolean {
    const lab = this.#lab,
      [{ hash, thinned }] = lab.query<{ hash: string; thinned: number }>("SELECT hash, thinned FROM runs WHERE id = ?", run);
    if (thinned === 0 || before.step <= steps) return false;
    this.#giveBack(run, before);
    this.#say(
      `Cannot train run ${hash} to step ${steps}: of steps up to ${before.step} the lab has a part of the evaluations, which don't say how it ` +
        `stands by this rule; ask for at least ${before.step} steps, or use another lab (--db)`,
    );
    return true;
  }

  /** Releases a run of which nothing has been stored since it was claimed. */
  #giveBack(run: number, { status, error }: Before): void {
    const lab = this.#lab;
    lab.write(() => {
      lab.run("UPDATE runs SET session = NULL, status = ?, error = ? WHERE id = ?", status, error, run);
      if (status !== "waiting") seal(lab, "run", run);
    });
  }

  /** Enters that a run goes on from a step, in place of how far it was. */
  #begin(run: number, step: number): void {
    const lab = this.#lab;
    // A part of the evaluations of a run that was imported is no beginning for the whole.
    lab.run("DELETE FROM metrics WHERE run = (SELECT id FROM runs WHERE id = ? AND thinned)", run);
    lab.run("UPDATE runs SET step = ?, thinned = 0 WHERE id = ?", step, run);
    lab.run("INSERT OR REPLACE INTO work VALUES (?, ?, ?, ?, 0)", this.id, run, step, step);
  }

  /** Enters that a run begins at its seed, now that there is something to store of it: until then it stays as it was. */
  #begun(run: number): void {
    const claim = this.#claims.get(run);
    if (!claim?.before) return;
    this.#begin(run, 0);
    this.#claims.set(run, { ...claim, before: null });
  }

  /**
   * Stores an evaluation of a run, and removes what an earlier training left where that was another one.
   * @returns the files that were dropped.
   */
  #put(run: number, metrics: Metrics): readonly string[] {
    const lab = this.#lab, claim = this.#claims.get(run), begins = claim?.before != null && claim.before.status !== "waiting";
    const another = claim !== undefined && isAnother(claim, metrics, begins);
    this.#begun(run);
    const dropped = another ? dropEarlier(lab, run, metrics.step, claim) : [];
    lab.putMetrics(run, [metrics]);
    if (another) lab.putMilestones(run);
    return dropped;
  }

  #hash(run: number): string {
    return this.#lab.query<{ hash: string }>("SELECT hash FROM runs WHERE id = ?", run)[0].hash;
  }

  /** Takes an evaluation of a run, to be stored with others soon, and a reading of its attention, to be stored with its state. */
  record(run: number, metrics: Metrics, attention?: AttentionReading): void {
    this.#unstored.push({ run, metrics });
    if (attention) this.#logs.get(run)?.push(attention);
  }

  /** Stores what was recorded, if a second has passed since the last time, or now. */
  flush(now = false): void {
    if (!now && performance.now() - this.#stored < 1000) return;
    const lab = this.#lab;
    const dropped = lab.write(() => {
      lab.run("UPDATE sessions SET seen_at = ? WHERE id = ?", new Date().toISOString(), this.id);
      return this.#unstored.flatMap(({ run, metrics }) => this.#put(run, metrics));
    });
    if (dropped.length > 0) removeUnknown(lab, dropped);
    this.#unstored = [];
    this.#stored = performance.now();
  }

  /** Stores the state of a run in training, its evaluations and its attention up to there, and what follows from them. */
  async checkpoint(id: number, snapshot: Snapshot): Promise<void> {
    this.flush(true);
    const { spec, step } = snapshot;
    const files: Made[] = [{ kind: "checkpoint", step, data: checkpointFile(snapshot) }, ...this.#log(id, spec, step)];
    await this.#save(id, step, files, (kind) => files.some((made) => made.kind === kind), () => this.#lab.putMilestones(id));
  }

  /** Stores the weights of a run in training. */
  async weights(id: number, { spec, step, params }: Snapshot): Promise<void> {
    this.#keep(id, await storeFiles(this.#lab, { id, hash: this.#hash(id) }, [weightsOf(spec, step, params)]));
  }

  /** Stores how a run ended and releases it. */
  async end(id: number, run: Run, { keep = "checkpoint", watch = {} }: Stored = {}): Promise<void> {
    const lab = this.#lab, last = run.metrics.at(-1), { spec, step, snapshot } = run;
    const done = run.status !== "stopped", stays = !done || (keep === "checkpoint" && run.status !== "failed");
    this.flush(true);
    const before = this.#claims.get(id)?.before;
    if (run.status === "stopped" && before && step === 0) {
      // It was not trained: the engine refused it, for example.
      this.#giveBack(id, before);
      this.#claims.delete(id);
      this.#logs.delete(id);
      return;
    }
    const files: Made[] = [
      ...snapshot && stays ? [{ kind: "checkpoint" as const, step, data: checkpointFile(snapshot) }] : [],
      ...snapshot && !stays && watch.weights ? [weightsOf(spec, step, snapshot.params)] : [],
      ...this.#log(id, spec, step, done),
    ];
    const logged = files.at(-1)?.kind === "attention";
    const replaces = (kind: string) =>
      kind === "checkpoint" ? !stays || snapshot !== undefined : logged && (kind === "attention" || (done && kind === "attention-thin"));
    await this.#save(id, step, files, replaces, () => {
      if (done && last) {
        lab.putMetrics(id, [last]);
        // Where an earlier training had come further, or had ended between two evaluations.
        lab.run(
          "DELETE FROM metrics WHERE run = ?1 AND (step > ?2 OR step < ?2 AND step % ?3 <> 0)",
          id,
          last.step,
          spec.schedule.evalEvery,
        );
      }
      lab.putMilestones(id);
      lab.run("UPDATE runs SET session = NULL, status = ?, error = ? WHERE id = ?", run.status, run.error ?? null, id);
    });
    this.#claims.delete(id);
    this.#logs.delete(id);
  }

  /** The file of a run's log, if it has one. What is stored of it further on, of a run that began anew, stays until it has come as far. */
  #log(id: number, spec: RunSpec, step: number, done = false): Made[] {
    const log = this.#logs.get(id) ?? [], further = artifacts(this.#lab, id, "attention").some((stored) => stored.step > step);
    return log.length === 0 || (further && !done) ? [] : [logFile(spec, step, log)];
  }

  /** Stores files of a run in place of those before, how far it is, and all that belongs to it. */
  async #save(id: number, step: number, files: readonly Made[], replaces: (kind: string) => boolean, and: () => void): Promise<void> {
    const lab = this.#lab;
    const stored = await storeFiles(lab, { id, hash: this.#hash(id) }, files, {
      replaces: ({ kind }) => replaces(kind),
      and: () => {
        this.#begun(id);
        lab.run("UPDATE runs SET step = ? WHERE id = ?", step, id);
        const { from, since } = this.#claims.get(id)!, seconds = (performance.now() - since) / 1000;
        lab.run(
          "UPDATE work SET to_step = ?, seconds = ? WHERE session = ? AND run = ? AND from_step = ?",
          step,
          seconds,
          this.id,
          id,
          from,
        );
        and();
        seal(lab, "run", id);
      },
    });
    this.#keep(id, stored);
  }

  #keep(run: number, files: readonly string[]): void {
    for (const file of files) this.#claims.get(run)?.files.add(file);
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
