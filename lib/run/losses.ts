/** What a run's loss is of one example, in doubles, for whoever has its logits; and how people call it. */
import type { OptimSpec } from "./fields.ts";

type Chosen = Pick<OptimSpec, "loss" | "temperature">;

/**
 * The loss of an example; `optim.loss` in `fields.ts` has the formulas.
 * @param z Logits of C classes, as the network gives them.
 * @param y The label, a class.
 */
export function exampleLoss({ loss, temperature }: Chosen, z: ArrayLike<number>, y: number): number {
  let total = 0;
  if (loss === "mse") {
    for (let c = 0; c < z.length; c++) total += (z[c] / temperature - (c === y ? 1 : 0)) ** 2;
    return total / z.length;
  }
  if (loss === "stablemax") {
    const weight = (x: number) => x >= 0 ? x + 1 : 1 / (1 - x);
    for (let c = 0; c < z.length; c++) if (c !== y) total += weight(z[c] / temperature);
    return Math.log1p(total / weight(z[y] / temperature));
  }
  let best = 0;
  for (let c = 1; c < z.length; c++) if (z[c] > z[best]) best = c;
  for (let c = 0; c < z.length; c++) if (c !== best) total += Math.exp((z[c] - z[best]) / temperature);
  // log1p keeps the digits of a loss near 0.
  return (z[best] - z[y]) / temperature + Math.log1p(total);
}

/** How people call it, and its unit, where it has one. */
export const lossName = ({ loss }: Pick<OptimSpec, "loss">): readonly [name: string, unit?: string] =>
  loss === "mse" ? ["mean square"] : [loss === "stablemax" ? "StableMax cross-entropy" : "cross-entropy", "nats"];

/** The loss of a network that holds all of C answers for equally likely, and its formula; of `mse` the least that a constant answer has. */
export const guessing = ({ loss }: Pick<OptimSpec, "loss">, C: number): { readonly value: number; readonly text: string } =>
  loss === "mse" ? { value: (C - 1) / C ** 2, text: `${C - 1} / ${C}²` } : { value: Math.log(C), text: `ln ${C}` };
