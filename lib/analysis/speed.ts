/** Records of the engines' speed (`deno task bench --json`), and the time of a step by kind of kernel. */
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
  /** The version of each peer and what it computes on, by name; only comparisons have them. */
  readonly peers?: Readonly<Record<string, { readonly version: string; readonly device: string }>>;
  readonly results: readonly Result[];
}

/** `--scaling`: how the speed of training changes along one axis, everything else as in the template. */
export interface Scaling {
  readonly work: "scaling";
  /** The engine measured; a record without it is older than the other engines: `webgpu`. */
  readonly engine?: "webgpu" | "cpu";
  readonly points: readonly ScalingPoint[];
}

/** `threads` is an axis of the `cpu` engine only. */
export type ScalingAxis = "rows" | "dModel" | "layers" | "batch" | "threads";

export interface ScalingPoint {
  readonly axis: ScalingAxis;
  readonly value: number;
  /** R, runs trained at once. */
  readonly rows: number;
  /** R × steps per second of each repetition; none where the work doesn't fit on the machine, or takes too long there. */
  readonly runStepsPerSecond: readonly number[];
  /** Floating-point operations of one step of one run. */
  readonly flop: number;
}

/** The comparison: one job on every peer. */
export interface Comparison {
  readonly work: { readonly preset: string; readonly examples: number };
  readonly rows: number;
  readonly results: readonly {
    readonly peer: string;
    /** Why there are no numbers. */
    readonly absent?: string;
    /** Over the repetitions. */
    readonly runStepsPerSecond?: { readonly median: number; readonly min: number; readonly max: number };
    readonly ratio?: { readonly of: string; readonly value: number };
  }[];
}

/** `--profile`: the kernels of a step, over all rows, and the measured peak of the adapter. */
export interface Profile {
  readonly work: string;
  /** As in `Scaling`. */
  readonly engine?: "webgpu" | "cpu";
  readonly rows: number;
  readonly kernels: readonly { readonly label: string; readonly milliseconds: number; readonly flop: number; readonly bytes: number }[];
  /** Floating-point operations per second, and bytes per second. */
  readonly peak: { readonly flops: number; readonly bytes: number };
}

/** The sum over kernels of one kind. */
export interface Kind {
  readonly name: string;
  readonly milliseconds: number;
  /** Share of the step's time, 0 … 1. */
  readonly share: number;
  /** Time at the adapter's peak (the slower of arithmetic and memory) as a share of the measured time, 0 … 1. */
  readonly ofPeak: number;
}

/** The kind of a kernel, from its label; the first match counts. */
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

/** The kinds of a step's kernels, the slowest first. */
export function kindsOf({ kernels, peak }: Profile): Kind[] {
  const total = kernels.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const kinds = Map.groupBy(kernels, ({ label }) => KINDS.find(([, pattern]) => pattern.test(label))?.[0] ?? "Everything else");
  return [...kinds].map(([name, some]) => {
    const milliseconds = some.reduce((sum, kernel) => sum + kernel.milliseconds, 0);
    const least = some.reduce((sum, { flop, bytes }) => sum + 1e3 * Math.max(flop / peak.flops, bytes / peak.bytes), 0);
    return { name, milliseconds, share: milliseconds / total, ofPeak: least / milliseconds };
  }).sort((a, b) => b.milliseconds - a.milliseconds);
}
