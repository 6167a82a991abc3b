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
