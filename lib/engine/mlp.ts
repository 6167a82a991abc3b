/**
 * A model without attention as operations, in both directions: hidden layers on what a and b are, embedded or one-hot. W_in of the first
 * one has rows for a and rows for b, so what it makes of an element is computed once for all examples: a row of a table of a's values, and
 * one of b's.
 */
import { inputWidth, pad4 } from "../run/layout.ts";
import { biasGradient, inputGradient, weightGradient } from "./backward.ts";
import { linear } from "./forward.ts";
import type { Op, Product, View } from "./op.ts";
import type { Pass } from "./pass.ts";

/** From the pairs to their logits, the pass's share of it: what depends on one element are the tables. */
export function forward(pass: Pass): Op[] {
  const { spec: { model }, examples: m, width: { M, C } } = pass, { activation: name } = model;
  const ops: Op[] = pass.computes("a") ? tables(pass) : [];
  if (!pass.computes("ab")) return ops;
  ops.push(pairs(pass));
  for (let l = 1; l < model.layers; l++) {
    const x = neurons(pass, "post", l - 1), c = neurons(pass, "pre", l), out = neurons(pass, "post", l);
    const label = `${out.buffer} = act(${x.buffer} · W_in)`;
    ops.push(linear(pass, { label, m, n: M, k: M, x, W: [l, "in"], c }, { activation: { name, out } }));
  }
  const x = neurons(pass, "post", model.layers - 1), c = pass.activation(pass.end("logits"), m, C);
  return [...ops, linear(pass, { label: `logits = ${x.buffer} · W_U`, m, n: C, k: M, x, W: [null, "U"], c })];
}

export function backward(pass: Pass): Op[] {
  const { spec: { model: { layers, activation: name } }, examples: m, width: { M, C } } = pass;
  const dLogits = pass.activation("d.logits", m, C), dPre = (l: number) => pass.activation(`d.${l % 2}.mlp_pre`, m, M);
  const ops: Op[] = [];
  for (let l = layers; l > 0; l--) {
    const isHead = l === layers, dy = isHead ? dLogits : dPre(l), dx = dPre(l - 1), n = isHead ? C : M;
    const x = neurons(pass, "post", l - 1), pre = neurons(pass, "pre", l - 1), W = isHead ? "W_U" : `${l}.W_in`;
    const label = `${dx.buffer} = act'(${pre.buffer}) ∘ ${dy.buffer} · ${W}ᵀ`;
    ops.push(
      weightGradient(pass, { rows: m, m: M, n, x, dy, of: isHead ? [null, "U"] : [l, "in"] }),
      inputGradient(pass, { label, m, n: M, k: n, dy, W, dx }, { derivative: { name, pre } }),
    );
  }
  return [...ops, ...biasGradient(pass, "0.b_in", dPre(0), m, M), ...tablesBackward(pass, dPre(0))];
}

/** Of a hidden layer: what the activation function gets, and what it gives. */
const neurons = (pass: Pass, what: "pre" | "post", l: number): View =>
  pass.activation(pass.end(`${l}.mlp_${what}`), pass.examples, pass.width.M);

/** Rows of a table before those of b. */
const second = ({ layout: { sizes: { elements } } }: Pass) => pad4(elements);

/** The table of a's values and behind it that of b's, or their gradient: W_in itself of one-hot inputs, else it is computed from W_E. */
function table(pass: Pass, buffer: "params" | "grads"): View {
  if (pass.spec.model.inputs === "one-hot") return pass.parameter("0.W_in", 0, buffer);
  return pass.activation(buffer === "params" ? pass.end("table") : "d.table", 2 * second(pass), pass.width.M);
}

/** For a and for b: their rows of W_in and of the table, and of the gradients of both. */
function halves(pass: Pass) {
  const { spec: { model }, layout: { sizes } } = pass,
    from = (view: View, rows: number): View => {
      return { ...view, offset: view.offset + rows * view.stride };
    };
  return [0, 1].map((half) => {
    const of = (buffer: "params" | "grads") => ({
      W: from(pass.parameter("0.W_in", 0, buffer), half * pad4(inputWidth(model, sizes))),
      table: from(table(pass, buffer), half * second(pass)),
    });
    return { name: "ab"[half], params: of("params"), grads: of("grads") };
  });
}

/** table = W_E · W_in, of a and of b; nothing where inputs are one-hot. */
function tables(pass: Pass): Op[] {
  const { spec: { model: { inputs } }, layout: { sizes: { elements: m } }, width: { D, M } } = pass;
  if (inputs === "one-hot") return [];
  return halves(pass).map(({ name, params: { W, table } }): Product => {
    const label = `${table.buffer} = W_E · W_in, of ${name}`;
    return { op: "product", label, form: "nn", m, n: M, k: D, a: pass.parameter("W_E"), b: W, c: table };
  });
}

/** Mean-field scaling divides what is squared by √(2p), and the logits by M: they are squares times W_U, so a division by √M does it. */
const factorOf = ({ spec: { model: { scaling } }, layout: { sizes: { elements, M } } }: Pass) =>
  scaling === "mean-field" ? 1 / Math.sqrt(2 * elements * M) : 1;

/** The first hidden layer, from the tables. */
function pairs(pass: Pass): Op {
  const { spec: { model }, batch, examples, width: { M } } = pass, pre = neurons(pass, "pre", 0), out = neurons(pass, "post", 0);
  const x = table(pass, "params"), label = `${out.buffer} = act(${x.buffer}[a] + ${x.buffer}[b])`;
  const numbers = { width: M, second: second(pass), factor: factorOf(pass) };
  return { op: "pairs", label, batch, examples, x, ...numbers, ...pass.bias("0.b_in"), activation: model.activation, pre, out };
}

/** From the gradient of what the first activation function gets to those of the tables, and through them to W_in's and W_E's. */
function tablesBackward(pass: Pass, dy: View): Op[] {
  const { spec: { model }, layout: { sizes: { B, elements: C } }, width: { D, M } } = pass, dx = table(pass, "grads");
  const numbers = { width: M, second: second(pass), factor: factorOf(pass) }, label = `${dx.buffer} = ${dy.buffer} by a and by b`;
  const ops: Op[] = [{ op: "pairsBackward", label, lists: "lists", B, C, dy, dx, ...numbers }];
  if (model.inputs === "one-hot") return ops;
  const W_E = pass.parameter("W_E"), dW_E = pass.parameter("W_E", 0, "grads");
  return [
    ...ops,
    ...halves(pass).flatMap(({ name, params, grads }, half): Product[] => {
      const add = half === 0 ? {} : { add: { from: dW_E } }, a = grads.table;
      return [
        { op: "product", label: `dW_in = W_Eᵀ · ${a.buffer}, of ${name}`, form: "tn", m: D, n: M, k: C, a: W_E, b: a, c: grads.W },
        { op: "product", label: `dW_E = ${a.buffer} · W_inᵀ, of ${name}`, form: "nt", m: C, n: D, k: M, a, b: params.W, c: dW_E, ...add },
      ];
    }),
  ];
}
