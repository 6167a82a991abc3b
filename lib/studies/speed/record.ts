/** What `deno task bench --json` writes, as far as others read it: on which machine, at which commit, and the results. */
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../../../data/recorded/bench/", import.meta.url));

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
  /** What was measured; `webgpu` where a record doesn't say, from before there was another. */
  readonly engine?: "webgpu" | "cpu";
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
  /** As in `Scaling`. */
  readonly engine?: "webgpu" | "cpu";
  readonly rows: number;
  readonly kernels: readonly { readonly label: string; readonly milliseconds: number; readonly flop: number; readonly bytes: number }[];
  /** Operations and bytes a second. */
  readonly peak: { readonly flops: number; readonly bytes: number };
}

const isScaling = (result: object): result is Scaling => "points" in result;
const isProfile = (result: object): result is Profile => "kernels" in result && "peak" in result;
const isComparison = (result: object): result is Comparison => "results" in result && "rows" in result;

export interface RecordedBenches {
  readonly comparisons: readonly BenchDocument<Comparison>[];
  readonly scalings: readonly BenchDocument<Scaling>[];
  readonly profiles: readonly BenchDocument<Profile>[];
}

/** What was recorded of the engine's speed, by kind, software drivers last. */
export async function recordedBenches(folder: string = FOLDER): Promise<RecordedBenches> {
  const documents: BenchDocument<object>[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.endsWith(".json")) continue;
    documents.push({ ...JSON.parse(await Deno.readTextFile(join(folder, name))), name: basename(name, ".json") });
  }
  const software = ({ machine: { adapter } }: BenchDocument) => Number(adapter?.software ?? true);
  documents.sort((a, b) => software(a) - software(b) || (a.name < b.name ? -1 : 1));
  const of = <Kind extends object>(is: (result: object) => result is Kind): BenchDocument<Kind>[] =>
    documents.map((document) => ({ ...document, results: document.results.filter(is) })).filter(({ results }) => results.length > 0);
  return { comparisons: of(isComparison), scalings: of(isScaling), profiles: of(isProfile) };
}
