/** The live figure: accuracy, and below it loss, over the steps; bands over the networks, and when they memorised and grokked. */
/// <reference lib="dom" />
import { accuracyPanel, lossPanel } from "../figures/curves.ts";
import { finding, progress } from "../figures/runs.ts";
import { draw, found, write } from "./elements.ts";
import type { Training } from "./training.ts";

/** The least time between two drawings, in ms. */
const PAUSE = 150;

const WIDTHS = { least: 430, most: 820 };

export class Curves {
  #drawn = -Infinity;
  #wanted = false;
  readonly #parts = [found("accuracy"), found("loss")];
  readonly #title = found("finding");

  constructor(readonly training: Training) {
    new ResizeObserver(() => this.draw()).observe(this.#parts[0]);
    found("linear").addEventListener("change", () => this.draw());
  }

  /** Draws soon; often asked for, drawn a few times a second, one panel a frame. */
  draw(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    setTimeout(() =>
      requestAnimationFrame(() => {
        this.#wanted = false; // what changes from here on, is drawn next time
        this.#drawn = performance.now();
        this.#accuracy();
        requestAnimationFrame(() => this.#loss());
      }), Math.max(0, this.#drawn + PAUSE - performance.now()));
  }

  #accuracy(): void {
    const { runs, phase, progress: { all } } = this.training;
    const title = runs.every(({ metrics }) => metrics.length === 0)
      ? "Press Start, and watch two curves"
      : phase === "ended"
      ? finding(runs)
      : progress(runs, all);
    write(this.#title, title);
    draw(this.#parts[0], `Accuracy over steps. ${title}`, (width) => {
      return accuracyPanel(runs, this.#options(width), { height: 290, place: "first" });
    }, WIDTHS);
  }

  #loss(): void {
    const { runs } = this.training;
    draw(this.#parts[1], "Loss over steps", (width) => lossPanel(runs, this.#options(width), { height: 200, place: "last" }), WIDTHS);
  }

  #options(width: number) {
    const { runs, phase, progress: { done, all } } = this.training, ended = phase === "ended";
    const evalEvery = runs[0]?.spec.schedule.evalEvery ?? 20;
    return {
      width,
      from: evalEvery,
      until: ended ? done : all,
      x: found<HTMLInputElement>("linear").checked ? "linear" as const : "log" as const,
    };
  }
}
