/** Update rules that treat every number by itself, and the learning rate of an update. The formulas are in `engine/op/update.ts`. */
import type { Schedule, Update, UpdateRule } from "../../op.ts";
import { HYPER, hyper, STATE, state } from "./hyper.ts";
import { elementwise, type Kernel, read, write } from "./kernel.ts";

/** WGSL: sin(πy) for |y| ≤ ½ as its power series, whose next term is below 1e-9: a device's own cosine may be off by 2⁻¹¹. */
const COSINE = `let y = 0.5 - x; let s = y * y;
  let sine = y * (3.14159265 + s * (-5.16771278 + s * (2.55016404 + s * (-0.599264529 + s * (0.0821458866
    + s * (-0.00737043094 + s * 0.000466302806))))));
  return select(0.5 + 0.5 * sine, 0.0, x >= 1.0);`;

/** WGSL: what a schedule multiplies the learning rate by, from 1 where warm-up ends to 0 at update `lr_steps`. */
const falling = (shape: string) => `
fn falling(h: Hyper, step: u32) -> f32 {
  let x = min(f32(max(step, h.warmup) - h.warmup) / f32(h.lr_steps - h.warmup), 1.0);
  ${shape}
}`;
const FALLING: Readonly<Record<Schedule, string>> = { constant: "", linear: falling("return 1.0 - x;"), cosine: falling(COSINE) };

/** WGSL: `lr`, of the run's numbers `h` and its `step`, from the field that has its base; and the function that it calls. */
export const rate = (schedule: Schedule, base: "lr" | "muon_lr" = "lr") => ({
  functions: FALLING[schedule],
  lr: `let lr = h.${base} * select(1.0, min(f32(step) / f32(h.warmup), 1.0), h.warmup > 0u)${
    schedule === "constant" ? "" : " * falling(h, step)"
  };`,
});

const ONE_MINUS_EXP = `
/** 1 − exp(x) for x ≤ 0, without losing small x. */
fn one_minus_exp(x: f32) -> f32 {
  let series = -x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0))));
  return select(1.0 - exp(x), series, x > -0.1);
}`;

/** WGSL of a rule: what it takes from the step alone, then what it does with `grads`, `params` and the moments at `at`. */
interface Rule {
  readonly functions?: string;
  readonly before?: string;
  readonly body: string;
  readonly flop: number;
}

/** Of either Adam: `g` is the gradient, `kept` the parameter as its decay leaves it. */
const adam = (g: string, kept: string): Rule => ({
  functions: ONE_MINUS_EXP,
  before: `
  let correction1 = one_minus_exp(f32(step + 1u) * h.log_beta1);
  let correction2 = sqrt(one_minus_exp(f32(step + 1u) * h.log_beta2));`,
  body: `
  let g = ${g};
  let m1 = h.beta1 * m[at] + h.one_minus_beta1 * g;
  let v1 = h.beta2 * v[at] + h.one_minus_beta2 * g * g;
  m[at] = m1;
  v[at] = v1;
  params[at] = ${kept} - lr / correction1 * m1 / (sqrt(v1) / correction2 + h.eps);`,
  flop: 16,
});

const DECAYED = "params[at] * (1.0 - lr * decay)", WITH_DECAY = "grads[at] + decay * params[at]";

const RULES: Readonly<Record<UpdateRule, Rule>> = {
  adamw: adam("grads[at]", DECAYED),
  adam: adam(WITH_DECAY, "params[at]"),
  sgd: {
    body: `
  let m1 = h.momentum * m[at] + (${WITH_DECAY});
  m[at] = m1;
  params[at] = params[at] - lr * m1;`,
    flop: 6,
  },
  signsgd: {
    body: `
  params[at] = ${DECAYED} - lr * sign(grads[at]);`,
    flop: 4,
  },
  lion: {
    body: `
  let g = grads[at];
  params[at] = ${DECAYED} - lr * sign(h.beta1 * m[at] + h.one_minus_beta1 * g);
  m[at] = h.beta2 * m[at] + h.one_minus_beta2 * g;`,
    flop: 10,
  },
};

/** A run that has done its steps rests. */
export function update({ label, kind, schedule, P, first, words, vectorsFrom, decays, params, grads, moments }: Update): Kernel {
  const { functions = "", before = "", body, flop } = RULES[kind], { lr, functions: falling } = rate(schedule), whole = words === P;
  return elementwise({
    label,
    count: words / 4,
    bindings: [
      hyper,
      state,
      read.vec4f(grads, "[R, P]", "grads"),
      write.vec4f(params, "[R, P]", "params"),
      ...moments.map((moment) => write.vec4f(moment, "[R, P]", moment)),
    ],
    constants: { matrices: Math.max(0, vectorsFrom - first) / 4, ...whole ? {} : { P4: P / 4, first: first / 4 } },
    functions: `${HYPER}${STATE}${falling}${functions}`,
    body: `
  let h = hyper[r];
  let step = state[r].step;
  if (step >= state[r].steps) { return; }
  ${lr}${before}
  let decay = ${decays ? "select(0.0, h.weight_decay, i < u.matrices || h.decay_vectors == 1u)" : "0.0"};
  let at = ${whole ? "r * u.count + i" : "r * u.P4 + u.first + i"};${body}`,
    flop: flop * words,
    bytes: (12 + 8 * moments.length) * words,
  });
}
