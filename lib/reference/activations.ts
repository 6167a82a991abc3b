/** The activations of a network for every pair, which a probe looks at. By TensorFlow.js, so that it needs no GPU. */
import * as tf from "@tensorflow/tfjs";
import type { Activations } from "../run/activations.ts";
import { headWidth, layout } from "../run/layout.ts";
import { type RunSpec, sizes } from "../run/spec.ts";
import { type Backend, select, startBackend } from "./backend.ts";
import { forward, pool, views } from "./model.ts";

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
  const at = layout(spec), { L, elements: p, M } = sizes(spec), { layer = L - 1 } = options;
  if (!Number.isInteger(layer) || layer < 0 || layer >= L) {
    throw new Error(`Cannot read neurons: layer must be a whole number from 0 to ${L - 1}, current value is ${layer}`);
  }
  if (params.length !== at.length) {
    throw new Error(`Cannot read activations: the parameters must be ${at.length} floats, current value is ${params.length}`);
  }
  const { backend } = await startBackend(options.backend);
  const pairs = Uint32Array.from({ length: p * p }, (_, pair) => pair);
  const a = pairs.map((pair) => Math.floor(pair / p)), b = pairs.map((pair) => pair % p);
  const found = {
    logits: new Float32Array(p ** 3),
    features: new Float32Array(p * p * headWidth(spec)),
    neurons: new Float32Array(p * p * M),
  };
  select(backend);
  const flat = tf.tensor1d(params.slice());
  try {
    for (let from = 0; from < pairs.length; from += CHUNK) {
      select(backend); // who else computes meanwhile may have chosen another
      const [logits, features, neurons] = tf.tidy(() => {
        const pass = forward(spec, views(flat, at), a.subarray(from, from + CHUNK), b.subarray(from, from + CHUNK));
        return [pass.logits.slice([0, 0], [-1, p]), pass.features, pool(spec, pass.neurons[layer])];
      });
      for (const [name, tensor] of Object.entries({ logits, features, neurons })) {
        found[name as keyof Activations].set(await tensor.data<"float32">(), from * tensor.shape[1]!);
        tensor.dispose();
      }
    }
  } finally {
    flat.dispose();
  }
  return found;
}
