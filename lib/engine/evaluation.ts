/** An evaluation on its way from the GPU, and what its words say. */
import type { AttentionProbe } from "../run/attention.ts";
import type { RunSpec } from "../run/spec.ts";
import type { Evaluation, Metrics } from "./engine.ts";
import { unpackSummary } from "./webgpu/kernels/attention_summary.ts";
import { METRIC_WORDS } from "./plan.ts";

/** A row that is evaluated. */
export interface Due {
  readonly row: number;
  readonly slot: number;
  readonly step: number;
  readonly spec: RunSpec;
  readonly probe: AttentionProbe | undefined;
}

/** An evaluation under way: where the metrics of all slots arrive, then their attention where it is watched; and which rows were due. */
export interface Pending {
  readonly staging: GPUBuffer;
  readonly slots: number;
  readonly due: readonly Due[];
}

/** What arrived, by row; `attention` is how many words of it a slot has. */
export function evaluationsOf({ slots, due }: Pending, words: Float32Array, attention = 0): readonly Evaluation[] {
  return due.map(({ row, slot, step, spec, probe }) => {
    const [trainLoss, trainAcc, valLoss, valAcc, weightNorm, gradNorm, batchLoss, batchAcc] = words.subarray(slot * METRIC_WORDS);
    const metrics: Metrics = { step, trainLoss, trainAcc, valLoss, valAcc, weightNorm, gradNorm, batchLoss, batchAcc };
    if (!probe) return { row, metrics };
    const at = slots * METRIC_WORDS + slot * attention;
    return { row, metrics, attention: { step, probe, ...unpackSummary(spec, words.subarray(at, at + attention), probe.full) } };
  });
}
