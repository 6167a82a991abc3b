/**
 * What a probe reads in a network at one step: its answers with and without the key frequencies, its spectra, its representations. Pure.
 */
import type { Activations } from "../../run/activations.ts";
import { type RunSpec, sizes } from "../../run/spec.ts";
import { largestFrequency, type Matrix, powerSpectrum } from "./fourier.ts";
import { neuronFrequencies, ONE_FREQUENCY, ownFrequencies, type PairSpectrum, pairSpectrum } from "./pairs.ts";
import { type Ablations, ablations, answerWaves, gini, keyFrequencies, linearTask, type Scores, scores } from "./progress.ts";
import { circulant, classMeans, cosineSimilarity } from "./representations.ts";
import { embedding, weightNorms } from "./weights.ts";

/** A network at a step; a snapshot is one. */
export interface Checkpoint {
  readonly step: number;
  /** Flat, f32[P]. */
  readonly params: Float32Array;
}

/** The key frequencies of a network, the strongest first. */
export interface Keys {
  /** By its logits: `keyFrequencies`. */
  readonly keys: readonly number[];
  /** By the neurons of its last layer: `neuronFrequencies`. */
  readonly neuronKeys: readonly number[];
}

/** What some key frequencies do. */
export interface Measures extends Ablations {
  /** Share of the logits' variance that Σ_k α_k cos(w_k(s − c)) explains. */
  readonly explained: number;
}

/** Of these measures what the paper has. */
interface Kept {
  readonly restricted: Pick<Scores, "loss" | "acc">;
  readonly excluded: Pick<Scores, "trainLoss" | "trainAcc">;
  readonly explained: number;
}

/** What of a reading fits into a line of a table; a `Reading` has all of it. */
export interface Progress extends Kept, Keys {
  readonly step: number;
  readonly whole: Omit<Scores, "loss" | "acc">;
  readonly byNeurons: Kept;
  readonly embeddingGini: number;
  readonly circulant: number;
  readonly neuronShare: number;
  readonly weightNorm: number;
}

/**
 * Spectra have a place for each frequency k = 1 … h, the largest, at k − 1; as shares of 1. `keys` and `neuronKeys` are its own;
 * `restricted`, `excluded` and `explained` go by the keys of the run.
 */
export interface Reading extends Measures, Keys {
  readonly step: number;
  /** Of the network as it is. */
  readonly whole: Scores;
  /** The same by the run's key frequencies of the neurons. */
  readonly byNeurons: Measures;
  /** Share of the logits' variance at cos(w_k s) and sin(w_k s), [h], and in the plane of the frequencies of a and b. */
  readonly logits: Float64Array;
  readonly pairs: PairSpectrum;
  /** The embedding's power, [h], and the Gini coefficient of its norms. */
  readonly embedding: Float64Array;
  readonly embeddingGini: number;
  /**
   * The mean features of each answer, [p, D], their power, [h], their cosine similarity about their mean, [p, p], and how circulant that
   * is.
   */
  readonly means: Matrix;
  readonly features: Float64Array;
  readonly similarity: Matrix;
  readonly circulant: number;
  /** Neurons that one frequency explains to 85 % or more: how many by frequency, [h], and their share of all. */
  readonly neurons: Float64Array;
  readonly neuronShare: number;
  /** Of all parameters, and by tensor. */
  readonly weightNorm: number;
  readonly weightNorms: ReadonlyMap<string, number>;
}

/**
 * Reads a checkpoint from its activations. `of`: the key frequencies of the run, which are those of its last checkpoint; default: its own.
 * @throws Error where the operation is not linear.
 */
export function reading(spec: RunSpec, { step, params }: Checkpoint, activations: Activations, of?: Keys): Reading {
  const { elements: p } = sizes(spec), h = largestFrequency(p), task = linearTask(spec);
  const waves = answerWaves(activations.logits, task), own = keyFrequencies(waves);
  const means = classMeans(activations.features, task.answers, p), similarity = cosineSimilarity(means);
  const { frequency, explained } = ownFrequencies(activations.neurons, p), neurons = new Float64Array(h);
  const neuronKeys = neuronFrequencies({ frequency });
  const measures = (keys: readonly number[]): Measures => ({
    ...ablations(activations.logits, task, waves, keys),
    explained: keys.reduce((sum, k) => sum + waves.explained[k - 1], 0),
  });
  explained.forEach((share, n) => {
    if (share >= ONE_FREQUENCY) neurons[frequency[n] - 1]++;
  });
  const ofEmbedding = powerSpectrum(embedding(spec, params)), norms = weightNorms(spec, params);
  return {
    step,
    whole: scores(activations.logits, task),
    ...measures(of?.keys ?? own),
    keys: own,
    neuronKeys,
    byNeurons: measures(of?.neuronKeys ?? neuronKeys),
    logits: waves.shares,
    pairs: pairSpectrum(centred(activations.logits, p), p),
    embedding: ofEmbedding,
    embeddingGini: gini(ofEmbedding.map(Math.sqrt)),
    means,
    features: powerSpectrum(means),
    similarity,
    circulant: circulant(similarity).share,
    neurons,
    neuronShare: neurons.reduce((sum, n) => sum + n, 0) / frequency.length,
    weightNorm: Math.hypot(...norms.values()),
    weightNorms: norms,
  };
}

/** Logits less the mean over the classes, which the softmax can't see. */
function centred(logits: Float32Array, classes: number): Float64Array {
  const values = Float64Array.from(logits);
  for (let from = 0; from < values.length; from += classes) {
    const row = values.subarray(from, from + classes), mean = row.reduce((sum, x) => sum + x, 0) / classes;
    row.forEach((x, c) => row[c] = x - mean);
  }
  return values;
}
