/** `deno task bench --profile`: where the time of the native engine's step goes, by kernel. */
import { runSpec } from "../../lib/spec.ts";
import type { PresetName } from "../../lib/spec.ts";
import { webgpuEngine } from "../../lib/engine/engine.ts";
import { columns, digits } from "./table.ts";

/** One kernel of a step, over all rows. */
export interface KernelCost {
  readonly label: string;
  readonly milliseconds: number;
  readonly flop: number;
  readonly bytes: number;
}

/**
 * The kernels of one update of `rows` runs and a table of them.
 * @throws Error where the adapter has no timestamps or too little memory.
 */
export async function profile(preset: PresetName, rows: number): Promise<{ text: string; kernels: readonly KernelCost[] }> {
  const engine = await webgpuEngine();
  const trainer = await engine.open(Array.from({ length: rows }, (_, seed) => runSpec({ preset, seed })));
  try {
    if (trainer.rows.length < rows) throw new Error(`Cannot profile ${rows} runs at once: ${trainer.rows.length} fit on this device`);
    const timings = await trainer.profile();
    if (!timings) throw new Error(`Cannot profile on ${engine.info.adapter}: it needs timestamp-query, the adapter has none`);
    const kernels = timings.map(({ kernel: { label, flop, bytes }, milliseconds }) => ({
      label,
      milliseconds,
      flop: rows * flop,
      bytes: rows * bytes,
    }));
    return { text: roofline(kernels), kernels };
  } finally {
    trainer.dispose();
  }
}

/** The table, the longest first: milliseconds, share of the step, GFLOP/s, GB/s (of what a kernel must at least move). */
export function roofline(kernels: readonly KernelCost[]): string {
  const sum = (of: (kernel: KernelCost) => number) => kernels.reduce((total, kernel) => total + of(kernel), 0);
  const total = { label: "all", milliseconds: sum((k) => k.milliseconds), flop: sum((k) => k.flop), bytes: sum((k) => k.bytes) };
  const line = ({ label, milliseconds, flop, bytes }: KernelCost) => [
    label,
    digits(milliseconds),
    `${digits((100 * milliseconds) / total.milliseconds)} %`,
    digits(flop / milliseconds / 1e6),
    digits(bytes / milliseconds / 1e6),
  ];
  const sorted = [...kernels].sort((a, b) => b.milliseconds - a.milliseconds);
  return columns([["kernel", "ms", "share", "GFLOP/s", "GB/s"], ...sorted.map(line), line(total)], 1).join("\n");
}
