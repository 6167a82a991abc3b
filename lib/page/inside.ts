/** Looking inside: a slider over the networks that were kept, and what is seen in the one chosen. It follows training until it is moved. */
/// <reference lib="dom" />
import { powerSpectrum, strongest } from "../analysis/network/fourier.ts";
import { count } from "../analysis/words.ts";
import { headsPanel } from "../figures/attention/heads.ts";
import { planePanel, tint } from "../figures/inside.ts";
import { wavePanel } from "../figures/neurons.ts";
import { powerPanel, spectrumPanel } from "../figures/representations.ts";
import { Answers, paint } from "./answers.ts";
import { draw, found, made, write } from "./elements.ts";
import type { Look, LookAnswer, LookQuestion, SavedState } from "./protocol.ts";
import type { LiveRun, Phase, Training } from "./training.ts";

/** Looks that are kept for dragging to and fro, in floats of their logits. */
const KEPT = 12e6;
/** Between two steps that are played, in ms. */
const BEAT = 180;

export class Inside {
  /** Which run is looked into. */
  index = 0;
  #follows = true;
  #at = 0;
  #look: Look | null = null;
  #looks = new Map<string, Look>();
  #worker: Worker | null = null;
  /** What is being looked at, and what is to be looked at next. */
  #asked: LookQuestion | null = null;
  #next: LookQuestion | null = null;
  #ids = 0;
  #player: ReturnType<typeof setInterval> | null = null;
  readonly #answers = new Answers(() => this.#waves());
  readonly #when = found<HTMLInputElement>("when");

