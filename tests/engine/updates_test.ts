/**
 * Every update rule, schedule, gradient filter and limit on norms, on every executor: each update against the oracle's, from the same
 * state and the executor's own gradient, tensor by tensor.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { ExecutorEngine } from "../../lib/engine/executor_engine.ts";
import type { Op } from "../../lib/engine/op.ts";
import { MOMENTS, type UpdateRule } from "../../lib/engine/op/update.ts";
import { update } from "../../lib/engine/webgpu/kernels/update.ts";
import { FIELDS } from "../../lib/run/fields.ts";
import { OPTIMISERS, reading, withL2 } from "../../lib/run/optimisers.ts";
import { type RunInput, type RunSpec, runSpec } from "../../lib/run/spec.ts";
import { KERNELS, spoiled, testOn } from "./executors.ts";
import { difference } from "./update_oracle.ts";

/** Heads of 6 lie 8 apart; W_in [18, 10] is taller than wide, W_out wider than tall. */
const run = (seed: number, { model, data, optim }: RunInput): RunSpec =>
  runSpec({
    model: { layers: 1, dModel: 18, heads: 3, dMlp: 10, tokens: "a b", ...model?.mixer === "none" && { heads: 1 }, ...model },
    data: { prime: 7, batch: 5, ...data },
    optim: { lr: 0.01 * seed, warmup: 2, ...optim },
    schedule: { steps: 20, evalEvery: 20 },
    seed,
  });

/** Some updates of two runs. @throws Error that names the tensor where one isn't the oracle's. */
async function check(engine: ExecutorEngine, input: RunInput, updates: number): Promise<void> {
  const trainer = await engine.open([1, 2].map((seed) => run(seed, input)));
  try {
    for (let done = 0; done < updates; done++) {
      const before = await Promise.all([0, 1].map((row) => trainer.snapshot(row)));
      for await (const _ of trainer.advance(1));
      for (const row of [0, 1]) {
        const [after, gradient] = [await trainer.snapshot(row), await trainer.gradient(row)];
        const wrong = await difference(before[row], after, trainer.layout, gradient);
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
  // Weights of a and of b lead into the same units: one matrix of 36 inputs and 40 outputs; of one-hot inputs 14, and 40 further in.
  "Muon and short rows, an MLP": { input: { model: { mixer: "none", dMlp: 40 }, optim: { rule: "muon", rowNorm: 0.7 } } },
  "Muon and short rows, an MLP on one-hot inputs": {
    input: { model: { mixer: "none", inputs: "one-hot", layers: 2, dMlp: 40 }, optim: { rule: "muon", rowNorm: 0.7 } },
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

Deno.test("updates: every optimiser, schedule and gradient filter has a case here", () => {
  const { rule, lrSchedule, gradFilter } = FIELDS.optim, inputs = Object.values(CASES).map(({ input }) => input);
  for (const [name, field] of Object.entries({ rule, lrSchedule, gradFilter })) {
    const tried = inputs.map((input) => run(1, input).optim[name as "rule"]);
    const without = field.kind.words!.filter((word) => !tried.some((one) => one === word));
    assertEquals(without, [], `CASES must have one with ${name} ${without}, such as { input: { optim: { ${name}: "${without[0]}" } } }`);
  }
});

Deno.test("updates: each optimiser's kernel reads what its help says that it reads", () => {
  const to = {
    op: "update",
    label: "",
    schedule: "constant",
    P: 8,
    first: 0,
    words: 8,
    vectorsFrom: 8,
    decays: true,
    params: "params",
  } as const;
  for (const kind of Object.keys(MOMENTS) as UpdateRule[]) {
    const { code } = update({ ...to, kind, grads: "grads", moments: MOMENTS[kind] }),
      reads = (name: string) => new RegExp(`\\bh\\.${name}\\b`).test(code);
    for (const name of ["beta1", "beta2", "eps"] as const) assertEquals(reads(name), reading(name).includes(kind), `${kind}, ${name}`);
    assertEquals(reads("momentum"), Object.hasOwn(FIELDS.optim.momentum.readBy!.choices, kind), kind);
    assertEquals(code.includes("grads[at] + decay * params[at]"), withL2.includes(kind), kind);
  }
  assertEquals(OPTIMISERS.muon.reads, OPTIMISERS.adamw.reads);
});

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
