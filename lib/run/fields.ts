/**
 * Every field of a run, said once. From this table follow the types of a run, what is refused, the flags of the command line with their
 * help, shape and identity, the columns of the lab, and the names in figures. A row is made in `field.ts`; the model's are in
 * `model_fields.ts`.
 */
import { type Field, field, later, readBy } from "./field.ts";
import { GROUPS, groupsKind } from "./groups.ts";
import { BELOW_ONE, BETWEEN, NOT_NEGATIVE, POSITIVE, real, SHARE, single, type Value, whole, word, wordOr } from "./kinds.ts";
import { model } from "./model_fields.ts";
import { type OperationName, OPERATIONS } from "./operations.ts";
import { listed, OPTIMISER_NAMES, optimisersInWords, reading, withL2, without } from "./optimisers.ts";

export { type Field, later } from "./field.ts";
export { LARGEST_CONTEXT, tokenNames } from "./model_fields.ts";

/** The largest modulus: a, b and the answer of a pair share 32 bits on the GPU. */
const LARGEST_PRIME = 1021;
const data = {
  operation: field(word(...Object.keys(OPERATIONS) as OperationName[]), {
    help: Object.keys(OPERATIONS).join(", "),
    say: (name) => OPERATIONS[name].formula,
  }),
  /** p; not read by operations on permutations. */
  prime: field(whole(2, LARGEST_PRIME), { help: "the modulus p; operations on permutations don't read it", label: "p" }),
  /** Share of all pairs that train. Which, is drawn from the seed. */
  trainFraction: field(real(BETWEEN), { help: "share of all pairs that train; the rest validates", label: "train fraction" }),
  /** Examples of an update: all that train, or so many draws with replacement. */
  batch: field(wordOr("full", whole(1, 65535)), { help: "full, or so many draws with replacement" }),
  /** How the number of training pairs follows from the share: cut off, or the nearest whole number, of two the even one. */
  rounding: later(word("down", "nearest"), "down", {
    help: "the number of training pairs is rounded down, or to the nearest (of two, the even)",
  }),
  /** `mirrored`: (a, b) and (b, a) both train or both validate, so that a network that ignores the order can't carry an answer over. */
  split: later(word("random", "mirrored"), "random", {
    help: "random, or mirrored: (a, b) and (b, a) both train or both validate; as many train either way",
  }),
  /**
   * Label noise: the share of the training pairs whose label is drawn from the seed, once, and stays. Validation pairs keep the operation's
   * answers. As in Doshi et al., "To grok or not to grok" (ICLR 2024).
   */
  labelNoise: later(real(SHARE), 0, {
    help: "share of the training pairs whose label is drawn once from the seed, from the classes that --noise-labels says",
    label: "label noise",
    unread: {
      field: "operation",
      where: (name: OperationName) => name === "random",
      says: () => "operation is random: all its labels are",
    },
    shape: () => "label noise",
  }),
  /** What such a label is drawn from, evenly: the classes but the right one, or all; at a share of 1, `any` are random labels. */
  noiseLabels: later(word("wrong", "any"), "wrong", {
    help:
      "noisy labels are drawn from the wrong classes, or from any class: then one in C is right by chance (a share of 1: random labels)",
    label: "noisy labels",
    unread: { field: "labelNoise", where: (share: number) => share === 0, says: () => "labelNoise is 0: there are none" },
  }),
};

