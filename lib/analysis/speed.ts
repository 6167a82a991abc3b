/** What was measured of the engine's speed, and by kind what the time of a step goes into. */
export interface BenchDocument<Result = unknown> {
  /** The file's name without its ending. */
  readonly name: string;
  readonly date: string;
  readonly command: string;
  readonly machine: {
    readonly processor: string;
    readonly cores: number;
    readonly deno: string;
    readonly adapter: { readonly name: string; readonly driver: string; readonly software: boolean } | null;
    readonly nvidia: string | null;
    readonly commit: string;
  };
  readonly results: readonly Result[];
}

/** Of `--scaling`: how the cost of training grows along one axis, everything else as in the template. */
export interface Scaling {
  readonly work: "scaling";
  readonly points: readonly ScalingPoint[];
}

/** `threads`: of the processor engine. */
export type ScalingAxis = "rows" | "dModel" | "layers" | "batch" | "threads";

export interface ScalingPoint {
  readonly axis: ScalingAxis;
  readonly value: number;
  /** R, runs trained at once. */
  readonly rows: number;
  /** R × steps / s, of each turn; none where the work doesn't fit on the machine, or takes too long there. */
  readonly runStepsPerSecond: readonly number[];
  /** Operations of a step of one run. */
  readonly flop: number;
}

/** Of the comparison: one job, every peer. */
export interface Comparison {
  readonly work: { readonly preset: string; readonly examples: number };
  readonly rows: number;
  readonly results: readonly {
    readonly peer: string;
    /** Why there are no figures. */
    readonly absent?: string;
    /** Median, least and most of the turns. */
    readonly runStepsPerSecond?: { readonly median: number; readonly min: number; readonly max: number };
    readonly ratio?: { readonly of: string; readonly value: number };
  }[];
}

/** Of `--profile`: the kernels of a step, over all rows, and what the adapter can do at most. */
export interface Profile {
  readonly work: string;
  readonly rows: number;
  readonly kernels: readonly { readonly label: string; readonly milliseconds: number; readonly flop: number; readonly bytes: number }[];
  /** Operations and bytes a second. */
  readonly peak: { readonly flops: number; readonly bytes: number };
}

/** Kernels of a kind, added up. */
export interface Kind {
  readonly name: string;
  readonly milliseconds: number;
  /** Share of the step. */
  readonly share: number;
  /** Share of what the adapter can do at most. */
  readonly ofPeak: number;
}

/** What a kernel is, by its label, first match first. */
const KINDS: readonly (readonly [name: string, label: RegExp])[] = [
  ["Sums of parts of products", /sum of parts/],
  ["Weight gradients", /^d\S*W_\S+ = .*ᵀ · /],
  ["Products with weights, backward", /· W_\S+ᵀ/],
  ["Products with weights, forward", /· W_/],
  ["Attention", /softmax|attention/],
  ["Layer norm", /LN/],
  ["Bias gradients", /bias gradient/],
  ["AdamW", /AdamW/],
];

/** The kinds of a step's kernels, the longest first. */
export function kindsOf({ kernels, peak }: Profile): Kind[] {
  const total = kernels.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const kinds = Map.groupBy(kernels, ({ label }) => KINDS.find(([, pattern]) => pattern.test(label))?.[0] ?? "Everything else");
  return [...kinds].map(([name, some]) => {
    const milliseconds = some.reduce((sum, kernel) => sum + kernel.milliseconds, 0);
    const least = some.reduce((sum, { flop, bytes }) => sum + 1e3 * Math.max(flop / peak.flops, bytes / peak.bytes), 0);
    return { name, milliseconds, share: milliseconds / total, ofPeak: least / milliseconds };
  }).sort((a, b) => b.milliseconds - a.milliseconds);
}
