/**
 * A run from what people write, its identity and its shape. What a run consists of, field by field, is in `fields.ts`.
 *
 * Legend, in TypeScript, WGSL and prose alike: R runs · B examples · T positions · V vocabulary · C classes · D d_model ·
 * H heads · K d_head · M d_mlp · L layers · P parameters a run. Indices are the lower-case letters; gradients prefix `d`.
 */
import { checked } from "./check.ts";
import {
  type DataSpec,
  type Entry,
  isNeutral,
  LARGEST_CONTEXT,
  type ModelSpec,
  type OptimSpec,
  type Part,
  PART_ENTRIES,
  PARTS,
  type RunSpec,
  tokenNames,
  valueAt,
} from "./fields.ts";
import type { Value } from "./kinds.ts";
import { groupsIn, groupsOf } from "./groups.ts";
import { checksum } from "./files.ts";
import { type RunInput, runInputSchema } from "./input.ts";
import { elementCount, OPERATIONS, pairCount, trainCount } from "./operations.ts";
import { complete, PRESETS } from "./presets.ts";
import { quote } from "./quote.ts";

export type { DataSpec, ModelSpec, OptimSpec, RunSpec, ScheduleSpec } from "./fields.ts";
export { tokenNames } from "./fields.ts";
export type { RunInput } from "./input.ts";
export { type PresetName, PRESETS } from "./presets.ts";

const RUN = runInputSchema();

/**
 * A checked, frozen run from a preset (default `ai-scientist`) and what differs from it.
 * Where d_mlp is not given but d_model is, d_mlp is 4 · d_model; where tokens are given but the context isn't, the context is their number.
 * @throws Error in one line that names the field, its value and what it must be.
 */
export const runSpec = (input: RunInput = {}): RunSpec => runFrom(runInput(input));

/** The value as a run's input, every field checked by itself, if it is one. @throws Error in one line that names the field. */
export const runInput = (value: unknown): RunInput => checked(RUN, value, CANNOT) as RunInput;

/** A run from an input in which every value is checked by itself. `entries`: the fields of the parts. */
export function runFrom({ preset = "ai-scientist", seed, ...given }: RunInput, entries: readonly Entry[] = PART_ENTRIES): RunSpec {
  const base = entries === PART_ENTRIES ? PRESETS[preset] : complete(PRESETS[preset], entries);
  const part = <P extends Part>(name: P) => partFrom(name, given[name] ?? {}, base[name], entries);
  const parts = { model: part("model"), data: part("data"), optim: part("optim"), schedule: part("schedule") };
  checkParts(parts);
  return Object.freeze({ ...parts, seed: seed ?? base.seed });
}

/** @throws Error where two parts of a run don't go together. */
export function checkParts({ model, optim: { frozen } }: Pick<RunSpec, "model" | "optim">): void {
  if (frozen === "none") return;
  const own = groupsOf(model), still = groupsIn(frozen);
  if (own.every((group) => still.includes(group))) fail("frozen", frozen, `without some of this model's groups (${own.join("+")})`);
}

/**
 * A part of a run, frozen: what is given over a preset's, and what follows from it.
 * @throws Error where its values don't go together.
 */
export function partFrom<P extends Part>(name: P, given: Partial<RunSpec[P]>, preset: RunSpec[P], entries = PART_ENTRIES): RunSpec[P] {
  const values = valuesOf(name, given, preset, entries);
  for (const entry of entries) if (entry.part === name) mustBeRead(entry, values);
  TOGETHER[name]?.(values);
  return Object.freeze(values) as RunSpec[P]; // whose fields are readonly anyway
}

/** The values of a part, whether or not they go together: what is given, what follows from it, and a preset's where it is read. */
export function valuesOf<P extends Part>(name: P, given: Partial<RunSpec[P]>, preset: RunSpec[P], entries = PART_ENTRIES): RunSpec[P] {
  // In the table's order: what follows from another field may be what the next one follows from.
  const own: Readonly<Record<string, unknown>> = given, following: Record<string, unknown> = {};
  for (const entry of entries) {
    const { from } = entry.field, source = entry.part === name && from ? own[from.field] ?? following[from.field] : undefined;
    const value = source === undefined ? undefined : from!.value(source as never); // a source comes from it
    if (value !== undefined) following[entry.name] = value;
  }
  const values: Record<string, unknown> = Object.assign({ ...preset }, following, given);
  for (const { part, name: field, field: { neutral, unread } } of entries) {
    const isFree = part === name && unread && !Object.hasOwn(given, field);
    if (isFree && unread.where(values[unread.field] as never)) values[field] = neutral;
  }
  return values as unknown as RunSpec[P]; // the preset has all fields
}

