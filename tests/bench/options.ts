/** What `deno task bench` can be told. */
import type { Profiled } from "./profile.ts";
import { parseArgs } from "node:util";
import { type Peer, PEERS } from "./peers.ts";
import { isPreset } from "./protocol.ts";
import { type PresetName, PRESETS } from "../../lib/run/spec.ts";

export const HELP = `deno task bench: one training step (forward, backward, AdamW) of many small transformers, beside its peers.

  --work NAMES     presets, default ai-scientist,boundaries
  --rows NUMBERS   runs trained at once, default 1,8,64
  --only NAMES     peers by the first words of their names (torch, jax-highest), default all: ${
  PEERS.filter(({ pruned, named }) => !pruned && !named).map(({ name }) => name).join(" ")
}
                   without a graphics card, those of webgpu only where they are named; grokbook-cpu-unflagged always so
  --pruned         adds rows of the Python peers that compute only the positions that the loss sees, as grokbook does
  --seconds S      how long a turn lasts about, default 2
  --rounds N       turns of each peer, default 5; peers take turns (A B C A B C …), so that a machine's drift hits all alike
  --patience S     how long a peer may take to compile or for a turn before it is left out of the rows, default 300
  --python FILES   interpreters to look for PyTorch and JAX in, in this order, default python3,/usr/bin/python3
  --json FILE      writes all that was measured, with machine, versions and command
  --lab            what a sweep adds to training, and how fast the lab's database takes and gives, in place of the comparison
  --attention      what watching attention at every evaluation adds to training, in place of the comparison
  --lesson         the first lesson's ten runs on cpu and webgpu, evaluations included, in place of the comparison
  --scaling        our engine as runs at once, width, depth and batch grow, on cpu threads too, in place of the comparison
  --profile        time, GFLOP/s, GB/s and share of the adapter's peak, kernel by kernel of our engine's step, in place of the comparison
  --engine NAME    webgpu or cpu, for --scaling and --profile [webgpu where there is a card, else cpu]; --profile on cpu times
                   kernels on one thread, against one thread's peak

Figures are run-steps a second, R × steps / s, in fp32: the median of the turns, with the least and the most. Warm-up is excluded. Peers
that are not installed are reported absent. Peers that train runs one after another are measured with one run: more would not change it.`;

export interface Options {
  readonly work: readonly PresetName[];
  readonly rows: readonly number[];
  /** The peers on a machine with a graphics card, or without one. */
  readonly peers: (card: boolean) => readonly Peer[];
  readonly seconds: number;
  readonly rounds: number;
  readonly patience: number;
  readonly pythons: readonly string[];
  readonly json: string | null;
  readonly scaling: boolean;
  readonly profile: boolean;
  readonly engine: Profiled | null;
  readonly lab: boolean;
  readonly attention: boolean;
  readonly lesson: boolean;
}

/** @throws Error that names the flag, its value and what it must be. */
export function options(args: readonly string[]): Options | "help" {
  const text = { type: "string" } as const, flag = { type: "boolean" } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      work: { ...text, default: "ai-scientist,boundaries" },
      rows: { ...text, default: "1,8,64" },
      only: text,
      pruned: flag,
      seconds: { ...text, default: "2" },
      rounds: { ...text, default: "5" },
      patience: { ...text, default: "300" },
      python: { ...text, default: "python3,/usr/bin/python3" },
      json: text,
      scaling: flag,
      profile: flag,
      engine: text,
      lab: flag,
      attention: flag,
      lesson: flag,
      help: { ...flag, short: "h" },
    },
  });
  if (values.help) return "help";
  const number = (name: "seconds" | "rounds" | "patience", ok: (x: number) => boolean, requirement: string) =>
    ok(Number(values[name])) ? Number(values[name]) : fail(`--${name}`, values[name], requirement);
  const work = values.work.split(",").map((name) => isPreset(name) ? name : fail("--work", name, Object.keys(PRESETS).join(", ")));
  const rows = values.rows.split(",").map(Number);
  if (!rows.every((R) => Number.isInteger(R) && R >= 1)) fail("--rows", values.rows, "whole numbers from 1, with commas");
  const wanted = values.only?.split(",");
  for (const begin of wanted ?? []) {
    if (!PEERS.some(({ name }) => begins(name, begin))) {
      fail(
        "--only",
        begin,
        `the beginning of ${PEERS.map(({ name }) => name).join(", ")}`,
      );
    }
  }
  return {
    work,
    rows,
    peers: (card) =>
      PEERS.filter(({ name, pruned, named, webgpu }) =>
        (!pruned || values.pruned || wanted?.includes(name)) && (!named || wanted?.includes(name)) && (!webgpu || card || wanted) &&
        (!wanted || wanted.some((begin) => begins(name, begin)))
      ),
    seconds: number("seconds", (x) => x > 0, "above 0"),
    rounds: number("rounds", (x) => Number.isInteger(x) && x >= 1, "a whole number from 1"),
    patience: number("patience", (x) => x > 0, "above 0"),
    pythons: values.python.split(","),
    json: values.json ?? null,
    scaling: values.scaling ?? false,
    profile: values.profile ?? false,
    engine: values.engine === undefined || values.engine === "webgpu" || values.engine === "cpu"
      ? values.engine ?? null
      : fail("--engine", values.engine, "webgpu or cpu"),
    lab: values.lab ?? false,
    attention: values.attention ?? false,
    lesson: values.lesson ?? false,
  };
}

/** Whether a peer's name is these words or begins with them: `jax` is jax-highest and jax-default, not jaxjs-wasm. */
const begins = (name: string, words: string) => `${name}-`.startsWith(`${words}-`);

function fail(flag: string, value: unknown, requirement: string): never {
  throw new Error(`Cannot use ${flag}: it must be ${requirement}, current value is ${value}`);
}
