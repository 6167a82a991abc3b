/** `deno task probe`: analyses a run of the lab at each of its checkpoints. Results go to stdout. */
import { largestFrequency } from "../analysis/network/fourier.ts";
import { slingshots } from "../analysis/runs/slingshots.ts";
import { groupNormFigure } from "../figures/group_norms.ts";
import { progressFigure } from "../figures/progress.ts";
import { representationFigure } from "../figures/representations.ts";
import type { Figure } from "../figures/theme.ts";
import { writeWhole } from "../run/files.ts";
import { byNeurons, probeRun } from "../lab/probe.ts";
import { probeWeightsOf, probeWeightsOfAll, type WeightCourse } from "../lab/probe_weights.ts";
import { experimentReadings, progressRow, readingsCsv } from "../lab/readings.ts";
import { Lab } from "../lab/store.ts";
import type { StoredRun } from "../lab/stored.ts";
import { quote } from "../run/quote.ts";
import { specHash } from "../run/spec.ts";
import { Closed, stdout } from "./db_query.ts";
import { here, labMustBeThere, prepareFile } from "./files.ts";
import { type Flag, flagHelp, type Given, parse } from "./flags.ts";
import { run } from "./main.ts";
import { LAB } from "./process.ts";
import { WEIGHT_COLUMNS, weightCsv, weightJson, weightText } from "./probe_weights.ts";
import { percent, runWords, short, slingshotWords } from "./probe_words.ts";
import { table } from "./table.ts";
import { say, tell } from "./terminal.ts";

export const FLAGS: Record<string, Flag> = {
  "run": { value: "ID|HASH", help: "the run's id in the lab, or its hash or the first digits of it; must be given" },
  "experiment": { value: "NAME", help: "in place of a run: all runs of an experiment that have weights, as CSV" },
  "db": { value: "FILE", help: "the lab's database [data/lab.db]" },
  "by": { value: "RULE", help: "which key frequencies table and figure go by: logits, or neurons (the paper's rule) [logits]" },
  "weights": {
    help: "norms by group of tensors, scale of the logits and rank of the embedding, of any operation, in place of frequencies",
  },
  "figure": {
    value: "FILE",
    help: "draws what was found, as .svg or .png: progress over the checkpoints, the weights at one of them, or norms by group",
  },
  "json": { help: "as JSON, numbers in full, with slingshots, and of frequencies the spectra and the norm of every tensor" },
  "csv": { help: "as CSV, numbers in full" },
  "help": { help: "this text" },
};

export const HELP =
  `Analyses a run at each of its checkpoints: how much of what it computes depends on a few frequencies, or what its weights are like.

  deno task probe --run ID|HASH [flags]
  deno task probe --experiment NAME --csv

${flagHelp("Flags", Object.entries(FLAGS))}
Columns
  train acc, val acc   of the network as it is, on its whole sets
  key frequencies      of this checkpoint, the strongest first: the fewest that hold 95 % of the logits' waves over the answer; with
                       --by neurons, all that explain most of some neuron of the last layer, as in the paper's code
  explained            share of the logits' variance that cos(w(a + b − c)) of the run's key frequencies explains
  restricted           loss and accuracy with these frequencies alone, on all pairs
  excluded             loss and accuracy without them, on the pairs that train
  similarity           how much of the cosine similarity of two answers' mean features their distance modulo p explains
  neurons              share of the last layer's neurons of which one frequency explains 85 % or more
  norm                 of all weights
The run's key frequencies are those of its last checkpoint. --json and --csv have both rules. After Nanda et al., "Progress measures
for grokking via mechanistic interpretability" (ICLR 2023). For x_plus_y and x_minus_y. TensorFlow.js computes; no GPU is needed.

${WEIGHT_COLUMNS}
Slingshots are spikes of the training loss: ten times the median of the ten evaluations before, and half of the way back on a
logarithmic scale within ten. Spikes between two evaluations are missed. After Thilak et al., "The slingshot mechanism" (2022).

Examples
  deno task db import data/recorded/representations
  deno task db query "SELECT run, state FROM run_summary WHERE experiment = 'representations' AND state = 'grokked'"
  deno task probe --run 4 --figure run4.svg
  deno task probe --run 4 --weights
  deno task probe --run aceeaa70eed1bfa5 --csv > probe.csv
  deno task probe --experiment representations --csv > readings.csv
`;

export async function main(args: string[]): Promise<number> {
  const given = parse(args, FLAGS), path = given.get("db") as string ?? LAB, file = given.get("figure") as string | undefined;
  if (given.has("help")) {
    tell(HELP);
    return 0;
  }
  const rule = given.get("by") as string ?? "logits";
  if (rule !== "logits" && rule !== "neurons") {
    throw new Error(`Cannot use --by: must be logits or neurons, current value is ${quote(rule)}`);
  }
  if (given.has("by") && given.has("weights")) throw new Error("Cannot use --by and --weights together: must be one of them");
  if (given.has("experiment")) return await ofExperiment(given, path);
  if (!given.has("run")) throw new Error("Cannot do without --run: must have a value, there is none");
  if (given.has("csv") && given.has("json")) throw new Error("Cannot use --csv and --json together: must be one of them");
  if (file !== undefined && !/\.(svg|png)$/.test(file)) {
    throw new Error(`Cannot write --figure ${file}: its name must end in .svg or .png, current value is ${quote(file)}`);
  }
  await labMustBeThere(path);
  if (file !== undefined) await prepareFile("--figure", file);
  using lab = Lab.open(path, { readOnly: true });
  const { figure, text } = await (given.has("weights") ? weightsOf : frequenciesOf)(lab, given, rule);
  if (file !== undefined) {
    const drawn = figure();
    await writeWhole(file, file.endsWith(".svg") ? drawn.svg : (await import("../figures/render.ts")).png(drawn));
  }
  print(text);
  if (file !== undefined) say(`Figure: ${here(file)}`);
  return 0;
}