/** AdamW: Loshchilov & Hutter, "Decoupled weight decay regularization" (ICLR 2019). */
const optim = {
  lr: field(single(NOT_NEGATIVE), { help: "learning rate", label: "learning rate" }),
  weightDecay: field(single(NOT_NEGATIVE), {
    help: `decoupled, as in AdamW; with ${listed(withL2)} added to the gradient (L2)`,
    label: "weight decay",
  }),
  beta1: field(single(BELOW_ONE), {
    help: `decay of the first moment; with lion, the moment's share in an update; ${listed(without("beta1"))} don't read it`,
    label: "β₁",
  }),
  beta2: field(single(BELOW_ONE), {
    help: `decay of the second moment; with lion, of its moment; ${listed(without("beta2"))} don't read it`,
    label: "β₂",
  }),
  eps: field(single(POSITIVE), { help: `added to the root of the second moment, which ${listed(reading("eps"))} have` }),
  /** lr is scaled by min(update / warmup, 1), updates counted from 0: with warm-up, the first has lr 0. */
  warmup: field(whole(0), { help: "updates over which the learning rate grows from 0", label: "warm-up", unit: "updates" }),
  /** What decays: every parameter, or matrices and embeddings only. */
  decay: field(word("all", "matrices"), { help: "what decays: all parameters, or matrices only" }),
  /**
   * Of the logits z. Cross-entropy in nats, −log softmax(z)_y: `torch`, log-softmax as it is; `stable` keeps digits that p_y − 1 loses in
   * fp32, which changes the late phase of training; `float64` is in doubles from the logits on, as published code does. `stablemax`:
   * −log(s(z_y) / Σ_j s(z_j)), s(z) = z + 1 from 0 on and 1 / (1 − z) below, of Prieto et al., "Grokking at the edge of numerical
   * stability" (ICLR 2025). `mse`: the mean over the C classes of (z − one-hot)², as PyTorch's MSELoss averages; a sum over the classes,
   * which others write, is C times as much. The answer that accuracies count is the largest logit under each of them.
   */
  loss: field(word("torch", "stable", "float64", "stablemax", "mse"), {
    help: "cross-entropy: torch (plain log-softmax), stable (keeps digits late in training) or float64 (in doubles from the logits on); " +
      "stablemax; or mse, the mean square of the logits less the one-hot answer",
    shape: (name) => name === "stablemax" || name === "mse" ? name : null,
  }),
  /** What the loss gets are the logits divided by it (multiplied by its inverse in fp32). Logits that are looked at are as they are. */
  temperature: later(single(POSITIVE), 1, {
    help: "the loss gets the logits divided by it; 1 leaves them as they are",
    shape: () => "temperature",
  }),
  /** Groups of tensors that stay as they begin: no update, no decay. Their gradients are computed, and count in `gradNorm`. */
  frozen: later(groupsKind(), "none", {
    help: "groups of tensors that are not trained: none, or such as embed+unembed",
    shape: (groups) => `frozen ${groups}`,
  }),
  /**
   * How parameters follow from gradients: `lib/engine/op/update.ts` has each rule's formula and source. What of this
   * table each of them reads, `optimisers.ts` says.
   */
  rule: later(word(...OPTIMISER_NAMES), "adamw", {
    help: `the optimiser: ${optimisersInWords()}`,
    label: "optimiser",
    column: "optimiser",
    flag: "optimiser",
    shape: (rule) => rule,
  }),
  momentum: readBy("rule", { sgd: 0, muon: 0.95 }, single(BELOW_ONE), { help: (rules) => `of ${listed(rules)}` }),
  muonLr: readBy("rule", { muon: 0.02 }, single(NOT_NEGATIVE), {
    help: (rules) => `learning rate of the matrices that ${listed(rules)} updates; --lr is that of the rest`,
    label: "Muon's learning rate",
  }),
  /** After warm-up the learning rate stays, or falls to 0 at update `lrSteps`, along half a cosine or a line. */
  lrSchedule: later(word("constant", "cosine", "linear"), "constant", {
    help: "after warm-up the learning rate stays, or falls to 0: constant, cosine or linear",
    label: "schedule of the learning rate",
    shape: (name) => `${name} rate`,
  }),
  /** Its own field and not the number of steps: a run that goes on for more steps is the same run. */
  lrSteps: readBy("lrSchedule", { cosine: null, linear: null }, whole(0), {
    help: (schedules) => `the update at which a ${listed(schedules, "or")} schedule reaches 0`,
    label: "learning rate 0 at",
    unit: "updates",
  }),
  /** What becomes of the gradient before the update: `lib/engine/op/update.ts` has the formulas. */
  gradFilter: later(word("none", "grokfast-ema", "grokfast-ma", "orthogonal"), "none", {
    help: "none, grokfast-ema, grokfast-ma, or orthogonal (⊥Grad: without its part along the weights)",
    label: "gradient filter",
    shape: (name) => name,
  }),
  filterAlpha: readBy("gradFilter", { "grokfast-ema": 0.98 }, single(BELOW_ONE), {
    help: "decay of Grokfast's average",
    label: "filter α",
  }),
  filterLambda: readBy("gradFilter", { "grokfast-ema": 2, "grokfast-ma": 5 }, single(NOT_NEGATIVE), {
    help: "how many times Grokfast adds its average to the gradient",
    label: "filter λ",
  }),
  filterWindow: readBy("gradFilter", { "grokfast-ma": 100 }, whole(0, 1000), {
    help: "gradients that Grokfast's moving average is taken over; each is kept",
    label: "filter window",
    unit: "updates",
    shape: (updates) => `window ${updates}`,
  }),
  /** Which tensors decay, among those that `decay` says. */
  decayGroups: later(groupsKind(), "all", {
    help: `all, or groups of tensors that decay: some of ${GROUPS.join("+")}`,
    label: "decays",
    shape: (names) => `decay ${names}`,
  }),
  /** The norm of all parameters, as the metric `weightNorm` has it, that every update ends with. */
  heldNorm: later(wordOr("start", single(NOT_NEGATIVE)), 0, {
    help: "start, or a number: the norm of all weights is held at that of the start, or there; 0: it is free",
    label: "weight norm held at",
    shape: () => "held norm",
  }),
  /**
   * After an update, no row is longer: a token's or position's vector, or the weights that lead into one unit. With `heldNorm`, all weights
   * are scaled afterwards, so that rows may end longer.
   */
  rowNorm: later(single(NOT_NEGATIVE), 0, {
    help: "largest norm of a row of weights (a token's vector, the weights into a unit), before heldNorm scales all weights; 0: no limit",
    label: "largest row norm",
    shape: () => "row norms",
  }),
};

