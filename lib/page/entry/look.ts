/** The worker that looks into networks, on a thread of its own: training goes on meanwhile. The engine computes what the analysis reads. */
/// <reference lib="dom" />
import "../browser/newer.ts";
import { ONE_FREQUENCY, ownFrequencies } from "../../analysis/network/pairs.ts";
import { LINEAR } from "../../analysis/network/progress.ts";
import { reading } from "../../analysis/network/reading.ts";
import { embedding } from "../../analysis/network/weights.ts";
import { cpuEngine } from "../../engine/cpu/engine.ts";
import { dataset } from "../../run/operations.ts";
import { type RunSpec, runSpec, shapeKey, sizes } from "../../run/spec.ts";
import { snapshotOf } from "../../train/train.ts";
import { reason } from "../browser/files.ts";
import type { Look, LookAnswer, LookQuestion, Neuron } from "../protocol.ts";

const engine = cpuEngine(1);
engine.catch(() => {}); // whoever asks is told
type Trainer = Awaited<ReturnType<Awaited<typeof engine>["open"]>>;
/** The network that was looked into last; another of its shape takes its place. */
let open: { readonly key: string; readonly trainer: Trainer } | null = null;

/** Neurons that are shown. */
const SHOWN = 6;

async function look({ spec: given, state: { index, step, params } }: LookQuestion): Promise<Look> {
  const spec = runSpec(given), trainer = await withNetwork(spec, params);
  const [{ attention }] = await trainer.evaluate(), activations = await trainer.activations();
  const { sets, targets } = pairs(spec), { elements: C, M } = sizes(spec), { values, rows, columns } = embedding(spec, params);
  return {
    ...{ index, step, sets, targets, ...answersOf(activations.logits, C), logits: activations.logits },
    embedding: { rows, columns, values: Float32Array.from(values) },
    attention: attention!.mean, // it is watched
    neurons: neuronsOf(activations.neurons, C, M),
    reading: LINEAR.includes(spec.data.operation) ? reading(spec, { step, params }, activations) : null,
  };
}

async function withNetwork(spec: RunSpec, params: Float32Array<ArrayBuffer>): Promise<Trainer> {
  const key = `${shapeKey(spec)} ${spec.schedule.evalEvery}`, state = snapshotOf(spec, params);
  if (open?.key === key) open.trainer.place(0, state);
  else {
    open?.trainer.dispose();
    open = null;
    open = { key, trainer: await (await engine).open([state], { attention: { full: 0 } }) };
  }
  return open.trainer;
}

/** Which pairs train, and the answers of all. */
function pairs(spec: RunSpec) {
  const { elements: C } = sizes(spec), { a, b, target, trainCount } = dataset(spec.data, spec.seed);
  const sets = new Uint8Array(C * C).fill(2), targets = new Uint16Array(C * C);
  a.forEach((a, i) => {
    sets[a * C + b[i]] = i < trainCount ? 1 : 0;
    targets[a * C + b[i]] = target[i];
  });
  return { sets, targets };
}

/** The answer to each pair, the class of the largest logit, with its share of the softmax. */
function answersOf(logits: Float32Array, C: number) {
  const answers = new Uint16Array(C * C), probabilities = new Float32Array(C * C);
  for (let pair = 0; pair < C * C; pair++) {
    const row = logits.subarray(pair * C, (pair + 1) * C), most = row.reduce((a, b) => Math.max(a, b)), answer = row.indexOf(most);
    answers[pair] = answer;
    probabilities[pair] = 1 / row.reduce((sum, z) => sum + Math.exp(z - most), 0);
  }
  return { answers, probabilities };
}

/** Of the neurons that say something, those that one frequency tells best; a frequency's first is taken before its second. */
function neuronsOf(neurons: Float32Array, C: number, M: number): Neuron[] {
  const { frequency, explained } = ownFrequencies(neurons, C);
  const best = Array.from(explained, (share, m) => ({ m, share })).sort((x, y) => y.share - x.share);
  const told = best.filter(({ share }) => share >= ONE_FREQUENCY), seen = new Map<number, number>();
  const turn = new Map(told.map(({ m }) => [m, seen.set(frequency[m], (seen.get(frequency[m]) ?? 0) + 1).get(frequency[m])!]));
  const order = [...told.toSorted((x, y) => turn.get(x.m)! - turn.get(y.m)!), ...best.slice(told.length)];
  return order.slice(0, SHOWN).map(({ m }) => ({
    ...{ index: m, frequency: frequency[m], explained: explained[m] },
    values: Float32Array.from({ length: C * C }, (_, pair) => neurons[pair * M + m]),
  }));
}

globalThis.addEventListener("message", async ({ data }: MessageEvent<LookQuestion>) => {
  const answer: LookAnswer = await look(data).then((look) => ({ id: data.id, look }), (error) => ({ id: data.id, message: reason(error) }));
  globalThis.postMessage(answer);
});
