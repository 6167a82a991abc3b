/** The table of all pairs, right and wrong, and one of them asked: what the network answers, and how sure it is. */
/// <reference lib="dom" />
import { type OperationName, OPERATIONS } from "../run/operations.ts";
import type { RunSpec } from "../run/spec.ts";
import { found, made, write } from "./elements.ts";
import type { Look } from "./protocol.ts";

/** Of a pair: it validates, it trains, it has no answer. Wrong answers first, right ones second. */
const LIGHT = [["#f7e3d5", "#d55e00"], ["#cfdeec", "#0b5394"], ["#e8e8e8", "#e8e8e8"]] as const;
const DARK = [["#4a2f1d", "#f08a3c"], ["#1d3850", "#6fa8dc"], ["#26292d", "#26292d"]] as const;
const colours = () => matchMedia("(prefers-color-scheme: dark)").matches ? DARK : LIGHT;

/** A square of C × C colours, one for each pair. */
export function paint(canvas: HTMLCanvasElement, C: number, colour: (pair: number) => readonly [number, number, number]): void {
  canvas.width = canvas.height = C;
  const image = new ImageData(C, C);
  for (let pair = 0; pair < C * C; pair++) image.data.set([...colour(pair), 255], 4 * pair);
  canvas.getContext("2d")!.putImageData(image, 0, 0);
}

const rgb = (hex: string) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)) as unknown as readonly [number, number, number];

/** A probability that is no certainty isn't written as one. */
const percent = (share: number) =>
  share > 0.995 ? (share > 0.9995 ? "> 99.9 %" : `${(100 * share).toFixed(1)} %`) : `${Math.round(100 * share)} %`;

/** What stands for a number in a formula: letters x and y that no word has, with their powers, and a factor before them. */
const PRODUCT = /(?<![A-Za-z])(\d*)((?:[xy][⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]*)+)(?![A-Za-z])/g;

/**
 * A formula with numbers in place of x and y; between two factors stands the sign of a product, `3·12·40²`. Where the formula has neither
 * letter, as that of random labels, the pair itself.
 */
export function askedBy(formula: string, a: number, b: number): string {
  const text = formula.replaceAll(PRODUCT, (_, factor: string, letters: string) => {
    const factors = letters.replaceAll(/(?<=.)[xy]/g, "·$&").replaceAll("x", String(a)).replaceAll("y", String(b));
    return factor === "" ? factors : `${factor}·${factors}`;
  });
  return text === formula ? `(${a}, ${b})` : text.replaceAll(/(?<=[\d⁰¹²³⁴⁵⁶⁷⁸⁹])(?=\()|(?<=\))(?=\d)/g, "·");
}

/** An operation with numbers in place of its letters. */
export const asked = (operation: OperationName, a: number, b: number): string => askedBy(OPERATIONS[operation].formula, a, b);

export class Answers {
  a = 12;
  b = 40;
  #look: Look | null = null;
  #spec: RunSpec | null = null;
  readonly #canvas = found<HTMLCanvasElement>("answers");
  readonly #inputs = [found<HTMLInputElement>("ask-a"), found<HTMLInputElement>("ask-b")] as const;

