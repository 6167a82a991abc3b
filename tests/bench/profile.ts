/** `deno task bench --profile`: where the time of a step goes, by kernel, on either of our engines. */
import { runSpec } from "../../lib/run/spec.ts";
import type { PresetName } from "../../lib/run/spec.ts";
import { cpuEngine } from "../../lib/engine/cpu/engine.ts";
import type { ExecutorEngine } from "../../lib/engine/executor_engine.ts";
import { webgpuEngine } from "../../lib/engine/webgpu/engine.ts";
import { type Peak, peakOf } from "./peak.ts";
import { columns, digits } from "./table.ts";

/** One kernel of a step, over all rows. */
export interface KernelCost {
  readonly label: string;
  readonly milliseconds: number;
  readonly flop: number;
  readonly bytes: number;
}

export type Profiled = "webgpu" | "cpu";

/** An engine and how its peak is measured. On the processor kernels are timed on one thread, so its peak is one thread's. */
const ENGINES: Record<Profiled, () => Promise<{ engine: ExecutorEngine; peak: () => Promise<Peak> }>> = {
  webgpu: async () => {
    const engine = await webgpuEngine();
    return { engine, peak: () => peakOf(engine.gpu) };
  },
  cpu: async () => {
    const engine = await cpuEngine(1);
    return { engine, peak: () => engine.executor.threads.peak() };
  },
};

/**
 * The kernels of one update of `rows` runs and a table of them.
 * @throws Error where the adapter has no timestamps or too little memory.
 */
export async function profile(
  preset: PresetName,
  rows: number,
  on: Profiled,
): Promise<{ text: string; kernels: readonly KernelCost[]; peak: Peak }> {
  const { engine, peak: measure } = await ENGINES[on]();
  const trainer = await engine.open(Array.from({ length: rows }, (_, seed) => runSpec({ preset, seed })));
  try {
    if (trainer.rows.length < rows) throw new Error(`Cannot profile ${rows} runs at once: ${trainer.rows.length} fit on this device`);
    const timings = await trainer.profile();
    if (!timings) throw new Error(`Cannot profile on ${engine.info.adapter}: it needs timestamp-query, the adapter has none`);
    const kernels = timings.map(({ label, flop, bytes, milliseconds }) => ({
      label,
      milliseconds,
      flop: rows * flop,
      bytes: rows * bytes,
    }));
    const peak = await measure();
    return { text: roofline(kernels, peak), kernels, peak };
  } finally {
    trainer.dispose();
  }
}

/**
 * The table, the longest first: milliseconds, share of the step, GFLOP/s, GB/s (of what a kernel must at least move), and the share of what
 * the adapter could do at most, of arithmetic or memory, whichever is nearer to its limit.
 */
export function roofline(kernels: readonly KernelCost[], peak: Peak): string {
  const sum = (of: (kernel: KernelCost) => number) => kernels.reduce((total, kernel) => total + of(kernel), 0);
  const least = ({ flop, bytes }: KernelCost) => 1e3 * Math.max(flop / peak.flops, bytes / peak.bytes);
  const total = { label: "all", milliseconds: sum((k) => k.milliseconds), flop: sum((k) => k.flop), bytes: sum((k) => k.bytes) };
  const percent = (share: number) => `${digits(100 * share)} %`;
  const line = ({ label, milliseconds, flop, bytes }: KernelCost, soonest: number) => [
    label,
    digits(milliseconds),
    percent(milliseconds / total.milliseconds),
    digits(flop / milliseconds / 1e6),
    digits(bytes / milliseconds / 1e6),
    percent(soonest / milliseconds),
  ];
  const sorted = [...kernels].sort((a, b) => b.milliseconds - a.milliseconds);
  return [
    columns([
      ["kernel", "ms", "share", "GFLOP/s", "GB/s", "of peak"],
      ...sorted.map((kernel) => line(kernel, least(kernel))),
      line(total, sum(least)),
    ], 1).join("\n"),
    "",
    `peak, measured: ${digits(peak.flops / 1e9)} GFLOP/s of multiply-adds, ${digits(peak.bytes / 1e9)} GB/s copied`,
  ].join("\n");
}
