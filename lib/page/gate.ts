/** Where training waits while it is paused. */
export class Gate {
  #open = true;
  #waiting: (() => void)[] = [];

  /** Waits until the gate is open, or one is let through. */
  async pass(): Promise<void> {
    if (!this.#open) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  open(): void {
    this.#open = true;
    this.once();
  }

  close(): void {
    this.#open = false;
  }

  /** Lets those through that wait, and closes behind them. */
  once(): void {
    for (const go of this.#waiting.splice(0)) go();
  }
}