/** How long a run lasts, and how often it is looked at, which is part of what it is: it decides what can be seen of it. */
const schedule = {
  steps: field(whole(0), { help: "updates", unit: "updates", follows: "others", extent: true }),
  evalEvery: field(whole(1), {
    help: "updates between evaluations on the whole sets",
    label: "evaluated every",
    unit: "updates",
    follows: "others",
  }),
};

/** The table: the parts of a run and their fields, in the order in which they are shown. */
export const FIELDS = { model, data, optim, schedule } as const;

/** What all numbers drawn at random follow from. It has no part: runs that differ in it alone are repetitions. */
export const SEED: Field<number> = field(whole(0, 2 ** 32 - 1), { help: "what all numbers drawn at random follow from" });

type Table = typeof FIELDS;
export type Part = keyof Table;
export const PARTS = Object.keys(FIELDS) as Part[];

/** The values of a part's fields. */
type Values<Fields> = { readonly [Name in keyof Fields]: Fields[Name] extends Field<infer T> ? T : never };
export type ModelSpec = Values<Table["model"]>;
export type DataSpec = Values<Table["data"]>;
export type OptimSpec = Values<Table["optim"]>;
export type ScheduleSpec = Values<Table["schedule"]>;

/** What a run is: one frozen plain object. */
export interface RunSpec {
  readonly model: ModelSpec;
  readonly data: DataSpec;
  readonly optim: OptimSpec;
  readonly schedule: ScheduleSpec;
  readonly seed: number;
}

type LaterOf<Fields> = { [Name in keyof Fields]: Fields[Name] extends { readonly neutral: Value } ? Name : never }[keyof Fields];
/** A run in which fields that came later may be missing: they have their neutral values. */
export type EarlierSpec =
  & { readonly seed: number }
  & {
    readonly [P in Part]: Omit<RunSpec[P], LaterOf<Table[P]>> & Partial<Pick<RunSpec[P], LaterOf<Table[P]> & keyof RunSpec[P]>>;
  };

/** A field with its place. */
export interface Entry {
  /** `model.dModel`; `seed`. */
  readonly path: string;
  /** `null`: of the run itself. */
  readonly part: Part | null;
  /** Its name in its part: `dModel`. */
  readonly name: string;
  readonly field: Field;
}

type AnyTable = Readonly<Record<Part, Readonly<Record<string, Field>>>>;

/** All fields of a table, part by part. */
export const entriesOf = (table: AnyTable): readonly Entry[] =>
  Object.entries(table).flatMap(([part, fields]) =>
    Object.entries(fields).map(([name, field]): Entry => ({ path: `${part}.${name}`, part: part as Part, name, field }))
  );

/** The fields of the parts, and all: these and the seed. */
export const PART_ENTRIES: readonly Entry[] = entriesOf(FIELDS);
export const ENTRIES: readonly Entry[] = [...PART_ENTRIES, { path: "seed", part: null, name: "seed", field: SEED }];
const BY_PATH: ReadonlyMap<string, Entry> = new Map(ENTRIES.map((entry) => [entry.path, entry]));

/** The field of a path such as `optim.weightDecay`; `undefined` where there is none. */
export const entryAt = (path: string): Entry | undefined => BY_PATH.get(path);

/** A field's name with its words apart: `d-model`, `d_model`. */
const apart = (name: string, by: "-" | "_") => name.replaceAll(/[A-Z]/g, (letter) => by + letter.toLowerCase());
export const flagOf = ({ name, field }: Entry): string => field.flag ?? apart(name, "-");
export const columnOf = ({ name, field }: Entry): string => field.column ?? apart(name, "_");

/** The value of a field in a run. */
export const valueAt = (spec: RunSpec, { part, name }: Pick<Entry, "part" | "name">): Value =>
  ((part === null ? spec : spec[part]) as unknown as Readonly<Record<string, Value>>)[name];

/** Whether a run has the value of a field with which it is what it was before there was the field. */
export const isNeutral = (spec: RunSpec, entry: Entry): boolean =>
  entry.field.neutral !== undefined && valueAt(spec, entry) === entry.field.neutral;

/** The fields that tell nothing new where they follow from the width, or from anything. */
export const followers = (of: "width" | "all"): string[] =>
  ENTRIES.filter(({ field: { follows } }) => follows === "width" || (of === "all" && follows !== undefined)).map(({ path }) => path);
