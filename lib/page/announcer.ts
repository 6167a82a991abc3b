/** Tells screen readers of every network that has memorised, grokked or failed, each once. */
/// <reference lib="dom" />
import { made } from "./elements.ts";
import type { LiveRun } from "./training.ts";

type Told = Pick<LiveRun, "memorisationStep" | "grokkingStep" | "error"> & { readonly spec: Pick<LiveRun["spec"], "seed"> };

export class Announcer {
  #told = new Set<string>();

  /** @param log an element of the role `log`: what is added to it is read, one after the other */
  constructor(readonly log: HTMLElement) {}

  /** Forgets all: other runs come. */
  reset(): void {
    this.#told.clear();
    this.log.replaceChildren();
  }

  /** Adds what is new of these runs. */
  tell(runs: readonly Told[]): void {
    for (const { spec, memorisationStep, grokkingStep, error } of runs) {
      if (memorisationStep !== null) this.#once(`Seed ${spec.seed} has memorised at step ${memorisationStep}.`);
      if (grokkingStep !== null) this.#once(`Seed ${spec.seed} has grokked at step ${grokkingStep}.`);
      if (error !== undefined) this.#once(error);
    }
  }

  #once(text: string): void {
    if (this.#told.has(text)) return;
    this.#told.add(text);
    this.log.append(made("span", {}, `${text} `));
  }
}