/** What is found in a run: its figure, and what goes to stdout. */
interface Found {
  readonly figure: () => Figure;
  readonly text: string;
}

async function frequenciesOf(lab: Lab, given: Given, rule: string): Promise<Found> {
  const probed = await probeRun(lab, given.get("run") as string, { onRead: told }), shown = rule === "neurons" ? byNeurons(probed) : probed;
  return {
    figure: () => shown.readings.length > 1 ? progressFigure([shown]) : representationFigure(shown),
    text: given.has("json") ? json(probed) : given.has("csv") ? readingsCsv([{ readings: probed.readings }]) : text(shown, probed),
  };
}

async function weightsOf(lab: Lab, given: Given): Promise<Found> {
  const probed = await probeWeightsOf(lab, given.get("run") as string, { onRead: told });
  return {
    figure: () => groupNormFigure([probed]),
    text: given.has("json") ? weightJson(probed) : given.has("csv") ? weightCsv([{ readings: probed.readings }]) : weightText(probed),
  };
}

/** All runs of an experiment in one table, each line with its run's hash. */
async function ofExperiment(given: Given, path: string): Promise<number> {
  const others = ["run", "by", "figure", "json"].filter((flag) => given.has(flag));
  if (others.length > 0 || !given.has("csv")) {
    const are = others.map((flag) => `--${flag}`).join(" and ") || "none";
    throw new Error(`Cannot use --experiment: must stand with --csv and without --run, --by, --figure and --json, current value is ${are}`);
  }
  await labMustBeThere(path);
  using lab = Lab.open(path, { readOnly: true });
  const name = given.get("experiment") as string, options = { onRead: told };
  const hashed = (run: StoredRun & WeightCourse) => ({ hash: specHash(run.spec), readings: run.readings });
  print(
    given.has("weights")
      ? weightCsv((await probeWeightsOfAll(lab, name, options)).map(hashed))
      : await experimentReadings(lab, name, options),
  );
  return 0;
}

/** To stdout, as far as someone reads it. */
function print(text: string): void {
  try {
    using out = stdout();
    out.write(text);
  } catch (error) {
    if (!(error instanceof Closed)) throw error;
  }
}

/** On a terminal, each checkpoint takes seconds. */
function told(read: number, of: number): void {
  if (of > 1 && Deno.stderr.isTerminal()) {
    Deno.stderr.writeSync(new TextEncoder().encode(`\r${read < of ? `Checkpoint ${read} of ${of}` : "\x1b[K"}`));
  }
}

type Probed = Awaited<ReturnType<typeof probeRun>>;

function json({ id, hash, metrics, keys, neuronKeys, readings }: Probed): string {
  const lines = readings.map((reading) => {
    const { embedding, features, logits, weightNorms } = reading;
    const power = { embedding: [...embedding], features: [...features], logits: [...logits] };
    return `    ${JSON.stringify({ ...progressRow(reading), power, weight_norms: Object.fromEntries(weightNorms) })}`;
  });
  const head = `"run": ${id},\n  "hash": "${hash}",\n  "key_frequencies": ${JSON.stringify(keys)},\n  "neuron_key_frequencies": ${
    JSON.stringify(neuronKeys)
  },\n  "slingshots": ${JSON.stringify(slingshots(metrics))}`;
  return `{\n  ${head},\n  "checkpoints": [\n${lines.join(",\n")}\n  ]\n}\n`;
}

const HEAD = ["step", "train acc", "val acc", "key frequencies", "explained", "restricted", "excluded", "similarity", "neurons", "norm"];

/** The table by one rule, and how both rules end; `probed` is as measured, `shown` by the rule. */
function text(shown: Probed, probed: Probed): string {
  const { spec, rule, readings } = shown, h = largestFrequency(spec.data.prime);
  const both = (loss: number, acc: number) => `${short(loss)} ${percent(acc).padStart(7)}`;
  const list = (keys: readonly number[], none: string) => keys.length > 8 ? `${keys.length} of ${h}` : keys.join(" ") || none;
  const lines = readings.map(({ step, whole, restricted, excluded, ...reading }) => [
    String(step),
    percent(whole.trainAcc),
    percent(whole.valAcc),
    list(reading.keys, "–"),
    percent(reading.explained),
    both(restricted.loss, restricted.acc),
    both(excluded.trainLoss, excluded.trainAcc),
    percent(reading.circulant),
    percent(reading.neuronShare),
    reading.weightNorm.toPrecision(3),
  ]);
  const ending = ({ keys, readings }: Probed, name: string) => {
    const { restricted, excluded } = readings.at(-1)!; // there is one at least
    return `${name} ${list(keys, "none")} (restricted ${both(restricted.loss, restricted.acc)}, excluded ${
      both(excluded.trainLoss, excluded.trainAcc)
    })`;
  };
  return `${runWords(shown)}\n\n` +
    `${table([HEAD, ...lines], [3])}\n\n` +
    `Key frequencies at step ${readings.at(-1)!.step}: ${ending(probed, "by the logits")}, ${
      ending(byNeurons(probed), "by the neurons")
    }.\n` +
    `The columns explained, restricted and excluded go by those of the ${rule}. --help says what they are.\n` +
    `${slingshotWords(shown)}\n`;
}

if (import.meta.main) await run(main);
