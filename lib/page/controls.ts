/** The controls: one for each thing that can be set, with a word on what to expect of it. */
/// <reference lib="dom" />
import { OPERATIONS } from "../run/operations.ts";
import { found, made, write } from "./elements.ts";
import type { EngineWish } from "./protocol.ts";
import { checked, FIRST, MOST, nearestPrime, OFFERED, pairsOf, PRESETS, type Settings } from "./settings.ts";

type Name = Exclude<keyof Settings, "operation">;

/** A slider over some values, in their order. */
interface Control {
  readonly name: Name;
  readonly label: string;
  readonly expect: string;
  readonly values: readonly number[];
  say?(value: number, settings: Settings): string;
}

const range = (from: number, to: number, by = 1) => Array.from({ length: Math.floor((to - from) / by) + 1 }, (_, i) => from + i * by);

const CONTROLS: readonly Control[] = [
  {
    name: "prime",
    label: "Modulus p",
    expect: "The hours on the clock. A larger one has more sums to learn from, and takes longer.",
    values: range(5, MOST.prime),
    say: (p, settings) => `${p}: ${pairsOf(settings).all.toLocaleString("en")} pairs`,
  },
  {
    name: "share",
    label: "Share that trains",
    expect: "Less makes the wait longer. Below about a third, the rule is never found; at four fifths, there is hardly a wait.",
    values: range(10, 90, 5).map((percent) => percent / 100),
    say: (share, settings) => `${Math.round(100 * share)} %: ${pairsOf(settings).training.toLocaleString("en")} pairs`,
  },
  {
    name: "width",
    label: "Width of the network",
    expect: "Room to think in. Very narrow networks can't even learn by heart; wide ones take longer a step.",
    values: range(8, MOST.width, 4),
  },
  {
    name: "decay",
    label: "Weight decay",
    expect: "A steady pull of all weights towards zero. At 0, what is learnt by heart stays so; too much, and nothing is learnt.",
    values: [0, 0.1, 0.2, 0.5, 1, 1.5, 2, 3, 5],
  },
  {
    name: "rate",
    label: "Learning rate",
    expect: "How far a step goes. Small ones are safe and slow; large ones jump about.",
    values: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1],
  },
  {
    name: "networks",
    label: "Networks",
    expect: "They differ in chance alone: how they begin, and which pairs they see. More show how much that matters.",
    values: range(1, MOST.networks),
  },
  {
    name: "seed",
    label: "First seed",
    expect: "Where chance begins. The same seed gives the same networks, to the last bit.",
    values: range(0, 99),
  },
  {
    name: "steps",
    label: "Steps at most",
    expect: "A network that has found the rule ends sooner.",
    values: [500, 1000, 1500, 2000, 2500, 3000, 5000, 10_000, 20_000],
    say: (steps) => steps.toLocaleString("en"),
  },
];

export class Controls {
  #settings: Settings = FIRST;
  #wrong: string | null = null;
  #usable: Settings = FIRST;
  readonly #shown: (() => void)[] = [];

