/** What makes new parameters of a gradient once more, in doubles and plain loops, straight from the sentences of `engine/op/update.ts`. */
import type { Area } from "../../lib/run/areas.ts";
import { MUON_EPS, NEWTON_SCHULZ, type Schedule, type UpdateOp } from "../../lib/engine/op/update.ts";
import { hyper, type Memory, stateAt } from "./memory.ts";

const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/** The words of an area, row by row, or column by column. */
const wordsOf = ({ offset, rows, columns, stride }: Area, along: "rows" | "columns" = "rows") =>
  along === "rows"
    ? range(rows).map((i) => range(columns).map((j) => offset + i * stride + j))
    : range(columns).map((j) => range(rows).map((i) => offset + i * stride + j));

const isOver = ({ state }: Memory) => state[stateAt("step")] >= state[stateAt("steps")];

/** The learning rate of an update, from the field that has its base. */
function rate(memory: Memory, base: "lr" | "muon_lr", schedule: Schedule): number {
  const step = memory.state[stateAt("step")], warmup = hyper(memory, "warmup");
  const progress = Math.min(1, Math.max(0, step - warmup) / (hyper(memory, "lr_steps") - warmup));
  const falling = { constant: 1, linear: 1 - progress, cosine: (1 + Math.cos(Math.PI * progress)) / 2 }[schedule];
  return hyper(memory, base) * (warmup > 0 ? Math.min(step / warmup, 1) : 1) * falling;
}

export const PERFORM_UPDATE: { readonly [Name in UpdateOp["op"]]: (op: Extract<UpdateOp, { op: Name }>, memory: Memory) => void } = {
  update: ({ kind, schedule, first, words, vectorsFrom, decays, params, grads, moments: [m, v] }, memory) => {
    if (isOver(memory)) return;
    const of = (name: string) => hyper(memory, name), step = memory.state[stateAt("step")], lr = rate(memory, "lr", schedule);
    const correction = (name: string) => 1 - Math.exp((step + 1) * of(name)), p = memory[params];
    for (const i of range(words).map((word) => first + word)) {
      const decay = decays && (i < vectorsFrom || of("decay_vectors") === 1) ? of("weight_decay") : 0, g = memory[grads][i];
      const adam = (g: number) => {
        memory[m][i] = of("beta1") * memory[m][i] + of("one_minus_beta1") * g;
        memory[v][i] = of("beta2") * memory[v][i] + of("one_minus_beta2") * g * g;
        return memory[m][i] / correction("log_beta1") / (Math.sqrt(memory[v][i] / correction("log_beta2")) + of("eps"));
      };
      if (kind === "adam") p[i] -= lr * adam(g + decay * p[i]);
      else if (kind === "sgd") p[i] -= lr * (memory[m][i] = of("momentum") * memory[m][i] + g + decay * p[i]);
      else {
        p[i] *= 1 - lr * decay;
        if (kind === "adamw") p[i] -= lr * adam(g);
        if (kind === "signsgd") p[i] -= lr * Math.sign(g);
        if (kind === "lion") {
          p[i] -= lr * Math.sign(of("beta1") * memory[m][i] + of("one_minus_beta1") * g);
          memory[m][i] = of("beta2") * memory[m][i] + of("one_minus_beta2") * g;
        }
      }
    }
  },
  gradientFilter: ({ kind, P, window, grads, kept, out }, memory) => {
    if (isOver(memory)) return;
    const step = memory.state[stateAt("step")], of = (name: string) => hyper(memory, name), s = step % window, k = memory[kept];
    for (const i of range(P)) {
      const g = memory[grads][i];
      if (kind === "ema") {
        k[i] = step === 0 ? g : of("filter_alpha") * k[i] + of("one_minus_filter_alpha") * g;
        memory[out][i] = g + of("filter_lambda") * k[i];
        continue;
      }
      k[window * P + i] = (s === 0 ? 0 : k[window * P + i]) + g;
      k[s * P + i] = g;
      const before = s + 1 < window ? k[(s + 1) * P + i] : 0;
      memory[out][i] = g + (step + 1 >= window ? of("filter_lambda") / window * (k[window * P + i] + before) : 0);
      if (s + 1 === window) { for (const n of range(window - 1).reverse()) k[n * P + i] += k[(n + 1) * P + i]; }
    }
  },
  orthogonalGradient: ({ area, params, grads, out }, memory) => {
    const words = wordsOf(area).flat(), w = words.map((i) => memory[params][i]), g = words.map((i) => memory[grads][i]);
    const dot = (x: number[], y: number[]) => x.reduce((sum, value, i) => sum + value * y[i], 0);
    const along = dot(w, g) / (dot(w, w) + 1e-30), d = g.map((value, i) => value - along * w[i]);
    words.forEach((word, i) => memory[out][word] = d[i] * Math.hypot(...g) / (Math.hypot(...d) + 1e-30));
  },
  muonStart: ({ area, grads, moment, out }, memory) => {
    if (isOver(memory)) return;
    const mu = hyper(memory, "momentum"), rest = hyper(memory, "one_minus_momentum");
    const u = wordsOf(area).flat().map((i) => {
      memory[moment][i] = mu * memory[moment][i] + rest * memory[grads][i];
      return rest * memory[grads][i] + mu * memory[moment][i];
    });
    const norm = Math.hypot(...u) + MUON_EPS;
    u.forEach((value, i) => memory[out][i] = value / norm);
  },
  muonPolynomial: ({ n, A, A2, out }, memory) => {
    const { a, b, c } = NEWTON_SCHULZ;
    for (const i of range(n * n)) memory[out][i] = (Math.floor(i / n) === i % n ? a : 0) + b * memory[A][i] + c * memory[A2][i];
  },
  muonEnd: ({ schedule, area, scale, decays, X, params }, memory) => {
    if (isOver(memory)) return;
    const lr = rate(memory, "muon_lr", schedule), kept = 1 - lr * (decays ? hyper(memory, "weight_decay") : 0);
    wordsOf(area).flat().forEach((word, i) => memory[params][word] = memory[params][word] * kept - lr * scale * memory[X][i]);
  },
  clipRows: ({ area, along, params }, memory) => {
    if (isOver(memory)) return;
    const most = hyper(memory, "row_norm");
    for (const words of wordsOf(area, along)) {
      const norm = Math.hypot(...words.map((i) => memory[params][i]));
      if (norm > most) { for (const i of words) memory[params][i] *= most / norm; }
    }
  },
  holdNorm: ({ params, norm }, memory) => {
    if (isOver(memory)) return;
    const scale = memory[norm][0] / Math.hypot(...memory[params]);
    memory[params].forEach((x, i) => memory[params][i] = x * scale);
  },
};
