/** What is set on the page: where it comes from (a link, a preset, the controls), and the runs that it stands for. Pure. */
import { type OperationName, OPERATIONS, pairCount, trainCount } from "../run/operations.ts";
import { quote } from "../run/quote.ts";
import type { RunSpec } from "../run/spec.ts";
import { firstGrok } from "../studies/lessons/first_grok.ts";

export interface Settings {
  readonly operation: OperationName;
  /** The modulus p. */
  readonly prime: number;
  /** Share of all pairs that train. */
  readonly share: number;
  /** d_model. */
  readonly width: number;
  readonly decay: number;
  readonly rate: number;
  /** How many networks, and the first one's seed; the others' follow. */
  readonly networks: number;
  readonly seed: number;
  readonly steps: number;
}

/** The lesson's setting, which every link is measured by. */
export const FIRST: Settings = {
  operation: "x_plus_y",
  prime: 47,
  share: 0.5,
  width: 32,
  decay: 1,
  rate: 0.01,
  networks: 5,
  seed: 0,
  steps: 2500,
};

export interface Preset {
  readonly id: string;
  readonly name: string;
  /** What is to be seen, in a sentence. */
  readonly shows: string;
  readonly settings: Settings;
}

export const PRESETS: readonly Preset[] = [
  {
    id: "grok",
    name: "Memorise, wait, understand",
    shows: "All five learn their sums by heart at once, fail on the others for long, and then find the rule.",
    settings: FIRST,
  },
  {
    id: "never",
    name: "Never groks",
    shows: "A fifth of the sums is too little to find the rule: they are learnt by heart, and that is all.",
    settings: { ...FIRST, share: 0.2, steps: 1500 },
  },
  {
    id: "random",
    name: "Random labels",
    shows: "The answers are drawn at random. There is no rule to find, and yet every one is learnt.",
    settings: { ...FIRST, operation: "random", steps: 1500 },
  },
];

/** The most of each that a page can bear: a larger one is for the laboratory. */
export const MOST = { prime: 113, width: 128, networks: 8, steps: 20_000 } as const;

/** Evaluations are so many updates apart. */
const EVERY = 20;

/** Operations that the page offers: those on residues. */
export const OFFERED = (Object.keys(OPERATIONS) as OperationName[]).filter((name) => OPERATIONS[name].elements === "mod p");

/**
 * The runs of a setting.
 * @throws Error in one line that names the field, its value and what it must be.
 */
export function specsOf({ operation, prime, share, width, decay, rate, networks, seed, steps }: Settings): RunSpec[] {
  return Array.from({ length: networks }, (_, i) =>
    firstGrok({
      model: { dModel: width },
      data: { operation, prime, trainFraction: share },
      optim: { lr: rate, weightDecay: decay },
      schedule: { steps, evalEvery: EVERY },
      seed: seed + i,
    }));
}

/** How many pairs a setting has, and how many of them train; also of one that can't be trained. */
export function pairsOf({ operation, prime, share }: Settings): { readonly all: number; readonly training: number } {
  const all = pairCount(operation, prime);
  return { all, training: trainCount(share, all) };
}

/** Steps at which a network is kept, so that it can be looked into later: often at first, about fifty in all. */
export function keptSteps({ schedule: { steps, evalEvery } }: Pick<RunSpec, "schedule">): number[] {
  const stride = Math.max(1, Math.ceil(steps / 50 / evalEvery)) * evalEvery;
  const early = [0, 1, 2, 3, 4, 5].map((n) => n * evalEvery).filter((step) => step < 2 * stride);
  const later = Array.from({ length: Math.floor(steps / stride) }, (_, i) => (i + 1) * stride);
  return [...new Set([...early, ...later, steps])].filter((step) => step <= steps).sort((a, b) => a - b);
}

const NUMBERS = ["prime", "share", "width", "decay", "rate", "networks", "seed", "steps"] as const;
type NumberName = (typeof NUMBERS)[number];

/** The fragment of a link that holds the setting: all of it, so that it means the same whatever the page's own becomes. */
export const fragmentOf = (settings: Settings): string =>
  `#${new URLSearchParams([["operation", settings.operation], ...NUMBERS.map((name) => [name, String(settings[name])])])}`;

/**
 * The setting in a link's fragment; what it leaves out is the lesson's. `null` where it holds none.
 * @throws Error in one line where it can't be used.
 */
export function settingsIn(fragment: string): Settings | null {
  const given = new URLSearchParams(fragment.replace(/^#/, ""));
  if ([...given].length === 0) return null;
  const fail = (name: string, requirement: string, value: unknown): never => {
    throw new Error(`Cannot use this link: ${name} must be ${requirement}, current value is ${quote(value)}`);
  };
  const settings: Record<string, unknown> = { ...FIRST };
  for (const [name, text] of given) {
    if (given.getAll(name).length > 1) fail(name, "there once", given.getAll(name).join(", "));
    if (name === "operation") {
      settings.operation = Object.hasOwn(OPERATIONS, text) ? text : fail(name, `one of ${OFFERED.join(", ")}`, text);
    } else if (!NUMBERS.includes(name as NumberName)) fail("each part", `one of operation, ${NUMBERS.join(", ")}`, name);
    else settings[name] = /^\d*\.?\d+(e-?\d+)?$/i.test(text) ? Number(text) : fail(name, "a number", text);
  }
  return checked(settings as unknown as Settings, "this link");
}

/**
 * The setting, if the page can train it.
 * @throws Error in one line where it can't.
 */
export function checked(settings: Settings, what = "this setting"): Settings {
  const { operation } = settings,
    must = (name: string, requirement: string, value: unknown): never => {
      throw new Error(`Cannot use ${what}: ${name} must be ${requirement}, current value is ${quote(value)}`);
    };
  if (!OFFERED.includes(operation)) must("operation", `one of ${OFFERED.join(", ")}`, operation);
  for (const [name, most] of Object.entries(MOST) as [keyof typeof MOST, number][]) {
    const least = name === "prime" ? 3 : 1, value = settings[name];
    if (!Number.isInteger(value) || value < least || value > most) must(name, `a whole number from ${least} to ${most}`, value);
  }
  if (!Number.isInteger(settings.seed) || settings.seed < 0) must("seed", "a whole number from 0", settings.seed);
  if (settings.width % 4 !== 0) must("width", "divisible by 4, the attention heads", settings.width);
  specsOf(settings); // the rest, the laboratory itself checks
  return settings;
}

/** The modulus nearest to one that the operation takes. */
export function nearestPrime(p: number): number {
  const isPrime = (n: number) => n > 1 && Array.from({ length: Math.floor(Math.sqrt(n)) - 1 }, (_, i) => i + 2).every((d) => n % d !== 0);
  for (let away = 0; away < MOST.prime; away++) {
    for (const n of [p - away, p + away]) if (n >= 3 && n <= MOST.prime && isPrime(n)) return n;
  }
  return FIRST.prime;
}
