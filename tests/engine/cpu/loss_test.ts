/** The losses and their gradients; sums over batches and evaluations; AdamW: against plain loops in doubles. */
import { assert, assertEquals } from "@std/assert";
import { METRIC_STRIDE, METRIC_WORDS, type MetricWord } from "../../../lib/engine/evaluation.ts";
import { HYPER, HYPER_WORDS } from "../../../lib/engine/hyper.ts";
import * as op from "../../../lib/engine/cpu/operations/mod.ts";
import { assertNear, noise, replay } from "./machine.ts";

const LOSSES = ["torch", "stable", "float64", "stablemax", "mse"] as const;
const kindOf = (loss: typeof LOSSES[number]) => loss === "stablemax" || loss === "mse" ? loss : "cross-entropy" as const;

/** Words of `hyper`, of which only some are of interest. */
function hyper(
  values: { loss?: number; scale?: number; train?: number; pairs?: number; floats?: number[]; decayVectors?: number; warmup?: number },
): Uint32Array {
  const words = new Uint32Array(HYPER_WORDS), floats = new Float32Array(words.buffer);
  floats.set(values.floats ?? []);
  floats[HYPER.findIndex(({ name }) => name === "logit_scale")] = values.scale ?? 1;
  if (values.warmup !== undefined) words[3] = values.warmup;
  words.set([values.decayVectors ?? 0, values.loss ?? 0], 10);
  words.set([values.train ?? 0, values.pairs ?? 0], 14);
  return words;
}

/** One example's loss and gradient, of the logits times `scale`. */
function expectedOf(loss: typeof LOSSES[number], unscaled: readonly number[], y: number, scale: number) {
  const z = unscaled.map((x) => scale * x), found = loss === "mse" ? squared(z, y) : loss === "stablemax" ? stablemax(z, y) : plain(z, y);
  return { loss: found.loss, gradient: found.gradient.map((x) => scale * x) };
}
function squared(z: readonly number[], y: number) {
  const errors = z.map((x, c) => x - (c === y ? 1 : 0));
  return { loss: errors.reduce((sum, e) => sum + e * e, 0) / z.length, gradient: errors.map((e) => 2 * e / z.length) };
}
function stablemax(z: readonly number[], y: number) {
  const w = z.map((x) => (x >= 0 ? x + 1 : 1 / (1 - x))), slope = z.map((x) => (x >= 0 ? 1 : 1 / (1 - x) ** 2));
  const rest = w.reduce((sum, x, c) => sum + (c === y ? 0 : x), 0), total = rest + w[y];
  return { loss: Math.log1p(rest / w[y]), gradient: slope.map((x, c) => (c === y ? -x * rest / w[y] : x) / total) };
}
function plain(z: readonly number[], y: number) {
  const best = Math.max(...z), e = z.map((x) => Math.exp(x - best)), rest = e.reduce((sum, x, c) => sum + (c === y ? 0 : x), 0);
  const total = rest + e[y];
  return { loss: Math.log1p(rest / e[y]), gradient: e.map((x, c) => (c === y ? -rest : x) / total) };
}

for (const [n, C] of [[1, 1], [3, 4], [5, 11], [40, 97]]) {
  for (const [i, name] of [...LOSSES, ...LOSSES].entries()) {
    const scale = i < LOSSES.length ? 1 : Math.fround(1 / 2.5);
    Deno.test(`${name} loss of ${n} examples, ${C} classes, logits times ${scale}`, () => {
      const C4 = Math.ceil(C / 4) * 4, label = (i: number) => (3 * i + 1) % C;
      const logits = noise(n * C4, C).map((x) => 8 * x);
      const buffers = {
        hyper: hyper({ loss: i % LOSSES.length, scale }),
        batch: Uint32Array.from({ length: n }, (_, i) => (label(i) << 20) >>> 0),
        logits,
        stats: 2 * n,
        dlogits: n * C4,
        other: 2 * n,
      };
      const what = { kind: kindOf(name), scaled: scale !== 1, batch: "batch", logits: "logits", examples: n, C };
      const [stats, dlogits, other] = replay(buffers, [
        op.loss("loss", { ...what, stats: "stats", dlogits: "dlogits" }),
        op.loss("loss alone", { ...what, stats: "other" }),
      ], ["stats", "dlogits", "other"]);
      assertEquals(other, stats);
      const examples = Array.from({ length: n }, (_, i) => [...logits.slice(i * C4, i * C4 + C)]);
      const expected = examples.map((z, i) => expectedOf(name, z, label(i), scale));
      assertNear(stats.filter((_, i) => i % 2 === 0), expected.map(({ loss }) => loss), 1e-6, "loss");
      assertEquals([...stats.filter((_, i) => i % 2 === 1)], examples.map((z, i) => (z.indexOf(Math.max(...z)) === label(i) ? 1 : 0)));
      const padding = Array(C4 - C).fill(0);
      assertNear(dlogits, expected.flatMap(({ gradient }) => [...gradient.map((x) => x / n), ...padding]), 1e-6, "gradient");
    });
  }
}

