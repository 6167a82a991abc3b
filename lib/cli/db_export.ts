/** What `deno task db export` writes besides text files: networks for TransformerLens, and tables as Parquet. */
import { readFile } from "../train/safetensors.ts";
import { seedFile, seedsIn } from "../train/checkpoints.ts";
import { answerOf, hookedConfig, hookedFile, obstacle } from "../train/hooked.ts";
import { isCheckpoint, loadWeights, storedSpec } from "../train/weights.ts";
import { experimentId } from "../lab/overview.ts";
import { writeParquet } from "../lab/parquet.ts";
import { findRun, whyNoneOf } from "../lab/probe.ts";
import type { Lab } from "../lab/store.ts";
import { writeWhole } from "../run/files.ts";
import type { RunSpec } from "../run/spec.ts";
import { type Call, exportTo, needed, open } from "./db_commands.ts";
import { mustBeFolder, prepare } from "./files.ts";
import type { Flag } from "./flags.ts";
import { plural } from "./progress.ts";
import { say, tell } from "./terminal.ts";

/** Flags of what goes into text files beside the results. */
const TEXT_FLAGS: Readonly<Record<string, Flag>> = {
  "metrics": { value: "WHICH", help: "evaluations: all, thin (as many as a figure needs) or none [thin]" },
  "attention": { help: "attention logs too, as much of them as figures need: one file per run" },
  "weights": { help: "weights on the way too, where the experiment watches them: one file per state" },
  "networks": { value: "SEEDS", help: "trained networks of these seeds too, for example 0 or 0..4: one file of weights per run" },
  "ended": { help: "only runs that have ended; otherwise all, as far as they are" },
  "replace": { help: "also where runs, files or evaluations of the record that is there, or files that are no record's, get lost" },
};

/** Flags of what is written in place of text files, and which flags of `db export` each takes besides. */
const KINDS = { hooked: ["experiment", "run", "from", "other-logits"], parquet: ["experiment"] } as const;
type Kind = keyof typeof KINDS;

export const EXPORT_FLAGS: Readonly<Record<string, Flag>> = {
  ...TEXT_FLAGS,
  "hooked": { help: "networks for TransformerLens instead: of each a state dict as safetensors and its HookedTransformerConfig as JSON" },
  "run": { value: "ID|HASH", help: "with --hooked, one run of the lab in place of an experiment's" },
  "from": { value: "FOLDER", help: "with --hooked, the files of train --checkpoint or --save in place of an experiment's" },
  "other-logits": {
    help: "with --hooked, post-norm networks too, which TransformerLens reads as pre-norm: it gives other logits",
  },
  "parquet": { help: "runs.parquet and metrics.parquet instead; without --experiment, of the whole lab" },
};

/** Does what the flags of `db export` say. */
export async function exportAs(call: Call): Promise<number> {
  const kinds = (Object.keys(KINDS) as Kind[]).filter((kind) => call.given.has(kind)), [kind] = kinds;
  if (kinds.length > 1) throw new Error("Cannot use --hooked and --parquet together: must be one of them");
  const own: readonly string[] = kind ? [kind, ...KINDS[kind]] : Object.keys(TEXT_FLAGS);
  const stray = [...call.given.keys()].find((flag) => !["experiment", "to", "db", ...own].includes(flag));
  if (stray !== undefined) {
    const allowed = (kind ? KINDS[kind] : own).map((flag) => `--${flag}`).join(", ");
    throw new Error(`Cannot use --${stray} ${kind ? `with --${kind}` : "without --hooked"}: must be one of ${allowed}`);
  }
  return await { hooked: exportHooked, parquet: exportParquet, text: exportTo }[kind ?? "text"](call);
}

async function exportParquet(call: Call): Promise<number> {
  const to = needed(call, "to"), experiment = call.given.get("experiment");
  using lab = await open(call, true);
  await prepare([{ flag: "--to", path: to, kind: "folder" }]);
  const { runs, evaluations } = await writeParquet(lab, to, typeof experiment === "string" ? experiment : undefined);
  tell(`${plural(runs, "run")} in ${to}/runs.parquet, ${plural(evaluations, "evaluation")} in ${to}/metrics.parquet`);
  return 0;
}

