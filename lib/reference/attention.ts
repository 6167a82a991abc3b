/**
 * The attention of a network over a probe set, by TensorFlow.js: executors' logs are tested against it, and it is the log without a GPU.
 */
import * as tf from "@tensorflow/tfjs";
import { type AttentionOptions, type AttentionProbe, attentionProbe, type AttentionReading, summarise } from "../run/attention.ts";
import { type Layout, layout } from "../run/layout.ts";
import type { RunSpec } from "../run/spec.ts";
import { type Backend, select, startBackend } from "./backend.ts";
import { forward, views } from "./model.ts";

/** A run at a step, its parameters on the device that computes. */
interface State {
  readonly spec: RunSpec;
  readonly step: number;
  readonly params: tf.Tensor1D;
}

/** The reading of a run. The caller has selected the backend. */
export async function readAttention({ spec, step, params }: State, at: Layout, probe: AttentionProbe): Promise<AttentionReading> {
  const patterns = tf.tidy(() => tf.stack([...forward(spec, views(params, at), probe.a, probe.b).patterns], 1)); // [N, L, H, T, T]
  const weights = new Float32Array(await patterns.data<"float32">());
  patterns.dispose();
  return { step, probe, ...summarise(spec, weights, probe.full) };
}

/**
 * The reading of a run with flat parameters f32[P], on its own probe set: the same as from a trainer that watches attention.
 * @throws Error where the parameters are not this model's, or the requested backend can't start here.
 */
export async function attentionOf(
  { spec, step, params }: { readonly spec: RunSpec; readonly step: number; readonly params: Float32Array },
  options: AttentionOptions & { readonly backend?: Backend } = {},
): Promise<AttentionReading> {
  const at = layout(spec);
  if (params.length !== at.length) {
    throw new Error(`Cannot read attention: the parameters must be ${at.length} floats, current value is ${params.length}`);
  }
  const probe = attentionProbe(spec, options), { backend } = await startBackend(options.backend);
  select(backend);
  const flat = tf.tensor1d(params.slice());
  try {
    return await readAttention({ spec, step, params: flat }, at, probe);
  } finally {
    flat.dispose();
  }
}
