/** When to save: soon after the beginning, then less and less often, and never for more than a small part of the time. */

/** Seconds to the first time. Each pause after it is twice as long, up to the longest. */
const FIRST = 2;

/** Pauses are at least so many times as long as saving takes: at most about 3 % of the time goes into it. */
const REST = 30;

/** Says when the next save is due. */
export class Pace {
  #pause: number;
  #due: number;

  /** @param longest seconds between two saves once training has gone on for a while */
  constructor(readonly longest: number) {
    this.#pause = Math.min(FIRST, longest);
    this.#due = performance.now() + 1000 * this.#pause;
  }

  get due(): boolean {
    return performance.now() >= this.#due;
  }

  /** Saves, and puts the next time off. @throws what `work` throws. */
  async save(work: () => Promise<void>): Promise<void> {
    const began = performance.now();
    await work();
    const now = performance.now();
    this.#pause = Math.min(2 * this.#pause, this.longest);
    this.#due = now + Math.max(1000 * this.#pause, REST * (now - began));
  }
}