/** Sizes that follow from a run, by the letters of the legend. */
export interface Sizes {
  readonly L: number;
  readonly D: number;
  readonly H: number;
  readonly K: number;
  readonly M: number;
  readonly T: number;
  readonly V: number;
  /** Values of a, of b and of the answer. */
  readonly elements: number;
  /** Classes of the output head: the elements, and those that are never the answer. */
  readonly C: number;
  /** Examples of an update. */
  readonly B: number;
  /** All pairs of the operation. */
  readonly pairs: number;
  /** How many of them train. */
  readonly trainPairs: number;
  /** How many of these have noisy labels. */
  readonly noisyPairs: number;
  /** The token of element 0; the others follow it. */
  readonly firstElement: number;
  /** The token of `op` and of `=`, where the layout has them. */
  readonly op: number;
  readonly equals: number;
}

/** The sizes of a run. In `[a, op, b, =]`, op and = are tokens 0 and 1 as in the template; in `[a, b, =]`, = comes last. */
export function sizes(spec: RunSpec): Sizes {
  const { model, data } = spec;
  const elements = elementCount(data.operation, data.prime);
  const names = tokenNames(model.tokens);
  const pairs = pairCount(data.operation, data.prime);
  const trainPairs = trainCount(data.trainFraction, pairs, data.rounding);
  const firstElement = names.includes("op") ? 2 : 0;
  return {
    L: model.layers,
    D: model.dModel,
    H: model.heads,
    K: model.dModel / model.heads,
    M: model.dMlp,
    T: names.length,
    V: elements + names.filter((name) => name === "op" || name === "=").length,
    elements,
    C: elements + model.extraClasses,
    B: data.batch === "full" ? trainPairs : data.batch,
    pairs,
    trainPairs,
    noisyPairs: trainCount(data.labelNoise, trainPairs),
    firstElement,
    op: 0,
    equals: firstElement === 0 ? elements : 1,
  };
}

/** Runs with the same shape key can train in the same dispatches: same model, examples an update and number of elements. */
export const shapeKey = (spec: RunSpec): string => shapeBy(spec, PART_ENTRIES);

/** `shapeKey` by the fields of another table. */
export function shapeBy(spec: RunSpec, entries: readonly Entry[]): string {
  const { B, C } = sizes(spec);
  return [...PARTS.map((part) => partShape(spec, part, entries)).filter((text) => text !== ""), `B${B}`, `C${C}`].join(" ");
}

const partShape = shared((spec, part, entries) =>
  entries.filter((entry) => entry.part === part && entry.field.shape && !isNeutral(spec, entry))
    .map((entry) => entry.field.shape!(valueAt(spec, entry))).filter((text) => text !== null).join(" ")
);

/** Remembers the text of a part by its frozen object, which the runs of a grid share: there may be a million of them. */
function shared(text: (spec: RunSpec, part: Part, entries: readonly Entry[]) => string): typeof text {
  const known = new WeakMap<object, string>();
  return (spec, part, entries) => {
    if (entries !== PART_ENTRIES || !Object.isFrozen(spec[part])) return text(spec, part, entries);
    let found = known.get(spec[part]);
    if (found === undefined) known.set(spec[part], found = text(spec, part, entries));
    return found;
  };
}

/**
 * All that makes a run what it is, as JSON with sorted keys: everything but the number of its steps, and fields that came later as far as
 * they change something.
 */
export const identity = (spec: RunSpec): string => identityBy(spec, PART_ENTRIES);

/** `identity` by the fields of another table. */
export function identityBy(spec: RunSpec, entries: readonly Entry[]): string {
  const parts = PARTS.map((part) => [part, identityText(spec, part, entries)] as const).filter(([, text]) => text !== "{}");
  return `{${parts.sort(([a], [b]) => a < b ? -1 : 1).map(([part, text]) => `"${part}":${text},`).join("")}"seed":${spec.seed}}`;
}

const identityText = shared((spec, part, entries) => {
  const own = entries.filter((entry) => entry.part === part && !entry.field.extent && !isNeutral(spec, entry));
  return stableJson(Object.fromEntries(own.map((entry) => [entry.name, valueAt(spec, entry)])));
});

/** What a part adds to a run's identity. */
export const partIdentity = (spec: RunSpec, part: Part): string => identityText(spec, part, PART_ENTRIES);

