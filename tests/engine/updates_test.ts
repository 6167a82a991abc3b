/**
 * Every update rule, schedule, gradient filter and limit on norms, on every executor: each update against the oracle's, from the same
 * state and the executor's own gradient, tensor by tensor.
 */
import { assert, assertRejects } from "@std/assert";
import * as tf from "@tensorflow/tfjs";
import type { Snapshot } from "../../lib/engine/engine.ts";
import type { ExecutorEngine } from "../../lib/engine/executor_engine.ts";
import type { Op } from "../../lib/engine/op.ts";
import { select, startBackend } from "../../lib/reference/backend.ts";
import { update } from "../../lib/reference/optimiser.ts";
import { besideAtStart } from "../../lib/run/beside.ts";
import { type Layout, read } from "../../lib/run/layout.ts";
import { type RunInput, type RunSpec, runSpec } from "../../lib/run/spec.ts";
import { KERNELS, spoiled, testOn } from "./executors.ts";

/** Of a tensor's largest number: fp32 keeps it to half of 2⁻²³, and a decay and a step round it once each. */
const ROUNDING = 2e-7;
/** The same where the norm of all is held: it is the root of a sum of a thousand squares, taken in some order. */
const HELD = 2e-6;
/**
 * Of a tensor's largest change: quotients and roots of a WGSL device may be off by some units in the last place, sums of 400 terms by
 * about 1e-5.
 */
const CHANGE = 1e-4;
/** Five Newton–Schulz rounds make the smallest singular values up to 3.4445⁵ = 485 times as large, their rounding too. */
const MUON = 1e-3;

/** Heads of 6 lie 8 apart; W_in [18, 10] is taller than wide, W_out wider than tall. */
const run = (seed: number, { model, data, optim }: RunInput): RunSpec =>
  runSpec({
    model: { layers: 1, dModel: 18, heads: 3, dMlp: 10, tokens: "a b", ...model },
    data: { prime: 7, batch: 5, ...data },
    optim: { lr: 0.01 * seed, warmup: 2, ...optim },
    schedule: { steps: 20, evalEvery: 20 },
    seed,
  });

/** The state that the oracle makes of another and a gradient. */
function oracle(
  { spec, step, params, m, v, beside = besideAtStart(spec, params) ?? {} }: Snapshot,
  layout: Layout,
  gradient: Float32Array,
) {
  return tf.tidy(() => {
    const kept = Object.fromEntries(Object.entries(beside).map(([name, values]) => [name, tf.tensor1d(values)]));
    const before = { params: tf.tensor1d(params), m: tf.tensor1d(m), v: tf.tensor1d(v), beside: kept };
    const after = update(spec, layout, step, before, tf.tensor1d(gradient));
    const flat = (tensor: tf.Tensor) => tensor.dataSync<"float32">();
    const others = Object.entries(after.beside).map(([name, values]) => [name, flat(values)]);
    return {
      params: flat(after.params),
      m: flat(after.m),
      v: flat(after.v),
      beside: Object.fromEntries(others) as Record<string, Float32Array>,
    };
  });
}

/** Where two updates of a state differ, in words; `null` where they don't. */
function difference(before: Snapshot, actual: Snapshot, expected: ReturnType<typeof oracle>, layout: Layout): string | null {
  const largest = (values: Float32Array) => values.reduce((most, x) => Math.max(most, Math.abs(x)), 0),
    { rule, heldNorm } = before.spec.optim;
  const differs = (name: string, was: Float32Array, is: Float32Array, must: Float32Array) => {
    const change = largest(must.map((x, i) => x - was[i]));
    const most = (heldNorm === 0 ? ROUNDING : HELD) * Math.max(largest(must), largest(was)) + (rule === "muon" ? MUON : CHANGE) * change;
    const worst = is.reduce((worst, x, i) => Math.max(worst, Number.isNaN(x) ? Infinity : Math.abs(x - must[i])), 0);
    return worst > most ? `${name} differs by ${worst} at step ${before.step}, its largest change is ${change}` : null;
  };
  const ofTensors = layout.tensors.flatMap((tensor) =>
    (["params", "m", "v"] as const).map((part) =>
      differs(
        `${part} of ${tensor.name}`,
        ...[before, actual, expected].map((state) => read(tensor, state[part])) as [
          Float32Array,
          Float32Array,
          Float32Array,
        ],
      )
    )
  );
  const ofOthers = Object.entries(expected.beside).map(([name, must]) => {
    return differs(name, before.beside?.[name] ?? new Float32Array(must.length), actual.beside![name], must);
  });
  return [...ofTensors, ...ofOthers].find((text) => text !== null) ?? null;
}

/** Some updates of two runs. @throws Error that names the tensor where one isn't the oracle's. */
async function check(engine: ExecutorEngine, input: RunInput, updates: number): Promise<void> {
  const trainer = await engine.open([1, 2].map((seed) => run(seed, input)));
  try {
    for (let done = 0; done < updates; done++) {
      const before = await Promise.all([0, 1].map((row) => trainer.snapshot(row)));
      for await (const _ of trainer.advance(1));
      for (const row of [0, 1]) {
        const [after, gradient] = [await trainer.snapshot(row), await trainer.gradient(row)];
        select((await startBackend("wasm")).backend);
        const wrong = difference(before[row], after, oracle(before[row], trainer.layout, gradient), trainer.layout);
        assert(wrong === null, `row ${row}: ${wrong}`);
      }
    }
  } finally {
    trainer.dispose();
  }
}

