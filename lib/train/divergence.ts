/** Why a loss stopped being a number: the most likely cause that the run's own settings and first evaluation point to. */
import type { Metrics } from "../engine/engine.ts";
import { layout, read } from "../run/layout.ts";
import { sigmaOf } from "../run/sigmas.ts";
import { type RunSpec, sizes } from "../run/spec.ts";
import { isAtHand, takenIn, takenTensors } from "../run/taken.ts";

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
/** Below this rate, a product of learning rate and weight decay above 2 is due to the decay. */
const MODEST = 0.1;

/** What to say of the likely cause, and what may help. */
export function suspect({ spec, step, first, given }: Diverged): string {
  const { weightDecay, heldNorm, rowNorm } = spec.optim, [rateName, rate] = largestRate(spec);
  if (given?.fault) return given.fault;
  if (step === 0 || (first && first.trainLoss > FAR * Math.log(sizes(spec).C))) {
    const causes = [...ofTemperature(spec), ...given ? [] : ofInitialWeights(spec)], [cause] = causes.sort((a, b) => b.factor - a.factor);
    if (cause && (!given || cause.factor > FAR)) return cause.says;
    if (given) return "the weights that it began with are too large or belong to another model";
    return "the initial weights are too large for this model; an initScale below 1 may help";
  }
  if (heldNorm !== 0 && first?.weightNorm === 0) return `all weights begin at 0, so that their norm can't be held at ${heldNorm}`;
  if (heldNorm !== 0 && rowNorm > 0 && rowNorm < SHORT) {
    return `rowNorm ${rowNorm} leaves no weights whose norm could be held at ${heldNorm}`;
  }
  if (rate < MODEST && typeof heldNorm === "number" && first && heldNorm > FAR * first.weightNorm) {
    return `the norm of all weights is held at ${heldNorm} and was ${first.weightNorm.toPrecision(3)} at first; a smaller one may help`;
  }
  if (rate * weightDecay > 2 && rate < MODEST) {
    return `weight decay ${weightDecay} times ${rateName} ${rate} is more than 2, so decay makes weights grow; a smaller decay may help`;
  }
  return `${rateName} is ${rate}; a smaller one may help`;
}

/** The largest learning rate of a tensor, after its name. */
const largestRate = ({ optim: { rule, lr, muonLr } }: RunSpec): readonly [string, number] =>
  rule === "muon" && muonLr > lr ? ["muonLr", muonLr] : ["the learning rate", lr];

/** A setting that may make the first logits too large. */
interface Cause {
  /** How many times as large as usual it makes what it acts on; so 1 is usual. */
  readonly factor: number;
  readonly says: string;
}

const ofTemperature = ({ optim: { temperature } }: RunSpec): Cause[] =>
  temperature < 1 ? [{ factor: 1 / temperature, says: `the logits are divided by temperature ${temperature}; a larger one may help` }] : [];

/**
 * What decides how large the initial weights are, where it makes them larger than usual; σ of `init: "normal"` in any case. Usual is a σ of
 * 1/√dModel, with which a matrix keeps the size of what it multiplies, and no weight above 1.
 */
function ofInitialWeights(spec: RunSpec): Cause[] {
  const { dModel, init, initSigma, initSigmas, initScale, mixer, positionInit, positionSigma, taken } = spec.model, causes: Cause[] = [];
  if (initScale > 1) {
    causes.push({ factor: initScale, says: `the initial weights are multiplied by initScale ${initScale}; a smaller one may help` });
  }
  if (init === "normal") {
    const timesUsual = (sigma: number) => sigma * Math.sqrt(dModel);
    causes.push({
      factor: timesUsual(initSigma),
      says: `the initial weights are drawn with initSigma ${initSigma}; a smaller one may help`,
    });
    const sigmas = layout(spec).tensors.flatMap(({ name }) => sigmaOf(initSigmas, name) ?? []);
    causes.push({
      factor: timesUsual(Math.max(0, ...sigmas)),
      says: `the initial weights are drawn with initSigmas ${initSigmas}; smaller ones may help`,
    });
  } else if (mixer !== "none" && positionInit === "drawn" && positionSigma > 1) {
    causes.push({ factor: positionSigma, says: `the position table is drawn with positionSigma ${positionSigma}; a smaller one may help` });
  }
  if (taken !== "none" && isAtHand(taken)) {
    const { hash, step, groups } = takenIn(taken)!;
    const factor = takenTensors(taken).values().reduce((most, { values }) => values.reduce((a, x) => Math.max(a, Math.abs(x)), most), 0);
    causes.push({ factor, says: `the tensors taken over from run ${hash}@${step} (${groups}) may be too large` });
  }
  return causes;
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