Deno.test("a label that is nearly certain: stable and float64 keep the digits that torch loses", () => {
  const z = [25, 3, 1, 2], { loss, gradient } = plain(z, 0);
  const of = (kind: number) => {
    const buffers = { hyper: hyper({ loss: kind }), batch: Uint32Array.of(0), logits: Float32Array.from(z), stats: 2, dlogits: 4 };
    const [stats, dlogits] = replay(buffers, [
      op.loss("loss", {
        kind: "cross-entropy",
        scaled: false,
        batch: "batch",
        logits: "logits",
        stats: "stats",
        dlogits: "dlogits",
        examples: 1,
        C: 4,
      }),
    ], ["stats", "dlogits"]);
    return { loss: stats[0], label: dlogits[0] };
  };
  assertEquals(of(0), { loss: 0, label: 0 });
  assertNear([of(1).loss, of(1).label], [loss, gradient[0]], 1e-6, "stable");
  // A double keeps 1 − p to 2⁻⁵³, which here is some 10⁻⁶ of it.
  assertNear([of(2).loss], [loss], 1e-5, "float64");
  assertNear([of(2).label], [gradient[0]], 1e-5, "float64");
});

Deno.test("of equally large logits the first is the answer; far behind, the stable loss is the plain one; no number is not right", () => {
  const rows = [[5, 5, 1, 0], [5, 5, 1, 0], [200, 0, 0, 0], [NaN, 0, 0, 0], [0, NaN, 0, 0]], labels = [0, 1, 1, 0, 0];
  for (const [loss, name] of LOSSES.entries()) {
    const buffers = {
      hyper: hyper({ loss }),
      batch: Uint32Array.from(labels, (y) => y << 20),
      logits: Float32Array.from(rows.flat()),
      stats: 10,
      dlogits: 20,
    };
    const what = {
      kind: kindOf(name),
      scaled: false,
      batch: "batch",
      logits: "logits",
      stats: "stats",
      dlogits: "dlogits",
      examples: 5,
      C: 4,
    };
    const [stats] = replay(buffers, [op.loss("loss", what)], ["stats"]);
    assertEquals([stats[1], stats[3], stats[5], stats[7], stats[9]], [1, 0, 0, 0, 0]);
    assertNear([stats[4]], [expectedOf(name, rows[2], 1, 1).loss], 1e-6, name); // fp32
    for (const at of [6, 8]) assert(Number.isNaN(stats[at]), name);
  }
});

Deno.test("StableMax and squares: far from 0, and where a logit is 0", () => {
  for (const name of ["stablemax", "mse"] as const) {
    for (const z of [[0, -0, 0, 0, 0], [3e4, -3e4, 1, 0, -1], [-3e4, 3e4, 1, 0, -1], [-7, -8, -9, -1e-3, 1e-3]]) {
      const logits = Float32Array.from([...z, 0, 0, 0]);
      const buffers = { hyper: hyper({ loss: LOSSES.indexOf(name) }), batch: Uint32Array.of(0), logits, stats: 2, dlogits: 8 };
      const what = { kind: name, scaled: false, batch: "batch", logits: "logits", stats: "stats", dlogits: "dlogits", examples: 1, C: 5 };
      const [stats, dlogits, after] = replay(buffers, [op.loss("loss", what)], ["stats", "dlogits", "logits"]);
      const { loss, gradient } = expectedOf(name, [...logits.slice(0, 5)], 0, 1);
      assertNear([stats[0]], [loss], 1e-6 * Math.max(1, loss), name); // fp32
      assertNear(dlogits, [...gradient, 0, 0, 0], 1e-6 * Math.max(1, ...gradient.map(Math.abs)), name);
      assertEquals(after, logits);
    }
  }
});

Deno.test("sums over a batch count the step, until the run has done its steps", () => {
  for (const [B, step] of [[1, 4], [2, 4], [5, 4], [512, 4], [5, 10]]) {
    const stats = noise(2 * B, B), batch_sums = Float32Array.of(1, 2, 3, 0);
    const [sums, state] = replay({ state: Uint32Array.of(step, 10, 0, 5), stats, batch_sums }, [
      op.endOfStep("end", { examples: B, stats: "stats", sums: "batch_sums" }),
    ], ["batch_sums", "state"]);
    const sum = (odd: number) => stats.reduce((sum, x, i) => (i % 2 === odd ? sum + x : sum), 0);
    const done = step === 10;
    assertNear(sums, done ? batch_sums : [1 + sum(0), 2 + sum(1), 3 + B, 0], 1e-6, `B ${B}`);
    assertEquals([...new Uint32Array(state.buffer)], [done ? 10 : 5, 10, 0, 5]);
  }
});

