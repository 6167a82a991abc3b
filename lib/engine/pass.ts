/** One pass through the model, for the batch of an update or a chunk of an evaluation: its rows, and the views of its buffers. */
import { headColumns, type Layout, pad4, projections } from "../run/layout.ts";
import type { RunSpec } from "../run/spec.ts";
import type { View } from "./op.ts";
import { type Depends, type LayerRows, type Rows, type Share, type Span, spanOf } from "./rows.ts";

interface Options {
  readonly spec: RunSpec;
  readonly layout: Layout;
  /** Examples of the pass. */
  readonly examples: number;
  readonly rows: readonly LayerRows[];
  /** Which of them it computes. Default: all. */
  readonly share?: Share;
  /** The buffer of packed pairs. */
  readonly batch: string;
  readonly prefix: "" | "eval.";
  /** Makes sure that a buffer has so many words per run, and returns its name. */
  readonly buffer: (name: string, words: number) => string;
  /** Whether each layer keeps its pattern under a name of its own. */
  readonly keepPatterns?: boolean;
}

/** What later rows read of earlier ones: keys and values, and what goes around the attention. */
const KEPT = ["qkv", "resid_pre"];

/** A sublayer with the residual stream around it: y = norm(x + f(x)), x + f(norm(x)) or x + f(x). */
export interface Part {
  readonly l: number;
  readonly name: "attention" | "mlp";
  /** The rows of x, and of y. */
  readonly before: Rows;
  readonly after: Rows;
  /** The name of its LayerNorm, and where that keeps mean and 1/σ. */
  readonly ln: string;
  readonly stats: string;
  readonly x: View;
  readonly y: View;
  /** What f reads: x, or in pre-norm x normalised. */
  readonly source: View;
  /** Where x + f goes: y, or in post-norm what is then normalised into y. */
  readonly sum: View;
}

export class Pass {
  readonly spec: RunSpec;
  readonly layout: Layout;
  readonly examples: number;
  readonly rows: readonly LayerRows[];
  readonly share: Share;
  readonly batch: string;
  readonly buffer: Options["buffer"];
  /** Widths in words: of the residual stream, the neurons, the stacked heads, all that attention projects to, and the logits. */
  readonly width: { readonly D: number; readonly M: number; readonly HK: number; readonly QKV: number; readonly C: number };
  /** The matrix of those projections: `QKV`, or `V`. */
  readonly projected: string;
  readonly #options: Options;

  constructor(options: Options) {
    ({ spec: this.spec, layout: this.layout, examples: this.examples, rows: this.rows, batch: this.batch, buffer: this.buffer } = options);
    this.share = options.share ?? "all";
    const { sizes } = this.layout, parts = projections(this.spec.model), HK = headColumns(sizes);
    this.width = { D: pad4(sizes.D), M: pad4(sizes.M), HK, QKV: parts.length * HK, C: pad4(sizes.C) };
    this.projected = parts.join("");
    this.#options = options;
  }

  /** A pass that uses the same buffers but for what is given. */
  with(changes: Partial<Options>): Pass {
    return new Pass({ ...this.#options, ...changes });
  }

  /** The name of a layer's buffer. Layers of an evaluation use theirs in turn, but for what the pairs' rows read of the elements'. */
  at(l: number, name: string): string {
    const { prefix, keepPatterns = false } = this.#options;
    if (keepPatterns && name === "pattern") return `attention.${l}.${name}`;
    return prefix === "" || KEPT.includes(name) ? `${prefix}${l}.${name}` : `${prefix}${name}`;
  }

  /** The name of a buffer after the last layer. */
  end(name: string): string {
    return `${this.#options.prefix}${name}`;
  }

  /** Rows × columns of an activation, from `firstRow` of `rows` and from `column`. Makes sure that the buffer is large enough. */
  activation(name: string, rows: number, stride: number, firstRow = 0, column = 0): View {
    return { buffer: this.buffer(name, rows * stride), offset: firstRow * stride + column, stride, words: rows * stride };
  }

  /** The rows among these that the pass computes. */
  span = (rows: Rows): Span => spanOf(rows, this.share);

  /** Whether it computes rows that depend on this. */
  computes = (depends: Depends): boolean => this.share === "all" || (this.share === "pairs") === (depends === "ab");

  /** The computed rows of an activation. */
  computed(name: string, rows: Rows, stride: number): View {
    return this.activation(name, rows.count, stride, this.span(rows).first);
  }

  /** A matrix or vector of the parameters, or of their gradient, from a column. */
  parameter(name: string, column = 0, buffer: "params" | "grads" = "params"): View {
    const { offset, stride } = this.layout.blocks.get(name)!;
    return { buffer, offset: offset + column, stride, words: this.layout.length };
  }

  /** Whether a LayerNorm stands before the output head. */
  get finalNorm(): boolean {
    return this.layout.blocks.has("ln_final.w");
  }

  /** As an epilogue takes it: nothing where the model has no such bias. */
  bias(name: string, column = 0): { bias?: View } {
    return this.layout.blocks.has(name) ? { bias: this.parameter(name, column) } : {};
  }

  part(l: number, name: Part["name"]): Part {
    const { norm } = this.spec.model, { input, output } = this.rows[l], { D } = this.width;
    const attention = name === "attention", number = attention ? 1 : 2, before = attention ? input : output;
    const x = this.computed(this.at(l, attention ? "resid_pre" : "mid"), before, D);
    const y = attention ? this.computed(this.at(l, "mid"), output, D) : this.computed(this.at(l + 1, "resid_pre"), output, D);
    const sum = norm === "post" ? this.computed(this.at(l, attention ? "sum_mid" : "sum_post"), output, D) : y;
    const source = norm === "pre" ? this.computed(this.at(l, `ln${number}`), before, D) : x;
    return { l, name, before, after: output, ln: `${l}.ln${number}`, stats: this.at(l, `stats${number}`), x, y, source, sum };
  }
}