  /** @param changed called whenever a setting has been taken, or another engine chosen */
  constructor(readonly changed: () => void) {
    const form = found<HTMLFormElement>("settings");
    form.addEventListener("submit", (event) => event.preventDefault());
    found("presets").append(
      ...PRESETS.map(({ id, name, shows, settings }) =>
        made(
          "button",
          {
            type: "button",
            class: "preset",
            id: `preset-${id}`,
            onclick: () => this.set(settings),
          },
          made("b", {}, name),
          made("span", {}, shows),
        )
      ),
    );
    found("controls").append(this.#operations(), ...CONTROLS.map((control) => this.#slider(control)), this.#engines());
    // On a narrow screen the way to the next part would be long.
    const all = found<HTMLDetailsElement>("all"), wide = matchMedia("(min-width: 981px)");
    all.open = wide.matches;
    wide.addEventListener("change", () => all.open ||= wide.matches);
    this.#show();
  }

  /** What the controls show. */
  get settings(): Settings {
    return this.#settings;
  }

  /** Why what they show can't be trained, or `null` where it can. */
  get wrong(): string | null {
    return this.#wrong;
  }

  /** The last setting they have shown that can be trained. */
  get usable(): Settings {
    return this.#usable;
  }

  /** Takes a setting, be it one that can't be trained: then it says why, and what could be instead. */
  set(settings: Settings): void {
    [this.#settings, this.#wrong] = [settings, wrongIn(settings)];
    if (this.#wrong === null) this.#usable = settings;
    this.#show();
    this.#refuse();
    this.changed();
  }

  #refuse(): void {
    const refused = found("refused"), settings = this.#settings;
    refused.hidden = this.#wrong === null;
    if (this.#wrong === null) return refused.replaceChildren();
    const prime = nearestPrime(settings.prime), other = { ...settings, prime };
    const way = prime !== settings.prime && wrongIn(other) === null
      ? made("button", { type: "button", onclick: () => this.set(other) }, `Use ${prime}`)
      : made("button", { type: "button", onclick: () => this.set(FIRST) }, "Use the first setting");
    refused.replaceChildren(`${this.#wrong}. `, way);
  }

  #show(): void {
    for (const show of this.#shown) show();
    for (const { id, settings } of PRESETS) {
      const is = Object.entries(settings).every(([name, value]) => this.#settings[name as keyof Settings] === value);
      found(`preset-${id}`).setAttribute("aria-pressed", String(is));
    }
  }

  #operations(): HTMLElement {
    const expect = "Which rule is to be found. Of random labels there is none.";
    const choice = made(
      "select",
      { id: "operation", "aria-describedby": "operation-expect" },
      ...OFFERED.map((name) => made("option", { value: name }, OPERATIONS[name].formula)),
    );
    choice.addEventListener("change", () => this.set({ ...this.#settings, operation: choice.value as Settings["operation"] }));
    this.#shown.push(() => choice.value = this.#settings.operation);
    return made(
      "div",
      { class: "control" },
      made("label", { for: "operation" }, "Operation"),
      choice,
      made("p", { class: "faint", id: "operation-expect" }, expect),
    );
  }

  /** Which engine trains: no part of a setting, for links go to other machines. */
  get engine(): EngineWish {
    return found<HTMLSelectElement>("engine-wish").value as EngineWish;
  }

  set engine(wish: EngineWish) {
    found<HTMLSelectElement>("engine-wish").value = wish;
  }

  #engines(): HTMLElement {
    const names = { auto: "the best there is", cpu: "the processor", webgpu: "the graphics card" } satisfies Record<EngineWish, string>;
    const expect = "The processor gives the laboratory's bits on any machine; a graphics card is for large networks.";
    const choice = made(
      "select",
      { id: "engine-wish", "aria-describedby": "engine-expect" },
      ...Object.entries(names).map(([value, name]) => made("option", { value }, name)),
    );
    choice.addEventListener("change", () => this.changed());
    return made(
      "div",
      { class: "control" },
      made("label", { for: "engine-wish" }, "Train on"),
      choice,
      made("p", { class: "faint", id: "engine-expect" }, expect),
    );
  }

  #slider({ name, label, expect, values, say = String }: Control): HTMLElement {
    const slider = made("input", { type: "range", id: name, min: 0, step: 1, "aria-describedby": `${name}-expect` });
    const output = made("output", { for: name });
    let all = values;
    slider.addEventListener("input", () => this.set({ ...this.#settings, [name]: all[slider.valueAsNumber] }));
    this.#shown.push(() => {
      const value = this.#settings[name];
      // A link may hold a value between these.
      all = values.includes(value) ? values : [...values, value].sort((a, b) => a - b);
      slider.max = String(all.length - 1);
      slider.valueAsNumber = all.indexOf(value);
      const words = say(value, this.#settings);
      slider.setAttribute("aria-valuetext", words);
      write(output, words);
    });
    return made(
      "div",
      { class: "control" },
      made("label", { for: name }, label),
      output,
      slider,
      made("p", { class: "faint", id: `${name}-expect` }, expect),
    );
  }
}

function wrongIn(settings: Settings): string | null {
  try {
    checked(settings);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
