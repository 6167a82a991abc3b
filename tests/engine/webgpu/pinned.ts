/**
 * What the native engine makes of every preset, as short texts to compare: its kernels (WGSL, grid, bindings, constants), and the bits of
 * a short training. Run as a program it writes the fixture anew: `deno run -A tests/engine/webgpu/pinned.ts`. Do that only where bits are
 * meant to change.
 */
import { createHash } from "node:crypto";
import type { Engine, EngineInfo, Evaluation } from "../../../lib/engine/engine.ts";
import { plan } from "../../../lib/engine/plan.ts";
import { webgpuEngine } from "../../../lib/engine/webgpu/engine.ts";
import { lower } from "../../../lib/engine/webgpu/lower.ts";
import { GPU_TILE, SOFTWARE_TILE } from "../../../lib/engine/webgpu/kernels/gemm.ts";
import { HYPER as HYPER_FIELDS } from "../../../lib/engine/hyper.ts";
import { HYPER } from "../../../lib/engine/webgpu/kernels/hyper.ts";
import { type Kernel, source, structOf } from "../../../lib/engine/webgpu/kernels/kernel.ts";
import { METRIC_NAMES, METRICS } from "../../../lib/run/metrics.ts";
import { type PresetName, PRESETS, type RunSpec, runSpec } from "../../../lib/run/spec.ts";

const FILE = new URL("./pinned.json", import.meta.url);
const ATTENTION = { attention: { pairs: 20, full: 4 } };

/** The digests of a plan: of the words by buffer, and of each kernel of a list, in order. */
export type PinnedPlan = Readonly<Record<string, string>>;
/** SHA-256 of a row's weights, moments and sums in flight, and of its metrics and attention from step 0. */
export interface PinnedRow {
  readonly state: string;
  readonly evaluations: string;
}

export interface Pinned {
  /** By preset, size and tile. */
  readonly kernels: Readonly<Record<string, PinnedPlan>>;
  /** What computed the bits; other drivers and vector widths round otherwise. */
  readonly bits: {
    readonly adapter: string;
    readonly driver: string;
    /** By preset. */
    readonly rows: Readonly<Record<string, readonly PinnedRow[]>>;
  };
}

const digest = (...parts: (string | Uint8Array)[]) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex");
const bytes = ({ buffer, byteOffset, byteLength }: Float32Array) => new Uint8Array(buffer, byteOffset, byteLength);

const SMALL = {
  model: { dModel: 18, heads: 3, dMlp: 22 },
  data: { prime: 11, trainFraction: 0.5 },
  schedule: { steps: 20, evalEvery: 5 },
} as const;
/** A preset in small, at sizes that break tiling; where its batch isn't full, fewer examples than elements, so that no rows are shared. */
const inSmall = (preset: PresetName, seed = 0): RunSpec => {
  const { data: { batch }, optim: { loss } } = PRESETS[preset], data = { ...SMALL.data, ...batch === "full" ? {} : { batch: 9 } };
  // There are no doubles here.
  return runSpec({ preset, ...SMALL, data, optim: { loss: loss === "float64" ? "torch" : loss }, seed });
};

const sizesOf = (preset: PresetName): Record<string, RunSpec> => ({ full: runSpec({ preset }), small: inSmall(preset) });
const TILES = { software: SOFTWARE_TILE, hardware: GPU_TILE };

/**
 * Words of `hyper` that came later change no kernel that doesn't read them: it is pinned without them. Both it and `metrics` are pinned
 * with as many words as there were.
 */
const HYPER_THEN = 16, METRIC_WORDS_THEN = 8, EARLIER_HYPER = structOf("Hyper", HYPER_FIELDS.slice(0, HYPER_THEN));
/** Comments say shapes and reasons, which may be put better; all else is pinned. */
const code = (kernel: Kernel) => source(kernel).replace(HYPER, EARLIER_HYPER).replaceAll(/ *\/\/.*$/gm, "");
const kernelDigest = (kernel: Kernel) => {
  const buffers = kernel.bindings.map(({ buffer }) => buffer);
  return digest(code(kernel), JSON.stringify([kernel.grid, buffers, Object.entries(kernel.constants ?? {})])).slice(0, 8);
};

/** Every kernel of every preset. */
export function pinnedKernels(): Record<string, PinnedPlan> {
  const names = Object.keys(PRESETS) as PresetName[];
  return Object.fromEntries(
    names.flatMap((preset) =>
      Object.entries(sizesOf(preset)).flatMap(([size, spec]) =>
        Object.entries(TILES).map(([tile, cut]) => {
          const { buffers, lists } = lower(plan(spec, ATTENTION), cut);
          const words = digest(
            JSON.stringify(
              [...new Map(buffers).set("hyper", HYPER_THEN).set("metrics", METRIC_WORDS_THEN)].sort(([a], [b]) => (a < b ? -1 : 1)),
            ),
          ).slice(
            0,
            8,
          );
          const kernels = Object.entries(lists).map(([list, kernels]) => [list, kernels.map(kernelDigest).join(" ")]);
          return [`${preset} ${size} ${tile}`, { buffers: words, ...Object.fromEntries(kernels) }];
        })
      )
    ),
  );
}

/** Metrics that came later aren't pinned. */
const METRICS_THEN = METRIC_NAMES.filter((name) => !METRICS[name].later);

/** Twenty updates of three rows, the first and the last of which are the same run. */
export async function pinnedRows(engine: Engine, preset: PresetName): Promise<PinnedRow[]> {
  const trainer = await engine.open([0, 1, 0].map((seed) => inSmall(preset, seed)), ATTENTION);
  try {
    const all: Evaluation[] = (await Array.fromAsync(trainer.advance(20))).flat();
    return await Promise.all(trainer.rows.map(async (_, row) => {
      const { params, m, v, batchSums } = await trainer.snapshot(row);
      const evaluations = all.filter((each) => each.row === row).flatMap(({ metrics, attention }) => {
        const { mean, variance, entropy, examples } = attention!;
        // As text: a NaN may have any of many bit patterns.
        return [JSON.stringify(METRICS_THEN.map((name) => metrics[name])), ...[mean, variance, entropy, examples].map(bytes)];
      });
      return { state: digest(...[params, m, v, batchSums].map(bytes)), evaluations: digest(...evaluations) };
    }));
  } finally {
    trainer.dispose();
  }
}

export const pinned = async (): Promise<Pinned> => JSON.parse(await Deno.readTextFile(FILE));

/** Whether the bits of the fixture were computed by such a device. */
export const sameDevice = ({ bits }: Pinned, { adapter, driver }: EngineInfo) => bits.adapter === adapter && bits.driver === driver;

if (import.meta.main) {
  const engine = await webgpuEngine(), { adapter, driver } = engine.info, rows: Record<string, PinnedRow[]> = {};
  for (const preset of Object.keys(PRESETS) as PresetName[]) rows[preset] = await pinnedRows(engine, preset);
  const fixture: Pinned = { kernels: pinnedKernels(), bits: { adapter, driver, rows } };
  await Deno.writeTextFile(FILE, `${JSON.stringify(fixture, null, 2)}\n`);
}
