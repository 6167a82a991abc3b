/**
 * The spec of a run that begins with a state dict of TransformerLens. Shapes tell the sizes; a `HookedTransformerConfig` as JSON beside
 * the file tells what else it can; the rest must be given.
 */
import { isPlain } from "../run/check.ts";
import { type ModelSpec, type Part, PARTS } from "../run/fields.ts";
import { reason } from "../run/files.ts";
import { OPERATIONS } from "../run/operations.ts";
import { over } from "../run/over.ts";
import { inOneLine, quote } from "../run/quote.ts";
import { PRESETS, type RunInput, runInput, tokenNames } from "../run/spec.ts";
import { ACTIVATIONS, configSizes, DIRECTIONS, EPS, NORMS } from "./hooked.ts";
import { biasesIn, isNorm, sizesIn, type Tensors } from "./hooked_import.ts";
import { readFile } from "./safetensors.ts";
import { storedSpec } from "./weights.ts";

/** What a file says of a field, and which file. */
interface Fact {
  readonly part: Part;
  readonly name: string;
  readonly value: unknown;
  readonly source: string;
}
type Found = ReturnType<typeof sizesIn>;

/**
 * The input of a run that begins with a state dict, and a line about what it takes for granted. A file that this project wrote has its
 * spec in it, over which stands what is given.
 * @param given each over those before it.
 * @throws Error in one line where what is given isn't what the files say, they say what no run can be, or something isn't told.
 */
export async function hookedInput(path: string, ...given: readonly RunInput[]): Promise<{ input: RunInput; notes: string[] }> {
  const inputs = given.map(runInput), all = over({}, ...inputs), { tensors, metadata } = await readFile(path);
  if (metadata.spec === undefined) return await derived(path, tensors, all);
  if (all.preset !== undefined) {
    throw new Error(`Cannot use ${path}: there must be no preset, its spec is in the file; current value is ${quote(all.preset)}`);
  }
  return { input: over(storedSpec(path, metadata, "a file of weights"), ...inputs), notes: [] };
}

async function derived(path: string, tensors: Tensors, given: RunInput): Promise<{ input: RunInput; notes: string[] }> {
  const found = sizesIn(path, tensors), beside = configBeside(path), base = given.preset === undefined ? undefined : PRESETS[given.preset];
  const facts = [...shapeFacts(tensors, found, given), ...configFacts(beside, await readConfig(beside), found)];
  const giving = (part: Part, name: string): unknown => (given[part] as Readonly<Record<string, unknown>> | undefined)?.[name];
  const told = (part: Part, name: string): unknown =>
    giving(part, name) ?? facts.find((fact) => fact.name === name)?.value ?? base?.[part][name as never];
  mustBeTold(path, beside, told);
  facts.push(...elementFacts(found, told));
  for (const { part, name, value, source } of facts) {
    const is = giving(part, name) ?? facts.find((fact) => fact.name === name)!.value;
    if (is !== value) {
      throw new Error(`Cannot use ${path}: ${name} must be ${quote(value)} as in ${source}, current value is ${quote(is)}`);
    }
  }
  const { biases, note } = biasFields(biasesIn(path, tensors, found), given.model ?? {}, base?.model);
  const parts = PARTS.map((part) => {
    const own = Object.fromEntries(facts.filter((fact) => fact.part === part).map(({ name, value }) => [name, value]));
    return [part, { ...own, ...part === "model" && biases, ...given[part] }];
  });
  const notes = note ? [`all biases in ${path} are zero, so the model has none; --biases true trains them`] : [];
  return { input: { ...given, ...Object.fromEntries(parts) }, notes };
}

/**
 * Which biases a model has: all where any outside the feed-forward parts isn't zero, else those of a preset, or those parts' alone; none
 * where all are zero, which is worth a note.
 */
function biasFields(
  { zero, other }: ReturnType<typeof biasesIn>,
  given: Partial<ModelSpec>,
  base: Pick<ModelSpec, "biases" | "biasesIn"> | undefined,
) {
  const outside = [...other].some((name) => !name.includes(".mlp."));
  if (outside) return { biases: { biases: true, biasesIn: "all" }, note: false };
  if (zero.size + other.size > 0 && base?.biases) return { biases: { biases: true, biasesIn: base.biasesIn }, note: false };
  const biases = other.size > 0;
  return { biases: { biases, biasesIn: biases ? "mlp" : "all" }, note: zero.size > 0 && !biases && !given.biases };
}

/** The file beside a state dict that may hold its `HookedTransformerConfig`. */
export const configBeside = (path: string) => `${path.replace(/\.safetensors$/, "")}.json`;
const TOKENS: readonly ModelSpec["tokens"][] = ["a b", "a b =", "a op b ="];
const specials = (tokens: ModelSpec["tokens"]) => tokenNames(tokens).filter((name) => name === "op" || name === "=").length;

function shapeFacts(tensors: Tensors, { L, D, H, M, V, C, context }: Found, given: RunInput): Fact[] {
  const tokens = TOKENS.find((tokens) => specials(tokens) === V - C && tokenNames(tokens).length === context);
  const values: Partial<ModelSpec> = {
    ...{ layers: L, dModel: D, heads: H, dMlp: M, context },
    // A position table may have rows that no token uses: then the sizes leave it open.
    ...tokens !== undefined && given.model?.tokens === undefined && { tokens },
    // RMSNorm has no shift.
    ...tensors.keys().some(isNorm) && { norm: "pre", normKind: tensors.has("blocks.0.ln1.b") ? "layer" : "rms" },
  };
  return Object.entries(values).map(([name, value]) => ({ part: "model", name, value, source: "its tensors" }));
}

