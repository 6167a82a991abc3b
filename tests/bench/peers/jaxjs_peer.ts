/**
 * jax-js: `jaxjs_peer.ts webgpu|wasm`. The whole step with its AdamW in one `jit`; the batches of 64 steps lie on the device. R runs by
 * `vmap` on webgpu; one after another on wasm, where two at once had not warmed up after two minutes and one had after ten seconds.
 * Its functions consume their arguments; `.ref` keeps one for another use.
 */
import * as jax from "@jax-js/jax";
import { runSpec, sizes } from "../../../lib/run/spec.ts";
import { dataset } from "../../../lib/run/operations.ts";
import { batchIndex, Random } from "../../../lib/run/random.ts";
import type { Work } from "../protocol.ts";
import { serve, type Session } from "./serve.ts";

const { numpy: np, nn } = jax;
type A = jax.Array;
type Params = { [name: string]: A };
const PREPARED = 64;
const backend = Deno.args[0] as jax.Device;

async function ready() {
  const found = await jax.init(backend);
  if (!found.includes(backend)) throw new Error(`jax-js has no ${backend} backend here`);
  jax.defaultDevice(backend);
  const { default: { imports } } = await import("../../../deno.json", { with: { type: "json" } });
  // Its WebAssembly backend starts a worker for each processor where memory can be shared.
  const device = backend === "wasm" ? `wasm, ${navigator.hardwareConcurrency} threads` : backend;
  return { version: imports["@jax-js/jax"].split("@").at(-1)!, device, sequential: backend === "wasm" };
}

/** Parameters of R runs, each [R, …]; Linear weights are [in, out]. */
function initial({ L, D, M, V, C }: ReturnType<typeof sizes>, context: number, positionSigma: number, rows: number): Params {
  const random = new Random(0, "init");
  const make = (shape: number[], draw: () => number) => {
    const values = new Float32Array(rows * shape.reduce((product, n) => product * n, 1));
    return np.array(values.map(draw)).reshape([rows, ...shape]);
  };
  const uniform = (bound: number, ...shape: number[]) => make(shape, () => bound * (2 * random.uniform() - 1));
  const linear = (name: string, n: number, m: number) => ({
    [`${name}.w`]: uniform(n ** -0.5, n, m),
    [`${name}.b`]: uniform(n ** -0.5, m),
  });
  const norm = (name: string) => ({ [`${name}.w`]: make([D], () => 1), [`${name}.b`]: make([D], () => 0) });
  const params: Params = {
    W_E: make([V, D], () => random.normal()),
    W_pos: make([context, D], () => positionSigma * random.normal()),
    ...norm("ln"),
    ...linear("head", D, C),
  };
  for (let l = 0; l < L; l++) {
    Object.assign(
      params,
      { [`${l}.qkv.w`]: uniform(Math.sqrt(6 / (4 * D)), D, 3 * D), [`${l}.qkv.b`]: make([3 * D], () => 0) },
      { [`${l}.out.w`]: uniform(D ** -0.5, D, D), [`${l}.out.b`]: make([D], () => 0) },
      linear(`${l}.mlp1`, D, M),
      linear(`${l}.mlp2`, M, D),
      norm(`${l}.ln1`),
      norm(`${l}.ln2`),
    );
  }
  return params;
}

