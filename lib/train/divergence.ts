/** Why a loss stopped being a number: the most likely cause that the run's own settings and first evaluation point to. */
import type { Metrics } from "../engine/engine.ts";
import { layout, read } from "../run/layout.ts";
import { type RunSpec, sizes } from "../run/spec.ts";

/** What is known of a run whose loss is not a finite number. */
export interface Diverged {
  readonly spec: RunSpec;
  /** The step of the evaluation that isn't finite. */
  readonly step: number;
  /** The evaluation before the first update, where it was finite. */
  readonly first?: Metrics;
  /**
   * Whether the run began with weights that were given, not with those that its seed gives; and what is wrong with them, where something
   * is.
   */
  readonly given?: { readonly fault: string | null };
}

/** A loss before the first update that is so many times that of guessing comes from the initial weights. */
const FAR = 100;
/** Rows of weights no longer than this have squares that fp32 takes for 0. */
const SHORT = 1e-19;
/** Below this learning rate, a product of learning rate and weight decay above 2 is due to the decay. */
const MODEST = 0.1;

/** What to say of the likely cause, and what may help. */
export function suspect({ spec, step, first, given }: Diverged): string {
  const { model, optim: { lr, weightDecay, heldNorm, rowNorm } } = spec;
  if (given?.fault) return given.fault;
  if (step === 0 || (first && first.trainLoss > FAR * Math.log(sizes(spec).C))) {
    if (given) return "the weights that it began with are too large or belong to another model";
    const [flag, sigma] = model.init === "normal" ? ["initSigma", model.initSigma] : ["positionSigma", model.positionSigma];
    return `the initial weights are drawn with ${flag} ${sigma}; a smaller one may help`;
  }
  if (heldNorm !== 0 && first?.weightNorm === 0) return `all weights begin at 0, so that their norm can't be held at ${heldNorm}`;
  if (heldNorm !== 0 && rowNorm > 0 && rowNorm < SHORT) {
    return `rowNorm ${rowNorm} leaves no weights whose norm could be held at ${heldNorm}`;
  }
  if (lr < MODEST && typeof heldNorm === "number" && first && heldNorm > FAR * first.weightNorm) {
    return `the norm of all weights is held at ${heldNorm} and was ${first.weightNorm.toPrecision(3)} at first; a smaller one may help`;
  }
  if (lr * weightDecay > 2 && lr < MODEST) {
    return `weight decay ${weightDecay} times the learning rate ${lr} is more than 2, so decay makes weights grow; a smaller decay may help`;
  }
  return `the learning rate is ${lr}; a smaller one may help`;
}

/** The first value in flat parameters f32[P] that isn't finite, in words; `null` where all are. */
export function faultOf(spec: RunSpec, params: Float32Array): string | null {
  if (params.every(Number.isFinite)) return null;
  for (const tensor of layout(spec).tensors) {
    const value = read(tensor, params).find((x) => !Number.isFinite(x));
    if (value !== undefined) return `the weights that it began with hold ${value} in ${tensor.name}`;
  }
  return "the weights that it began with hold a value that is not finite in their padding";
}