  /** @param moved called when another pair is looked at */
  constructor(readonly moved: () => void) {
    const at = ({ offsetX, offsetY }: MouseEvent) => {
      const C = this.#C, side = this.#canvas.clientWidth, cell = (x: number) => Math.max(0, Math.min(C - 1, Math.floor(x / side * C)));
      this.ask(cell(offsetY), cell(offsetX));
    };
    this.#canvas.addEventListener("pointerdown", at);
    this.#canvas.addEventListener("pointermove", (event) => event.buttons > 0 && at(event));
    this.#canvas.addEventListener("keydown", (event) => {
      const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!move) return;
      event.preventDefault();
      this.ask(this.a + move[0], this.b + move[1]);
    });
    for (const input of this.#inputs) {
      input.addEventListener("input", () => {
        const [a, b] = this.#inputs.map(({ valueAsNumber }) => valueAsNumber);
        if (Number.isInteger(a) && Number.isInteger(b)) this.ask(a, b);
      });
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  /** Looks at a pair; beyond the last element, the first follows, as on a clock. */
  ask(a: number, b: number): void {
    const C = this.#C, mod = (n: number) => ((n % C) + C) % C;
    [this.a, this.b] = [mod(a), mod(b)];
    this.#inputs.forEach((input, i) => input.valueAsNumber = [this.a, this.b][i]);
    this.#reply();
    this.moved();
  }

  show(look: Look, spec: RunSpec): void {
    [this.#look, this.#spec] = [look, spec];
    for (const input of this.#inputs) input.max = String(this.#C - 1);
    if (this.a >= this.#C || this.b >= this.#C) this.ask(this.a, this.b);
    this.#draw();
    this.#reply();
  }

  get #C(): number {
    return this.#look?.embedding.rows ?? 47;
  }

  #draw(): void {
    if (!this.#look) return;
    const { sets, targets, answers } = this.#look, C = this.#C, palette = colours().map((pair) => pair.map(rgb));
    paint(this.#canvas, C, (pair) => palette[sets[pair]][Number(answers[pair] === targets[pair])]);
    const [validating, training] = [0, 1].map((set) => {
      const of = Array.from(sets.keys()).filter((pair) => sets[pair] === set);
      return { all: of.length, right: of.filter((pair) => answers[pair] === targets[pair]).length };
    });
    const words = `Row a, column b. It answers ${training.right} of the ${training.all} pairs that train and ${validating.right} of the ` +
      `${validating.all} others correctly.`;
    write(found("answers-words"), words);
    this.#canvas.setAttribute("aria-label", `${words} Arrow keys choose a pair.`);
    const [wrong, right] = [0, 1].map((is) => [colours()[1][is], colours()[0][is]]);
    const swatch = (colour: string) => made("span", { class: "swatch", style: `background:${colour}` });
    document.querySelector(".legend")!.replaceChildren(
      ...[
        swatch(right[0]),
        swatch(wrong[0]),
        " trains on it: right, wrong ",
        made("br"),
        swatch(right[1]),
        swatch(wrong[1]),
        " never sees it: right, wrong",
      ],
    );
  }

  #reply(): void {
    if (!this.#look || !this.#spec) return;
    const { sets, targets, answers, probabilities, logits } = this.#look, C = this.#C, pair = this.a * C + this.b;
    const mark = found("mark");
    mark.hidden = false;
    mark.style.cssText = `left:${100 * this.b / C}%;top:${100 * this.a / C}%;width:${100 / C}%;height:${100 / C}%`;
    const target = targets[pair], right = answers[pair] === target;
    const verdict = sets[pair] === 2
      ? made("span", {}, "There is no answer to this one.")
      : made("span", { class: right ? "right" : "wrong" }, right ? "Right. " : `Wrong: it is ${target}. `);
    const seen = ["It never saw this pair.", "It trains on this pair.", ""][sets[pair]];
    found("reply").replaceChildren(
      made("span", { class: "sum" }, `${asked(this.#spec.data.operation, this.a, this.b)} → ${answers[pair]}`),
      made("span", { class: "faint" }, `with ${percent(probabilities[pair])}`),
      made("br"),
      verdict,
      seen,
    );
    const row = Array.from(logits.subarray(pair * C, (pair + 1) * C)), most = Math.max(...row);
    const total = row.reduce((sum, z) => sum + Math.exp(z - most), 0);
    const best = row.map((z, answer) => ({ answer, share: Math.exp(z - most) / total })).sort((x, y) => y.share - x.share).slice(0, 5);
    found("chances").replaceChildren(...best.flatMap(({ answer, share }) => [
      made("span", { class: answer === target ? "is" : "" }, String(answer)),
      made("span", { class: "chance" }, made("i", { style: `width:${(100 * share).toFixed(1)}%` })),
      made("span", {}, percent(share)),
    ]));
  }
}
