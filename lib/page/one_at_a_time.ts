/** Runs one piece of work at a time, the newest: what is older is stopped. */
import { Gate } from "./gate.ts";

/**
 * Must not throw.
 * @param signal aborted when the work is to end
 * @param gate where the work waits while it is paused; open once it is to end
 */
type Work = (signal: AbortSignal, gate: Gate) => Promise<void>;

export class OneAtATime {
  #controller = new AbortController();
  #ended: Promise<void> = Promise.resolve();
  /** The gate of the newest work. */
  gate = new Gate();

  /** Stops what is older, and begins this when that has ended, unless this has been stopped by then. */
  start(work: Work, paused = false): void {
    this.stop();
    const { signal } = this.#controller = new AbortController(), gate = this.gate = new Gate();
    if (paused) gate.close();
    this.#ended = this.#ended.then(() => signal.aborted ? undefined : work(signal, gate));
  }

  /** Stops the newest work, be it under way or still to begin. */
  stop(): void {
    this.#controller.abort();
    this.gate.open();
  }
}
