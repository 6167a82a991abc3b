/** An update of the oracle, from an engine's own state and gradient, and where the engine's differs from it. */
import * as tf from "@tensorflow/tfjs";
import type { Snapshot } from "../../lib/engine/engine.ts";
import { select, startBackend } from "../../lib/reference/backend.ts";
import { update } from "../../lib/reference/optimiser.ts";
import { besideAtStart } from "../../lib/run/beside.ts";
import { type Layout, read } from "../../lib/run/layout.ts";

/** Of a tensor's largest number: fp32 keeps it to half of 2⁻²³, and a decay and a step round it once each. */
const ROUNDING = 2e-7;
/** The same where the norm of all is held, or a gradient's part along the weights is taken off: sums of a thousand products. */
const HELD = 2e-6;
/** Smaller numbers may become 0. */
const SMALLEST = 2 ** -126;
/**
 * Of a tensor's largest change: quotients and roots of a WGSL device may be off by some units in the last place, sums of 400 terms by
 * about 1e-5.
 */
const CHANGE = 1e-4;
/** Five Newton–Schulz rounds make the smallest singular values up to 3.4445⁵ = 485 times as large, their rounding too. */
const MUON = 1e-3;

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
function compare(before: Snapshot, actual: Snapshot, expected: ReturnType<typeof oracle>, layout: Layout): string | null {
  const largest = (values: Float32Array) => values.reduce((most, x) => Math.max(most, Math.abs(x)), 0),
    { rule, heldNorm, gradFilter } = before.spec.optim,
    rounding = heldNorm === 0 && gradFilter !== "orthogonal" ? ROUNDING : HELD;
  const differs = (name: string, was: Float32Array, is: Float32Array, must: Float32Array) => {
    const change = largest(must.map((x, i) => x - was[i]));
    const most = SMALLEST + rounding * Math.max(largest(must), largest(was)) + (rule === "muon" ? MUON : CHANGE) * change;
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

/** Where an engine's update of a state by a gradient isn't the oracle's, in words; `null` where it is. */
export async function difference(before: Snapshot, after: Snapshot, layout: Layout, gradient: Float32Array): Promise<string | null> {
  select((await startBackend("wasm")).backend);
  return compare(before, after, oracle(before, layout, gradient), layout);
}
