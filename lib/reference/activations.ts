/** The activations of a network for every pair, which a probe looks at. By TensorFlow.js, so that it needs no GPU. */
import * as tf from "@tensorflow/tfjs";
import type { Activations } from "../run/activations.ts";
import { layout } from "../run/layout.ts";
import { type RunSpec, sizes } from "../run/spec.ts";
import { type Backend, select, startBackend } from "./backend.ts";
import { type Forward, forward, pool, views } from "./model.ts";

export type { Activations } from "../run/activations.ts";

export interface ActivationOptions {
  /** Whose neurons, from 0. Default: the last layer. */
  readonly layer?: number;
  /** Default: webgpu where there is a hardware adapter, else wasm, else cpu. */
  readonly backend?: Backend;
}

/** Pairs of one forward pass: bounds the memory. */
const CHUNK = 2048;

/**
 * The activations of a network, from its flat parameters f32[P].
 * @throws Error where there is no such layer, the parameters are not this model's, or the requested backend can't start here.
 */
export async function activations(spec: RunSpec, params: Float32Array, options: ActivationOptions = {}): Promise<Activations> {
  const { L, elements: p } = sizes(spec), { layer = L - 1 } = options;
  if (!Number.isInteger(layer) || layer < 0 || layer >= L) {
    throw new Error(`Cannot read neurons: layer must be a whole number from 0 to ${L - 1}, current value is ${layer}`);
  }
  const pairs = Uint32Array.from({ length: p * p }, (_, pair) => pair);
  const all = { a: pairs.map((pair) => Math.floor(pair / p)), b: pairs.map((pair) => pair % p) };
  return await passes(spec, params, all, options.backend, ({ logits, features, neurons }) => {
    return { logits: logits.slice([0, 0], [-1, p]), features, neurons: pool(spec, neurons[layer]) };
  });
}

/**
 * The logits of a network for some pairs, f32[pairs, C], those of extra classes too, from its flat parameters f32[P].
 * @throws Error where the parameters are not this model's, or the requested backend can't start here.
 */
export async function pairLogits(
  spec: RunSpec,
  params: Float32Array,
  pairs: Pairs,
  { backend }: Pick<ActivationOptions, "backend"> = {},
): Promise<Float32Array<ArrayBuffer>> {
  return (await passes(spec, params, pairs, backend, ({ logits }) => ({ logits }))).logits;
}

/** Elements by twos, [pairs] each. */
interface Pairs {
  readonly a: Uint32Array;
  readonly b: Uint32Array;
}

/** Some matrices of forward passes, a row a pair. */
async function passes<Name extends string>(
  spec: RunSpec,
  params: Float32Array,
  { a, b }: Pairs,
  wanted: Backend | undefined,
  of: (pass: Forward) => Readonly<Record<Name, tf.Tensor2D>>,
): Promise<Record<Name, Float32Array<ArrayBuffer>>> {
  const at = layout(spec), found = {} as Record<Name, Float32Array<ArrayBuffer>>; // filled by the first chunk
  if (params.length !== at.length) {
    throw new Error(`Cannot read activations: the parameters must be ${at.length} floats, current value is ${params.length}`);
  }
  const { backend } = await startBackend(wanted);
  select(backend);
  const flat = tf.tensor1d(params.slice());
  try {
    for (let from = 0; from < a.length; from += CHUNK) {
      select(backend); // who else computes meanwhile may have chosen another
      const chunk = tf.tidy(() => {
        return { ...of(forward(spec, views(flat, at), a.subarray(from, from + CHUNK), b.subarray(from, from + CHUNK))) };
      });
      for (const [name, tensor] of Object.entries<tf.Tensor2D>(chunk)) {
        const values = found[name as Name] ??= new Float32Array(a.length * tensor.shape[1]);
        values.set(await tensor.data<"float32">(), from * tensor.shape[1]);
        tensor.dispose();
      }
    }
  } finally {
    flat.dispose();
  }
  return found;
}
