/** How far a task is, in a small file that it keeps up to date: to be read from other machines, which must not open its database. */
import { hostname } from "node:os";
import { writeWhole } from "../run/files.ts";
import { hasEnded } from "../analysis/runs/run.ts";
import { type Progress, progressOf, type Rate } from "../lab/status.ts";
import { costs } from "../lab/shards.ts";
import type { SweptRun } from "../lab/standing.ts";
import { Meter } from "./progress.ts";

export interface TaskStatus extends Progress {
  /** `stopped`: it ended with runs left to do. `failed`: it ended with an error. */
  readonly state: "running" | "stopped" | "done" | "failed";
  readonly rate: Rate | null;
  /** When it was last written: UTC. */
  readonly seenAt: string;
  readonly host: string;
  readonly error?: string;
}

/** Time between two writings, in ms. */
const EVERY = 10_000;

/** Writes such a file while a sweep goes on; give its `update` to `sweep` as `onProgress`. */
export class StatusFile {
  readonly #cost = costs();
  readonly #meter = new Meter(({ spec }) => this.#cost(spec));
  #written = -Infinity;
  #runs: readonly SweptRun[] = [];

  constructor(readonly path: string) {}

  async update(runs: readonly SweptRun[]): Promise<void> {
    this.#runs = runs;
    this.#meter.look(runs);
    const now = performance.now();
    if (now - this.#written < EVERY) return;
    this.#written = now;
    await this.#write("running");
  }

  /** Writes how it ended. */
  async end(runs: readonly SweptRun[]): Promise<void> {
    this.#runs = runs;
    await this.#write(runs.every(hasEnded) ? "done" : "stopped");
  }

  async fail(error: string): Promise<void> {
    await this.#write("failed", error);
  }

  async #write(state: TaskStatus["state"], error?: string): Promise<void> {
    const { runSteps, work } = this.#meter.recent;
    const status: TaskStatus = {
      state,
      ...error !== undefined && { error },
      ...progressOf(this.#runs, this.#cost),
      rate: state === "running" && runSteps > 0 ? { updates: runSteps, work } : null,
      seenAt: new Date().toISOString(),
      host: hostname(),
    };
    await writeWhole(this.path, `${JSON.stringify(status)}\n`);
  }
}
