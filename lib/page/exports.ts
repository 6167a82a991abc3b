/** What can be taken away: setting, curves and weights, as the laboratory's command line and TransformerLens read them. Pure. */
import { type RunSpec, runSpec } from "../run/spec.ts";
import { metricsCsv } from "../train/metrics_csv.ts";
import { weightsFile } from "../train/weights.ts";
import type { SavedState } from "./protocol.ts";
import type { LiveRun } from "./training.ts";

/** The setting of a run that ends at a step, as `deno task train --config` reads it. It has all fields, so that no preset counts. */
export function settingFile(spec: RunSpec, step: number): string {
  return `${JSON.stringify({ ...spec, schedule: { ...spec.schedule, steps: step } }, null, 2)}\n`;
}

/** The evaluations of all runs, as `deno task train --metrics` writes them. */
export const curvesFile = (runs: readonly LiveRun[]): string => metricsCsv(runs.map(({ spec: { seed }, metrics }) => ({ seed, metrics })));

/** The weights of a run at a step: safetensors with TransformerLens names, the spec in the metadata. */
export const weightsAt = (spec: RunSpec, { step, params }: SavedState): Uint8Array =>
  weightsFile(runSpec({ ...spec, schedule: { ...spec.schedule, steps: step } }), params);

/** The command that trains the same run to the same bits. */
export const commandFor = (setting: string): string => `deno task train --config ${setting} --engine cpu --save weights`;
