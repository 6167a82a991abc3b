/** What the harness and its peers say to each other: one JSON object a line. `peers/peer.py` says how it goes. */
import { type PresetName, PRESETS, runSpec, sizes, tokenNames } from "../../lib/run/spec.ts";

/** A training job, flat, so that a peer in any language reads it. */
export type Work = Readonly<Record<string, string | number | boolean | readonly (string | number)[]>> & { readonly preset: PresetName };

export interface Request {
  readonly work: Work;
  /** R, runs to train. */
  readonly rows: number;
  /** Updates of every run, at least; 0 asks for the loss alone. */
  readonly steps: number;
}

/** A peer that can run here. */
export interface Ready {
  readonly version: string;
  /** What it computes on. */
  readonly device: string;
  /** Whether it trains runs one after another, so that one run says all. */
  readonly sequential: boolean;
  /** What the reader has to know about its figures. */
  readonly note?: string;
}

/** Answer to a request that was done. */
export interface Done {
  readonly steps: number;
  readonly seconds: number;
  /** Mean training loss in nats, of the last batch or of the whole training set; where it was asked for. */
  readonly loss?: number;
  /** The same after the first steps: two, or as many as the peer takes at once. */
  readonly firstLoss: number;
  readonly firstSteps: number;
  /** Seconds for building, compiling and the first steps, which no figure contains. */
  readonly warmUp: number;
}

/** The work that a preset is: one training step at a time, no evaluation. */
export function workOf(preset: PresetName): Work {
  const spec = runSpec({ preset });
  const { V, C, B, trainPairs, firstElement, op, equals } = sizes(spec);
  const words = tokenNames(spec.model.tokens).map((name) => (name === "op" ? op : name === "=" ? equals : name));
  return { preset, ...spec.model, ...spec.data, ...spec.optim, V, C, examples: B, trainPairs, firstElement, words };
}

export const isPreset = (name: string): name is PresetName => name in PRESETS;