const CASES: Readonly<Record<string, { readonly input: RunInput; readonly updates?: number }>> = {
  "Adam with L2 on matrices": { input: { optim: { rule: "adam", decay: "matrices" } } },
  "SGD with momentum and L2": { input: { optim: { rule: "sgd", momentum: 0.8 } } },
  "the gradient's sign": { input: { optim: { rule: "signsgd" } } },
  Lion: { input: { optim: { rule: "lion", decay: "matrices" } } },
  Muon: { input: { optim: { rule: "muon" } } },
  "Muon, a neuron and a head of one": {
    input: { model: { dModel: 3, heads: 3, dMlp: 1, norm: "none" }, optim: { rule: "muon", decay: "matrices" } },
  },
  "half a cosine after warm-up": { input: { optim: { lrSchedule: "cosine", lrSteps: 5 } }, updates: 7 },
  "a line after warm-up": { input: { optim: { rule: "lion", lrSchedule: "linear", lrSteps: 5 } }, updates: 7 },
  "Grokfast's decaying average": { input: { optim: { gradFilter: "grokfast-ema", filterAlpha: 0.6 } } },
  "Grokfast's moving average": { input: { optim: { rule: "sgd", gradFilter: "grokfast-ma", filterWindow: 3 } }, updates: 8 },
  "a window of one": { input: { optim: { gradFilter: "grokfast-ma", filterWindow: 1 } } },
  "gradients orthogonal to weights": { input: { model: { norm: "pre" }, optim: { rule: "sgd", gradFilter: "orthogonal" } } },
  "decay on some groups": { input: { optim: { weightDecay: 20, decayGroups: "pos+mlp+biases" } } },
  "the norm held at its start": { input: { optim: { heldNorm: "start" } } },
  "the norm held elsewhere, rows no longer than 0.7": { input: { optim: { heldNorm: 5, rowNorm: 0.7 } } },
  "Muon with frozen groups": {
    input: { optim: { rule: "muon", frozen: "pos+attn+norms", decayGroups: "embed+attn+mlp", rowNorm: 0.7, gradFilter: "grokfast-ema" } },
  },
  "much at once": {
    input: {
      model: { layers: 2, initScale: 2 },
      data: { batch: "full" },
      optim: {
        ...{ rule: "muon", momentum: 0.9, muonLr: 0.05, lrSchedule: "cosine", lrSteps: 10, decayGroups: "embed+attn", weightDecay: 2 },
        ...{ gradFilter: "grokfast-ma", filterWindow: 2, rowNorm: 1, heldNorm: 20 },
      },
    },
  },
};
const ALL = KERNELS.filter(({ all }) => all);
for (const [name, { input, updates = 3 }] of Object.entries(CASES)) {
  testOn(ALL, `updates: ${name}`, (engine) => check(engine, input, updates));
}

/** Mistakes that a plan could hold, and what the comparison must name. */
const MISTAKES: readonly { readonly of: keyof typeof CASES; readonly names: string; readonly change: (op: Op) => Op }[] = [
  { of: "Muon", names: "params of blocks.0.attn.W_Q", change: (op) => op.op === "muonEnd" ? { ...op, scale: 1.01 * op.scale } : op },
  { of: "Muon", names: "m of embed.W_E", change: (op) => op.op === "update" ? { ...op, kind: "adam" } : op },
  { of: "Adam with L2 on matrices", names: "m of embed.W_E", change: (op) => op.op === "update" ? { ...op, kind: "adamw" } : op },
  { of: "a line after warm-up", names: "params of", change: (op) => op.op === "update" ? { ...op, schedule: "cosine" } : op },
  { of: "decay on some groups", names: "params of", change: (op) => op.op === "update" ? { ...op, decays: !op.decays } : op },
  {
    of: "gradients orthogonal to weights",
    names: "m of blocks.0.attn.W_Q",
    change: (op) =>
      op.op === "orthogonalGradient" && op.area.name.endsWith("W_Q") ? { ...op, area: { ...op.area, columns: op.area.columns - 4 } } : op,
  },
  {
    of: "the norm held elsewhere, rows no longer than 0.7",
    names: "params of",
    change: (op) => op.op === "clipRows" && op.along === "rows" ? { ...op, along: "columns" } : op,
  },
  { of: "Grokfast's decaying average", names: "m of", change: (op) => op.op === "gradientFilter" ? { ...op, kept: "m", kind: "ema" } : op },
];
for (const { of, names, change } of MISTAKES) {
  testOn(ALL.slice(0, 1), `updates: a mistake is seen, ${of}, ${names}`, async (engine) => {
    await assertRejects(() => check(spoiled(engine, change), CASES[of].input, CASES[of].updates ?? 3), Error, names);
  });
}