  /** @param moved called when another network is looked at, or none any more */
  constructor(readonly training: Training, readonly failed: (message: string) => void, readonly moved: () => void) {
    this.#when.addEventListener("input", () => {
      this.#stop();
      this.#go(this.#when.valueAsNumber);
    });
    found("play").addEventListener("click", () => this.#player === null ? this.#play() : this.#stop());
    new ResizeObserver(() => this.#draw()).observe(found("views"));
  }

  /** The network that is looked at. */
  get state(): SavedState | null {
    return this.#states[this.#at] ?? null;
  }

  get run(): LiveRun | null {
    return this.training.runs[this.index] ?? null;
  }

  get #states(): readonly SavedState[] {
    return this.training.states[this.index] ?? [];
  }

  /** Forgets all: other runs come. */
  reset(): void {
    this.#stop();
    [this.#follows, this.#at, this.#look, this.#next] = [true, 0, null, null];
    this.#looks.clear();
    this.index = Math.min(this.index, Math.max(0, this.training.runs.length - 1));
    this.#ids++;
    this.#asked = null;
    found("views").hidden = true;
    this.#networks();
    this.update();
  }

  /** Sees what has come since. */
  update(): void {
    const last = this.#states.length - 1;
    this.#when.max = String(Math.max(0, last));
    this.#when.disabled = last < 1;
    found<HTMLButtonElement>("play").disabled = last < 1;
    if (last < 0) {
      write(found("when-words"), "no network yet");
      return this.moved();
    }
    this.#go(this.#follows ? last : this.#at, this.#follows);
  }

  /** Names the networks, with how far each has come. */
  words(): void {
    this.training.runs.forEach(({ spec, grokkingStep, memorisationStep, error }, i) => {
      const words = error !== undefined
        ? "lost its way"
        : grokkingStep !== null
        ? `grokked at ${count(grokkingStep)}`
        : memorisationStep !== null
        ? `memorised at ${count(memorisationStep)}`
        : STANDING[this.training.phase];
      const chip = document.querySelector(`#which label:nth-of-type(${i + 1})`);
      if (!chip) return; // other runs come
      chip.classList.toggle("grokked", grokkingStep !== null);
      write(chip.querySelector("b")!, `Seed ${spec.seed}`);
      write(chip.querySelector("small")!, words);
    });
  }

  #networks(): void {
    const legend = found("which").querySelector("legend")!;
    found("which").replaceChildren(
      legend,
      ...this.training.runs.map((_, i) => {
        const choose = () => {
          this.index = i;
          this.#at = Math.min(this.#at, Math.max(0, this.#states.length - 1));
          this.update();
        };
        const input = made("input", { type: "radio", name: "network", value: i, checked: i === this.index, onchange: choose });
        return made("label", {}, input, made("b"), made("small"));
      }),
    );
    this.words();
  }

  #go(at: number, follows = at >= this.#states.length - 1): void {
    [this.#at, this.#follows] = [at, follows];
    this.#when.valueAsNumber = at;
    const state = this.#states[at], run = this.run;
    if (!state || !run) return;
    const words = `step ${count(state.step)}${follows ? ", the newest" : ` of ${count(this.#states.at(-1)!.step)}`}`;
    write(found("when-words"), words);
    this.#when.setAttribute("aria-valuetext", words);
    this.moved();
    const known = this.#looks.get(`${state.index} ${state.step}`);
    this.#next = null; // what was to be looked at next, is no longer chosen
    if (known) return this.#show(known);
    if (this.#asked?.state === state) return;
    this.#next = { id: ++this.#ids, spec: run.spec, state };
    this.#ask();
  }

  /** One question at a time, the newest. */
  #ask(): void {
    if (this.#asked || !this.#next) return;
    if (!this.#worker) {
      this.#worker = new Worker(new URL("./look.js", import.meta.url), { type: "module" });
      this.#worker.onmessage = ({ data }: MessageEvent<LookAnswer>) => this.#hear(data);
      this.#worker.onerror = ({ message }) => this.failed(message || "Cannot look inside: the page's script must load, it didn't");
    }
    [this.#asked, this.#next] = [this.#next, null];
    this.#worker.postMessage(this.#asked);
  }

  #hear(answer: LookAnswer): void {
    if (answer.id !== this.#asked?.id) return this.#ask();
    this.#asked = null;
    if ("message" in answer) this.failed(answer.message);
    else {
      const { look } = answer;
      this.#looks.set(`${look.index} ${look.step}`, look);
      const most = Math.max(2, Math.floor(KEPT / look.logits.length));
      for (const key of [...this.#looks.keys()].slice(0, Math.max(0, this.#looks.size - most))) this.#looks.delete(key);
      if (look.index === this.state?.index && look.step === this.state.step) this.#show(look);
    }
    this.#ask();
  }

  #show(look: Look): void {
    const first = this.#look === null;
    this.#look = look;
    found("views").hidden = false;
    this.#answers.show(look, this.run!.spec);
    this.#draw(first);
  }

  /** One figure a frame, so that the page stays smooth. */
  async #draw(atOnce = false): Promise<void> {
    const look = this.#look, run = look && this.training.runs[look.index];
    if (!look || !run) return;
    for (const part of [() => this.#circles(look), () => this.#spectrum(look), () => this.#attention(look, run), () => this.#waves()]) {
      if (!atOnce) await new Promise(requestAnimationFrame);
      if (look !== this.#look) return;
      part();
    }
  }

  #circles({ embedding, step }: Look): void {
    const power = powerSpectrum(embedding);
    strongest(power, 2).forEach((k, i) => {
      const says = `The numbers in the plane of frequency ${k} at step ${step}, ${Math.round(100 * power[k - 1])} % of the embedding`;
      draw(found(`circle-${i}`), says, () => planePanel(embedding, k, power[k - 1], "W_E"));
    });
  }

  #spectrum({ reading, embedding }: Look): void {
    draw(
      found("spectrum"),
      "Power by frequency",
      (width) =>
        reading
          ? spectrumPanel(reading, reading.keys, width)
          : powerPanel([{ name: "Embedding W_E", shares: powerSpectrum(embedding) }], [], width),
    );
  }

  #attention({ attention }: Look, { spec }: LiveRun): void {
    draw(found("attention"), "Mean attention of each head", (width) => headsPanel(spec, attention, width));
  }

  #waves(): void {
    const look = this.#look;
    if (!look) return;
    const into = found("neurons"), C = look.embedding.rows, { a, b } = this.#answers;
    while (into.children.length < look.neurons.length) {
      into.append(
        made("figure", {}, made("figcaption"), made("canvas", { class: "map", "aria-hidden": "true" }), made("div", { class: "figure" })),
      );
    }
    look.neurons.forEach(({ index, frequency, explained, values }, i) => {
      const [caption, map, wave] = into.children[i].children as unknown as [HTMLElement, HTMLCanvasElement, HTMLElement];
      const key = `${look.index} ${look.step} ${index}`;
      if (map.dataset.key !== key) {
        const most = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
        paint(map, C, (pair) => tint(values[pair] / most) as [number, number, number]);
        map.dataset.key = key;
      }
      const words = most(explained) ? `frequency ${frequency}: ${Math.round(100 * explained)} %` : "no single frequency";
      write(caption, `Neuron ${index}, ${words}`);
      const course = Float32Array.from({ length: C }, (_, a) => values[a * C + b]);
      draw(wave, `Neuron ${index} over a, at b = ${b}`, (width) => wavePanel({ values: course, at: a }, width));
    });
  }

  #play(): void {
    let at = this.#at >= this.#states.length - 1 ? 0 : this.#at;
    found("play").textContent = "❚❚";
    this.#go(at, false);
    this.#player = setInterval(() => {
      if (this.#asked || this.#next) return; // looking takes longer than a beat
      if (++at >= this.#states.length) return this.#stop();
      this.#go(at, false);
    }, BEAT);
  }

  #stop(): void {
    if (this.#player !== null) clearInterval(this.#player);
    this.#player = null;
    found("play").textContent = "▶";
  }
}

/** How a network stands that hasn't memorised. */
const STANDING: Readonly<Record<Phase, string>> = {
  idle: "not started",
  starting: "not started",
  training: "learning",
  paused: "paused",
  ended: "not memorised",
  failed: "stopped",
};

/** A neuron is said to beat in one frequency where that tells half of it. */
const most = (explained: number) => explained >= 0.5;