/** A network, loaded when its turn comes. */
interface Network {
  /** Its file's, without the ending. */
  readonly name: string;
  readonly spec: RunSpec;
  readonly load: () => Promise<Float32Array>;
}

async function exportHooked(call: Call): Promise<number> {
  const to = needed(call, "to"),
    sources = (["experiment", "run", "from"] as const).filter((flag) => call.given.has(flag)),
    [source] = sources;
  if (sources.length !== 1) {
    const given = sources.map((flag) => `--${flag}`).join(" and ") || "none";
    throw new Error(`Cannot export networks: must have one of --experiment, --run and --from, current value is ${given}`);
  }
  const word = needed(call, source);
  using lab = source === "from" ? undefined : await open(call, true);
  const networks = lab ? ofLab(lab, source, word) : await ofFolder(word);
  if (networks.length === 0) {
    const why = lab && source === "experiment" ? `; ${whyNoneOf(lab, word)}` : "";
    throw new Error(`Cannot export networks of ${word}: there must be stored weights, there are none${why}`);
  }
  const others = call.given.has("other-logits"), odd: string[] = [];
  for (const { name, spec } of networks) {
    const { why, reads } = obstacle(spec) ?? { why: "", reads: true };
    if (!reads || why !== "" && !others) {
      throw new Error(`Cannot export ${name}: ${why}${reads ? "; --other-logits writes it all the same" : ""}`);
    }
    if (why !== "") odd.push(why);
  }
  await prepare([{ flag: "--to", path: to, kind: "folder" }], { "--from": source === "from" ? word : undefined });
  for (const { name } of networks) {
    const path = `${to}/${name}.safetensors`;
    if (await isCheckpoint(path)) throw new Error(`Cannot write --to ${to}: must have no checkpoints, ${path} is one`);
  }
  for (const { name, spec, load } of networks) {
    await writeWhole(`${to}/${name}.json`, `${JSON.stringify(hookedConfig(spec), null, 2)}\n`);
    await writeWhole(`${to}/${name}.safetensors`, hookedFile(spec, await load()));
  }
  const logits = [...new Set(networks.map(({ spec }) => answerOf(spec)))].join(" or ");
  tell(`${plural(networks.length, "network")} in ${to}, each a .safetensors and a .json; logits of the answers: ${logits}`);
  if (odd.length > 0) say(`TransformerLens gives other logits for ${odd.length} of them: ${odd[0]}`);
  return 0;
}

/** The last states of runs of the lab, of an experiment's within its steps; those that it has none of are left out, and a line says so. */
function ofLab(lab: Lab, source: "experiment" | "run" | "from", word: string): Network[] {
  const runs = source === "run" ? [{ run: word, steps: Infinity }] : lab.query<{ run: number; steps: number }>(
    "SELECT run, steps FROM members WHERE experiment = ? ORDER BY run",
    experimentId(lab, word),
  );
  const networks = runs.flatMap(({ run, steps }): Network[] => {
    const { hash, spec, checkpoints } = findRun(lab, run), last = checkpoints.findLast(({ step }) => step <= steps);
    return last ? [{ name: hash, spec, load: last.load }] : [];
  });
  const without = runs.length - networks.length;
  if (without > 0) say(`${plural(without, "run")} without stored weights left out`);
  return networks;
}

/** The networks of a folder of checkpoints or weights, one of each seed. */
async function ofFolder(folder: string): Promise<Network[]> {
  await mustBeFolder("--from", folder);
  return await Promise.all((await seedsIn(folder)).map(async (seed) => {
    const path = seedFile(folder, seed), { metadata } = await readFile(path), spec = storedSpec(path, metadata, "a file of weights");
    return { name: `seed_${seed}`, spec, load: () => loadWeights(path, spec) };
  }));
}
