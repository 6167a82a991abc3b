/** Training as the window sees it: the worker that does it, what has come from it, and which networks were kept on the way. */
/// <reference lib="dom" />
import type { EngineInfo } from "../engine/engine.ts";
import type { Metrics } from "../run/metrics.ts";
import type { RunSpec } from "../run/spec.ts";
import { Meter } from "../train/meter.ts";
import type { EngineWish, RunState, SavedState, TrainMessage, TrainNews } from "./protocol.ts";

/** A run as figures take it. */
export interface LiveRun extends RunState {
  readonly spec: RunSpec;
  readonly metrics: Metrics[];
}

/** `idle`: nothing has been started. `starting`: an engine is being opened. */
export type Phase = "idle" | "starting" | "training" | "paused" | "ended" | "failed";

export type Change = "phase" | "engine" | "progress" | "state";

export class Training {
  phase: Phase = "idle";
  runs: LiveRun[] = [];
  /** Of each run, the networks that were kept, in the order of their steps. */
  states: SavedState[][] = [];
  engine: { readonly info: EngineInfo; readonly threads: number; readonly why: string } | null = null;
  /** What went wrong, where the phase is `failed`. */
  failure: string | null = null;
  #meter = new Meter();
  #worker: Worker | null = null;
  #id = 0;
  /** Whether evaluations that arrive belong to a single step, after which all waits again. */
  #stepping = false;

  constructor(readonly changed: (change: Change) => void) {}

  /** Opens the engine before it is needed. */
  prepare(engine: EngineWish): void {
    this.#tell({ does: "prepare", id: this.#id, engine });
  }

  /** Begins anew. */
  start(specs: readonly RunSpec[], engine: EngineWish, paused = false): void {
    this.#begin(specs);
    this.#stepping = paused;
    this.#set("starting");
    this.#tell({ does: "train", id: this.#id, specs, engine, paused });
  }

  pause(): void {
    this.#tell({ does: "pause" });
    this.#set("paused");
  }

  resume(): void {
    this.#stepping = false;
    this.#meter = new Meter();
    this.#tell({ does: "resume" });
    this.#set("training");
  }

  /** One evaluation further. */
  step(): void {
    this.#tell({ does: "step" });
  }

  /** Stops, and forgets all. */
  reset(specs: readonly RunSpec[]): void {
    if (this.#worker) this.#tell({ does: "stop" });
    this.#begin(specs);
    this.#set("idle");
  }

  /** Updates a second, lately, and seconds that are left at most; `null` where nothing can be said. */
  get speed(): { readonly steps: number; readonly left: number } | null {
    const { steps } = this.#meter.recent, open = this.runs.filter(({ status }) => status === "training" || status === "waiting");
    if (this.phase !== "training" || steps === 0 || open.length === 0) return null;
    return { steps, left: Math.max(...open.map(({ spec, step }) => spec.schedule.steps - step)) / steps };
  }

  /** Updates done by the run that is furthest, and to be done. */
  get progress(): { readonly done: number; readonly all: number } {
    return {
      done: Math.max(0, ...this.runs.map(({ step }) => step)),
      all: Math.max(0, ...this.runs.map(({ spec }) => spec.schedule.steps)),
    };
  }

  #begin(specs: readonly RunSpec[]): void {
    this.#id++;
    this.failure = null;
    this.#meter = new Meter();
    this.runs = specs.map((spec, index) => {
      return { index, spec, status: "waiting", step: 0, memorisationStep: null, grokkingStep: null, metrics: [] };
    });
    this.states = specs.map(() => []);
  }

  #set(phase: Phase): void {
    this.phase = phase;
    this.changed("phase");
  }

  #setEngine(engine: NonNullable<Training["engine"]>): void {
    this.engine = engine;
    this.changed("engine");
  }

  #fail(message: string): void {
    this.failure = message;
    this.#set("failed");
  }

  #tell(message: TrainMessage): void {
    if (!this.#worker) {
      this.#worker = new Worker(new URL("./train.js", import.meta.url), { type: "module" });
      this.#worker.onmessage = ({ data }: MessageEvent<TrainNews & { id: number }>) => {
        if (data.id === this.#id) this.#hear(data);
        // An engine that was opened beforehand is there, whatever has been set meanwhile.
        else if (data.tells === "engine" && !this.engine) this.#setEngine(data);
      };
      this.#worker.onerror = ({ message }) => {
        this.#worker?.terminate();
        this.#worker = null;
        this.#fail(message || "Cannot train: the page's script must load, it didn't");
      };
    }
    this.#worker.postMessage(message);
  }

  #hear(news: TrainNews): void {
    switch (news.tells) {
      case "engine":
        this.#setEngine(news);
        if (this.phase === "starting") this.#set(this.#stepping ? "paused" : "training");
        return;
      case "progress":
        for (const state of news.runs) Object.assign(this.runs[state.index], state);
        for (const { index, metrics } of news.metrics) this.runs[index].metrics.push(metrics);
        this.#meter.look(this.runs);
        return this.changed("progress");
      case "state": {
        const kept = this.states[news.state.index];
        if ((kept.at(-1)?.step ?? -1) < news.state.step) kept.push(news.state);
        return this.changed("state");
      }
      case "ended":
        for (const state of news.runs) Object.assign(this.runs[state.index], state);
        return this.#set("ended");
      case "failed":
        return this.#fail(news.message);
    }
  }
}
