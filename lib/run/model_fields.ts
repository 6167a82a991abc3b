/** The fields of the model: the part of the table in `fields.ts` that says what is trained. */
import { field, later } from "./field.ts";
import { flag, NOT_NEGATIVE, POSITIVE, single, type Value, whole, word } from "./kinds.ts";
import { sigmasKind } from "./sigmas.ts";
import { takenKind } from "./taken.ts";

/** The most rows of a position table. */
export const LARGEST_CONTEXT = 64;

const TOKENS = ["a op b =", "a b =", "a b"] as const;
/** Of a field that says how norms are: there must be some. */
const withNorms = (beside = "") => ({
  unread: { field: "norm", where: (norm: string) => norm === "none", says: () => `norm is none${beside}` },
});
/** A value that a field has where the model has no attention, unless it is given: then no other makes sense (`COMBINATIONS` in spec.ts). */
const withoutAttention = <T extends Value>(value: T) => ({
  from: { field: "mixer", value: (mixer: string) => mixer === "none" ? value : undefined },
});

/** The tokens of an example, by name: `a`, `b`, `op`, `=`. */
export const tokenNames = (tokens: (typeof TOKENS)[number]) => tokens.split(" ") as ("a" | "b" | "op" | "=")[];

export const model = {
  /** L. */
  layers: field(whole(1, 64), { help: "transformer blocks; with --mixer none, hidden layers", shape: (L) => `L${L}` }),
  /** D. */
  dModel: field(whole(1, 8192), {
    help: "width of embeddings and residual stream; --d-mlp becomes four times this unless given (--from or a complete --config gives it)",
    label: "d_model",
    shape: (D) => `D${D}`,
  }),
  /** H; d_head is D / H. */
  heads: field(whole(1, 256), { help: "attention heads; must divide the width", shape: (H) => `H${H}`, ...withoutAttention(1) }),
  /** M. */
  dMlp: field(whole(1, 65536), {
    help: "neurons of a feed-forward part; with --mixer none, of a hidden layer",
    label: "d_mlp",
    shape: (M) => `M${M}`,
    follows: "width",
    from: { field: "dModel", value: (dModel: number) => 4 * dModel },
  }),
  /** Exact (erf) GELU, ReLU, or x². */
  activation: field(word("gelu", "relu", "square"), { help: "gelu (exact), relu or square (x²)", shape: (name) => name }),
  /** LayerNorm after each residual sum, before each part, or nowhere; with one, a last one stands before the output head. */
  norm: field(word("post", "pre", "none"), {
    help: "a norm stands after each sum (post), before each part (pre), or nowhere (none)",
    shape: (place) => `${place}-norm`,
    ...withoutAttention("none"),
  }),
  /** Which positions a position attends to: itself and those before it, or all. */
  mask: field(word("causal", "none"), {
    help: "causal, or none: every position attends to all",
    shape: (name) => `mask ${name}`,
    ...withoutAttention("none"),
  }),
  /** What the output head reads: the last position, or the mean over all. */
  pooling: field(word("last", "mean"), {
    help: "the output head reads the last position, or their mean",
    shape: (name) => `pool ${name}`,
    ...withoutAttention("last"),
  }),
  /** Biases in attention, feed-forward part and output head. */
  biases: field(flag(), { help: "true or false", shape: (has) => has ? "biases" : "no biases" }),
  /** The tokens of an example. */
  tokens: field(word(...TOKENS), {
    help: `${TOKENS.map((tokens) => `"${tokens}"`).join(", ")}; --context becomes their number unless given`,
    shape: (tokens) => `[${tokens}]`,
    ...withoutAttention("a b"),
  }),
  /** Rows of the position table; may exceed the tokens (the AI-Scientist template has an unused one, which counts as parameters). */
  context: field(whole(1, LARGEST_CONTEXT), {
    help: "rows of the position table",
    shape: (rows) => `context ${rows}`,
    follows: "others",
    from: { field: "tokens", value: (tokens: (typeof TOKENS)[number]) => tokenNames(tokens).length },
  }),
  /**
   * `pytorch`: the defaults of its modules; `linear`: the same, where attention is made of plain Linear modules; `normal`: weights
   * N(0, initSigma²), biases 0. `initialise` says how.
   */
  init: field(word("pytorch", "normal", "linear"), {
    help: "pytorch (its modules' defaults), linear (W_Q, W_K, W_V as of its Linear) or normal: N(0, --init-sigma²)",
    flag: "init-scheme", // --init names a file of weights
  }),
  /** σ of `init: "normal"`. */
  initSigma: field(single(POSITIVE), { help: "σ of --init-scheme normal", label: "init σ", follows: "width" }),
  /** σ of a position table that is drawn, under `init: "pytorch"` and `"linear"`. */
  positionSigma: field(single(NOT_NEGATIVE), {
    help: "σ of the position table under --init-scheme pytorch or linear",
    label: "position σ",
    follows: "width",
  }),
  /** Which parts have biases, where there are any. */
  biasesIn: later(word("all", "mlp"), "all", {
    help: "which parts have biases, where there are any: all, or the feed-forward parts alone (mlp)",
    label: "biases in",
    unread: { field: "biases", where: (has: boolean) => !has },
    shape: (parts) => `biases in ${parts}`,
  }),
  /** σ of some tensors under `init: "normal"`, in place of `initSigma`. */
  initSigmas: later(sigmasKind(), "none", {
    help: "σ of groups of tensors, or of tensors, under --init-scheme normal: none, or such as unembed=0.1+W_out=0.01",
    label: "σ by tensor",
    follows: "others",
    unread: { field: "init", where: (init: string) => init !== "normal" },
  }),
  /** `sinusoidal`: the position table begins as sines and cosines; `frozen: "pos"` lets it stay so. */
  positionInit: later(word("drawn", "sinusoidal"), "drawn", {
    help: "the position table begins drawn at random, or sinusoidal; --frozen pos keeps it",
    label: "positions",
  }),
  /** Classes that are never the answer: the token `=` in Nanda's code, all other tokens in Power's. */
  extraClasses: later(whole(0, 1024), 0, {
    help: "classes of the output head that are never the answer",
    label: "extra classes",
    shape: (count) => `${count} extra`,
  }),
  /** Whether the last LayerNorm, before the output head, is there. */
  finalNorm: later(flag(), true, {
    help: "true, or false: no norm before the output head",
    label: "final norm",
    shape: () => "no final norm",
    ...withNorms(", which leaves nothing to leave out"),
  }),
  /** α of Omnigrok (Liu et al., ICLR 2023): every weight matrix and embedding begins α times as large; biases and LayerNorms don't. */
  initScale: later(single(POSITIVE), 1, {
    help: "initial weight matrices and embeddings are multiplied by it; biases, norms and sinusoidal positions are not",
    label: "initial scale",
  }),
  /** `rms`: RMSNorm (Zhang & Sennrich, "Root mean square layer normalization", NeurIPS 2019), with a gain and no shift, for LayerNorm. */
  normKind: later(word("layer", "rms"), "layer", {
    help: "layer (LayerNorm) or rms (RMSNorm), wherever a norm stands",
    shape: () => "rms",
    ...withNorms(),
  }),
  /**
   * How positions meet. `uniform`: attention whose weights are all the same, with W_V and W_O and without W_Q and W_K. `none`: no attention
   * and no residual stream, but hidden layers of d_mlp neurons on the concatenated embeddings of a and b, as many as `layers` says.
   */
  mixer: later(word("attention", "uniform", "none"), "attention", {
    help: "attention, uniform (all weights the same) or none: an MLP of --layers hidden layers on the embeddings of a and b",
    shape: (kind) => kind === "none" ? "no attention" : `${kind} attention`,
  }),
  /** What an MLP reads of a and b: their embeddings, or one-hot vectors; then d_model isn't read. */
  inputs: later(word("embedded", "one-hot"), "embedded", {
    help: "what an MLP (--mixer none) reads: embedded or one-hot",
    shape: (kind) => `${kind} inputs`,
    unread: { field: "mixer", where: (mixer: string) => mixer !== "none", says: () => "mixer isn't none" },
  }),
  /**
   * `mean-field`: what the hidden layer gets is divided by √(2p), the logits by d_mlp, as in the quadratic network of Gromov, "Grokking
   * modular arithmetic" (arXiv 2301.02679, 2023), whose weights start as N(0, 1): `init: "normal"`, `initSigma: 1`.
   */
  scaling: later(word("none", "mean-field"), "none", {
    help: "none, or mean-field: hidden layer divided by √(2p), logits by --d-mlp (Gromov 2023)",
    shape: (kind) => kind,
  }),
  /** W_U is the transpose of the answers' rows of W_E, which gets the gradients of both; those of `op` and `=` stay its own. */
  tied: later(flag(), false, { help: "true: the output head is the embedding of the answers", shape: () => "tied" }),
  /** Tensors that it begins with in place of those of its seed, from a state of another run: `takeOver` in `take.ts` makes the value. */
  taken: later(takenKind(), "none", {
    help: "tensors taken over from another run: none, or HASH@STEP:GROUPS:DIGEST, which train --from writes",
    label: "taken over",
    follows: "others",
  }),
};