/** The modulus, for all tokens but `op` and `=` are elements; and how many classes are none. */
function elementFacts({ V, C }: Found, told: (part: Part, name: string) => unknown): Fact[] {
  const operation = told("data", "operation") as keyof typeof OPERATIONS, tokens = told("model", "tokens") as ModelSpec["tokens"];
  const elements = V - specials(tokens), fact = { value: C - elements, source: "its tensors" };
  return [
    { ...fact, part: "model", name: "extraClasses" },
    ...OPERATIONS[operation].elements === "mod p" ? [{ ...fact, part: "data", name: "prime", value: elements } as const] : [],
  ];
}

/** What decides about a network's logits besides its weights and sizes. */
const UNSAID: readonly (readonly [Part, string])[] = [
  ["data", "operation"],
  ...["tokens", "activation", "norm", "mask", "pooling"].map((name) => ["model", name] as const),
];

function mustBeTold(path: string, beside: string, told: (part: Part, name: string) => unknown): void {
  const missing = UNSAID.filter(([part, name]) => told(part, name) === undefined).map(([, name]) => `--${name}`);
  if (missing.length === 0) return;
  throw new Error(
    `Cannot derive a run from ${path}: it must be told what tensors don't say, there is no ${missing.join(", ")}; ` +
      `a preset says it too, and activation, norm and mask a HookedTransformerConfig in ${beside}`,
  );
}

/** The JSON beside a state dict; `null` where there is none. @throws Error in one line where it is something else. */
async function readConfig(path: string): Promise<Readonly<Record<string, unknown>> | null> {
  let config: unknown;
  try {
    config = JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw new Error(`Cannot load ${path}: it must be a HookedTransformerConfig as JSON (${inOneLine(reason(error))})`);
  }
  if (isPlain(config)) return config as Readonly<Record<string, unknown>>;
  throw new Error(`Cannot load ${path}: it must be a HookedTransformerConfig as JSON, current value is ${quote(config, 40)}`);
}

/** What a `HookedTransformerConfig` has where no other model is meant than one that a run can have; also its defaults. */
const PLAIN: Readonly<Record<string, unknown>> = {
  attn_only: false,
  gated_mlp: false,
  parallel_attn_mlp: false,
  positional_embedding_type: "standard",
  post_embedding_ln: false,
  use_normalization_before_and_after: false,
  final_rms: false,
  eps: EPS,
  use_attn_scale: true,
  scale_attn_by_inverse_layer_idx: false,
  use_local_attn: false,
  use_qk_norm: false,
  n_key_value_heads: null,
  num_experts: null,
  attn_scores_soft_cap: -1,
  output_logits_soft_cap: -1,
  tie_word_embeddings: false,
};
/** Sizes that TransformerLens works out itself where they are not given, or are one of these. */
const OPTIONAL: readonly string[] = ["n_heads", "d_mlp", "d_vocab", "d_vocab_out"], UNSET: readonly unknown[] = [undefined, null, -1];

const reversed = (names: Readonly<Record<string, string>>) =>
  new Map<unknown, string>(Object.entries(names).map(([own, theirs]) => [theirs, own]));
/** A kind of norm, and what stands for it where its weights are folded. */
const KINDS = Object.entries(NORMS).flatMap(([own, theirs]) => [[theirs, own], [`${theirs}Pre`, own]] as const);
/** Fields that a config tells: its name for one and its default, and our values by its. */
const TOLD = {
  activation: ["act_fn", "relu", reversed(ACTIVATIONS)],
  mask: ["attention_dir", "causal", reversed(DIRECTIONS)],
  norm: ["normalization_type", "LN", new Map<unknown, string>([...KINDS.map(([theirs]) => [theirs, "pre"] as const), [null, "none"]])],
  normKind: ["normalization_type", "LN", new Map<unknown, string>([...KINDS, [null, "layer"]])],
} as const;

/**
 * What a config says, its defaults where it says nothing. @throws Error in one line where it isn't the tensors', or of another kind of
 * model.
 */
function configFacts(path: string, config: Readonly<Record<string, unknown>> | null, found: Found): Fact[] {
  if (config === null) return [];
  const must = (name: string, value: unknown, ...allowed: readonly unknown[]) => {
    if (allowed.includes(value)) return;
    const all = allowed.map((each) => quote(each)).join(" or ");
    throw new Error(`Cannot use ${path}: ${name} must be ${all}, current value is ${quote(value)}`);
  };
  for (const [name, size] of Object.entries(configSizes(found, found.context))) {
    if (!OPTIONAL.includes(name) || !UNSET.includes(config[name])) must(name, config[name], size);
  }
  for (const [name, value] of Object.entries(PLAIN)) must(name, config[name] ?? value, value);
  const scale = Math.sqrt(found.K), given = config.attn_scale ?? -1;
  // TransformerLens stores what it works out.
  if (!(Math.abs(Number(given) - scale) < 1e-6)) must("attn_scale", given, -1, scale);
  return Object.entries(TOLD).map(([field, [name, otherwise, values]]) => {
    const value = config[name] === undefined ? otherwise : config[name];
    must(name, value, ...values.keys());
    return { part: "model", name: field, value: values.get(value), source: path };
  });
}