/** The identity in short: 16 hexadecimal digits of its SHA-256. A run that goes on for more steps keeps its hash. */
export const specHash = (spec: RunSpec): string => checksum(new TextEncoder().encode(identity(spec))).slice(0, 16);

/** JSON with sorted keys: equal objects, equal text. */
export function stableJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_, inner) =>
      inner && typeof inner === "object" && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
        : inner,
  );
}

const CANNOT = "Cannot use this run";

function fail(name: string, value: unknown, requirement: string): never {
  throw new Error(`${CANNOT}: ${name} must be ${requirement}, current value is ${quote(value)}`);
}

/** Fails where a value is given that nothing reads, or is 0 where something reads it that can't do with 0. */
function mustBeRead({ name, field: { neutral, unread, readBy } }: Entry, values: object): void {
  if (!unread) return;
  const { [name]: value, [unread.field]: other } = values as Readonly<Record<string, Value>>; // by the names of a part's fields
  if (unread.where(other as never)) {
    if (value !== neutral) fail(name, value, `${neutral} where ${unread.says?.(other as never) ?? `${unread.field} is ${other}`}`);
  } else if (readBy && value === 0 && readBy.choices[String(other)] !== 0) {
    fail(name, value, `above 0 where ${readBy.field} is ${other}`);
  }
}

/** What the fields of a part must be together. */
const TOGETHER: { readonly [P in Part]?: (values: RunSpec[P]) => void } = {
  model: (model: ModelSpec) => {
    const { dModel, heads, context, tokens } = model, least = tokenNames(tokens).length;
    if (dModel % heads !== 0) fail("dModel", dModel, `divisible by heads (${heads})`);
    if (context < least) fail("context", context, `a whole number from ${least} to ${LARGEST_CONTEXT}`);
    for (const { where, values, must } of COMBINATIONS) {
      for (const [name, value] of Object.entries(must)) {
        const current = model[name as keyof ModelSpec];
        if (where(model) && current !== value) fail(name, current, `${value} where ${values}`);
      }
    }
  },
  data: ({ operation, prime, trainFraction, rounding, labelNoise }: DataSpec) => {
    if ("divides" in OPERATIONS[operation] && !isPrime(prime)) fail("prime", prime, `a prime number for ${operation}`);
    const pairs = pairCount(operation, prime), trainPairs = trainCount(trainFraction, pairs, rounding);
    if (trainPairs < 1 || trainPairs >= pairs) {
      fail("trainFraction", trainFraction, `such that train and validation sets get at least one of the ${pairs} pairs each`);
    }
    if (labelNoise > 0 && trainCount(labelNoise, trainPairs) < 1) {
      fail("labelNoise", labelNoise, `0, or such that at least one of the ${trainPairs} pairs that train gets a noisy label`);
    }
  },
  optim: ({ lrSchedule, lrSteps, warmup, decay, decayGroups, frozen, heldNorm }: OptimSpec) => {
    if (lrSchedule !== "constant" && lrSteps <= warmup) {
      fail("lrSteps", lrSteps, `above warmup (${warmup}), where lrSchedule is ${lrSchedule}`);
    }
    if (decayGroups === "none") fail("decayGroups", decayGroups, "some groups or all; weightDecay 0 says that none decay");
    if (decay === "matrices" && groupsIn(decayGroups).every((group) => group === "norms" || group === "biases")) {
      fail("decayGroups", decayGroups, "such that some group has matrices where decay is matrices");
    }
    if (frozen === "all") fail("frozen", frozen, "such that some group is trained");
    if (frozen !== "none" && heldNorm !== 0) fail("heldNorm", heldNorm, `0 where frozen is ${frozen}: it scales all tensors`);
  },
};

/** What fields of the model must be beside others: a run has one description. */
const COMBINATIONS: readonly { where(model: ModelSpec): boolean; readonly values: string; readonly must: Partial<ModelSpec> }[] = [
  {
    where: ({ mixer }) => mixer === "none",
    values: "mixer is none",
    must: { tokens: "a b", context: 2, norm: "none", mask: "none", pooling: "last", heads: 1, tied: false },
  },
  { where: ({ tied }) => tied, values: "tied is true", must: { extraClasses: 0 } },
  {
    where: ({ scaling }) => scaling === "mean-field",
    values: "scaling is mean-field",
    must: { mixer: "none", inputs: "one-hot", activation: "square", layers: 1, biases: false },
  },
];

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return n > 1;
}