Deno.test("chunks of an evaluation: training and held-out pairs apart, none past the end; means, norms, and sums that start afresh", () => {
  const E = 8, train = 11, pairs = 21, P = 36;
  for (const [step, steps] of [[10, 20], [7, 20], [20, 20], [7, 7]]) {
    const stats = noise(2 * E, 3), params = noise(P, 1), grads = noise(P, 2), batch_sums = Float32Array.of(6, 3, 12, 0);
    const buffers = {
      hyper: hyper({ train, pairs }),
      state: Uint32Array.of(step, steps, 0, 5),
      "eval.stats": stats,
      "eval.sums": new Float32Array(4),
      params,
      grads,
      batch_sums,
      metrics: METRIC_STRIDE,
    };
    const chunk = op.endOfChunk("chunk", { examples: E, stats: "eval.stats", block: E, sums: "eval.sums" });
    const all = { P, params: "params", grads: "grads", batchSums: "batch_sums", sums: "eval.sums", metrics: "metrics" };
    const list = [chunk, chunk, chunk, op.endOfEvaluation({ label: "end", ...all })];
    const [metrics, sums, state, batch] = replay(buffers, list, ["metrics", "eval.sums", "state", "batch_sums"]);
    const total = (odd: number, from: number, to: number) => {
      let sum = 0;
      for (let i = from; i < to; i++) sum += stats[2 * (i % E) + odd];
      return sum;
    };
    const norm = (x: Float32Array) => Math.hypot(...x), held = pairs - train;
    const expected: Readonly<Record<MetricWord, number>> = {
      ...{ trainLoss: total(0, 0, train) / train, trainAcc: total(1, 0, train) / train },
      ...{ valLoss: total(0, train, pairs) / held, valAcc: total(1, train, pairs) / held },
      ...{ weightNorm: norm(params), gradNorm: norm(grads), batchLoss: 0.5, batchAcc: 0.25 },
    };
    assertNear(metrics.subarray(0, METRIC_WORDS.length), METRIC_WORDS.map((name) => expected[name]), 1e-6, "metrics");
    assertEquals([...sums], [0, 0, 0, 0]);
    assertEquals([...new Uint32Array(state.buffer)], [step, steps, 0, 5]);
    // A look between two scheduled evaluations leaves the sums as they are, and so does the evaluation of a run that ends there.
    assertEquals([...batch], step === 7 ? [...batch_sums] : [0, 0, 0, 0]);
  }
});

Deno.test("AdamW: decay first, warm-up, corrections of early steps, vectors with and without decay; a run that is done rests", () => {
  const P = 44, matrices = 28, beta1 = 0.9, beta2 = 0.98, lr = 1e-2, decay = 0.5, eps = 1e-8;
  for (const [step, warmup, decayVectors] of [[0, 0, 1], [1, 10, 0], [3, 0, 0], [500, 10, 1], [30_000, 0, 1], [40_000, 0, 1]]) {
    const start = { params: noise(P, 1), grads: noise(P, 2), m: noise(P, 3).map((x) => x / 10), v: noise(P, 4).map((x) => x * x / 10) };
    const floats = [lr, decay, eps, 0, beta1, 1 - beta1, Math.log(beta1), beta2, 1 - beta2, Math.log(beta2)];
    const buffers = { hyper: hyper({ floats, warmup, decayVectors }), state: Uint32Array.of(step, 40_000, 0, 10), ...start };
    const [params, m, v] = replay(buffers, [
      op.update({
        ...{ label: "adamw", kind: "adamw", schedule: "constant", P, first: 0, words: P, vectorsFrom: matrices, decays: true },
        ...{ params: "params", grads: "grads", moments: ["m", "v"] },
      }),
    ], [
      "params",
      "m",
      "v",
    ]);
    if (step === 40_000) {
      assertEquals([params, m, v], [start.params, start.m, start.v]);
      continue;
    }
    const rate = lr * (warmup === 0 ? 1 : Math.min(step / warmup, 1));
    const m1 = Float64Array.from(start.m, (x, i) => beta1 * x + (1 - beta1) * start.grads[i]);
    const v1 = Float64Array.from(start.v, (x, i) => beta2 * x + (1 - beta2) * start.grads[i] ** 2);
    assertNear(m, m1, 1e-6, "m");
    assertNear(v, v1, 1e-6, "v");
    assertNear(
      params,
      Float64Array.from(start.params, (x, i) => {
        const kept = x * (1 - rate * (i < matrices || decayVectors === 1 ? decay : 0));
        const hat = m1[i] / (1 - beta1 ** (step + 1)), scale = Math.sqrt(v1[i] / (1 - beta2 ** (step + 1)));
        return kept - rate * hat / (scale + eps);
      }),
      1e-6,
      `step ${step}`,
    );
  }
});

Deno.test("a run that has done its steps leaves the rest of a list out", () => {
  for (const [step, expected] of [[4, 5], [10, 10]]) {
    const buffers = { state: Uint32Array.of(step, 10, 0, 5), stats: new Float32Array(2), batch_sums: new Float32Array(4) };
    const [state] = replay(buffers, [op.rest(), op.endOfStep("end", { examples: 1, stats: "stats", sums: "batch_sums" })], ["state"]);
    assertEquals(new Uint32Array(state.buffer)[0], expected);
  }
});
