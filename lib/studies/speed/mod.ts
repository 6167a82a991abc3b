/** The recorded benchmarks, as `deno task bench --json` writes them. */
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BenchDocument, Comparison, Profile, Scaling } from "../../analysis/speed.ts";

const FOLDER = fileURLToPath(new URL("../../../data/recorded/bench/", import.meta.url));

const isScaling = (result: object): result is Scaling => "points" in result;
const isProfile = (result: object): result is Profile => "kernels" in result && "peak" in result;
const isComparison = (result: object): result is Comparison => "results" in result && "rows" in result;

export interface RecordedBenches {
  readonly comparisons: readonly BenchDocument<Comparison>[];
  readonly scalings: readonly BenchDocument<Scaling>[];
  readonly profiles: readonly BenchDocument<Profile>[];
}

type Engine = "cpu" | "webgpu";
/** A document of any of the three kinds. */
export type RecordedBench = BenchDocument<Comparison | Scaling | Profile>;

/** The peers of a comparison that are engines of this laboratory; `grokbook` is an older name. */
const OURS: Readonly<Record<string, Engine>> = {
  grokbook: "webgpu",
  "grokbook-webgpu": "webgpu",
  "grokbook-cpu": "cpu",
  "grokbook-cpu-unflagged": "cpu",
};

const measured = (result: Comparison | Scaling | Profile): Engine[] =>
  "results" in result
    ? result.results.flatMap(({ peer, absent }) => absent === undefined && peer in OURS ? [OURS[peer]] : [])
    : [result.engine ?? "webgpu"];

/** The engines of this laboratory that a document has measured. Its adapter says only what was there, not that it was used. */
export const enginesOf = ({ results }: RecordedBench): Engine[] => [...new Set(results.flatMap(measured))].sort();

/** What an engine computed on: `webgpu` on the adapter, `cpu` on the processor. */
export const machineOf = ({ machine: { adapter, nvidia, processor, cores } }: RecordedBench, engine: Engine = "webgpu"): string =>
  adapter && engine === "webgpu"
    ? `${nvidia ?? adapter.name}, ${adapter.driver}${adapter.software ? `, on ${cores} cores of ${processor}` : ""}`
    : `${cores} cores of ${processor}`;

/** What each engine that a document has measured computed on; the processor where there is none. */
export function machinesOf(document: RecordedBench): string {
  const engines = enginesOf(document);
  return engines.length === 0
    ? machineOf(document, "cpu")
    : engines.map((engine) => `${engine}: ${machineOf(document, engine)}`).join("; ");
}

/** The recorded benchmarks of the engines by kind; those on a graphics card first, those on a processor or a software driver last. */
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