function open({ preset }: Work, rows: number): Session {
  const spec = runSpec({ preset });
  const size = sizes(spec);
  const { L, D, H, K, T, V, C, B } = size;
  const { model, optim } = spec;
  if (model.activation !== "gelu" || model.norm === "none" || !model.biases || optim.decay !== "all" || optim.loss !== "torch") {
    throw new Error("this peer trains GELU models with biases and LayerNorm, decay on all, plain log-softmax");
  }

  /** One run's mean loss; tokens [B, T, V] and targets [B, C] are one-hot, which is how an embedding's gradient stays a product. */
  function lossOf(P: Params, tokens: A, target: A): A {
    const linear = (x: A, name: string) => np.matmul(x, P[`${name}.w`].ref).add(P[`${name}.b`].ref);
    const norm = (x: A, name: string) => {
      const centred = x.ref.sub(np.mean(x, -1, { keepdims: true }));
      const variance = np.mean(np.square(centred.ref), -1, { keepdims: true });
      return centred.mul(np.reciprocal(np.sqrt(variance.add(1e-5)))).mul(P[`${name}.w`].ref).add(P[`${name}.b`].ref);
    };
    const pre = model.norm === "pre";
    let x = np.matmul(tokens.reshape([B * T, V]), P.W_E.ref).reshape([B, T, D]).add(P.W_pos.ref.slice([0, T]));
    for (let l = 0; l < L; l++) {
      const h = pre ? norm(x.ref, `${l}.ln1`) : x.ref;
      const [q, k, v] = np.split(linear(h, `${l}.qkv`), 3, -1).map((part: A) => part.reshape([B, T, H, K]));
      const z = nn.dotProductAttention(q, k, v, { isCausal: model.mask === "causal" }).reshape([B, T, D]);
      x = x.add(linear(z, `${l}.out`));
      if (!pre) x = norm(x, `${l}.ln1`);
      const inner = nn.gelu(linear(pre ? norm(x.ref, `${l}.ln2`) : x.ref, `${l}.mlp1`), { approximate: false });
      x = x.add(linear(inner, `${l}.mlp2`));
      if (!pre) x = norm(x, `${l}.ln2`);
    }
    if (model.pooling === "last") x = x.slice([], T - 1);
    x = norm(x, "ln");
    if (model.pooling === "mean") x = np.mean(x, 1);
    const loss = np.sum(nn.logSoftmax(linear(x, "head")).mul(target)).mul(-1 / B);
    jax.tree.dispose(P);
    return loss;
  }

  const lossAndGradient = jax.vmap(jax.valueAndGrad(lossOf) as (P: Params, tokens: A, target: A) => [A, Params], [0, 0, 0] as never);
  /** One AdamW update; `rates` [4]: 1 − lr · wd, lr, and the two bias corrections. */
  const step = jax.jit((P: Params, m: Params, v: Params, rates: A, tokens: A, target: A) => {
    const words = nn.oneHot(tokens, V).astype(np.float32), answers = nn.oneHot(target, C).astype(np.float32);
    const [loss, gradient] = lossAndGradient(jax.tree.ref(P), words, answers);
    const [keep, lr, c1, c2] = [0, 1, 2, 3].map((i) => rates.ref.slice(i));
    rates.dispose();
    const next: [Params, Params, Params] = [{}, {}, {}];
    for (const name in P) {
      const g = gradient[name];
      next[1][name] = m[name].mul(optim.beta1).add(g.ref.mul(1 - optim.beta1));
      next[2][name] = v[name].mul(optim.beta2).add(np.square(g).mul(1 - optim.beta2));
      const move = next[1][name].ref.mul(c1.ref).div(np.sqrt(next[2][name].ref.mul(c2.ref)).add(optim.eps));
      next[0][name] = P[name].mul(keep.ref).sub(move.mul(lr.ref));
    }
    jax.tree.dispose([keep, lr, c1, c2]);
    return [...next, np.mean(loss)] as [Params, Params, Params, A];
  });

  let P = initial(size, model.context, model.positionSigma, rows);
  const zeros = (): Params => Object.fromEntries(Object.entries(P).map(([name, value]) => [name, np.zeros(value.shape)]));
  let m = zeros(), v = zeros();
  let loss: A = np.array([0]), count = 0;
  const batches = prepared(spec, rows);
  return {
    async advance(steps) {
      for (let i = 0; i < steps; i++, count++) {
        const lr = optim.lr * (optim.warmup ? Math.min(count / optim.warmup, 1) : 1);
        const corrections = [optim.beta1, optim.beta2].map((beta) => 1 / (1 - beta ** (count + 1)));
        const rates = np.array(new Float32Array([1 - lr * optim.weightDecay, lr, ...corrections]));
        const [tokens, target] = batches[count % batches.length];
        loss.dispose();
        [P, m, v, loss] = step(P, m, v, rates, tokens.ref, target.ref);
        if (i % 8 === 7) await jax.blockUntilReady(loss); // or pending work piles up
      }
      await jax.blockUntilReady([P, loss]);
      return steps;
    },
    loss: async () => (await loss.ref.data())[0],
    dispose: () => {
      jax.tree.dispose([P, m, v, loss, batches.flat()]);
      step.dispose();
    },
  };
}

/** Batches on the device: tokens [R, B, T] and targets [R, B]; one where a batch is full. */
function prepared(spec: ReturnType<typeof runSpec>, rows: number): [A, A][] {
  const { B, T, firstElement, op, equals } = sizes(spec);
  const sets = Array.from({ length: rows }, (_, seed) => dataset(spec.data, seed));
  const full = spec.data.batch === "full";
  return Array.from({ length: full ? 1 : PREPARED }, (_, step) => {
    const tokens: number[] = [], targets: number[] = [];
    sets.forEach(({ a, b, target, trainCount }, seed) => {
      for (let i = 0; i < B; i++) {
        const at = full ? i : batchIndex(seed, step, i, trainCount);
        const word = { a: a[at] + firstElement, b: b[at] + firstElement, op, "=": equals };
        for (const name of spec.model.tokens.split(" ")) tokens.push(word[name as keyof typeof word]);
        targets.push(target[at]);
      }
    });
    return [
      np.array(Int32Array.from(tokens), { dtype: np.int32 }).reshape([rows, B, T]),
      np.array(Int32Array.from(targets), { dtype: np.int32 }).reshape([rows, B]),
    ];
  });
}

await serve(ready, open);
