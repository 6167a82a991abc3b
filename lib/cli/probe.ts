/** `deno task probe`: analyses a run of the lab at each of its checkpoints. Results go to stdout. */
import { largestFrequency } from "../analysis/network/fourier.ts";
import { progressFigure } from "../figures/progress.ts";
import { representationFigure } from "../figures/representations.ts";
import { writeWhole } from "../run/files.ts";
import { byNeurons, probeRun } from "../lab/probe.ts";
import { experimentReadings, progressRow, readingsCsv } from "../lab/readings.ts";
import { Lab } from "../lab/store.ts";
import { taskName } from "../run/operations.ts";
import { quote } from "../run/quote.ts";
import { Closed, stdout } from "./db_query.ts";
import { exists, here, prepareFile } from "./files.ts";
import { type Flag, flagHelp, type Given, parse } from "./flags.ts";
import { run } from "./main.ts";
import { LAB } from "./process.ts";
import { table } from "./table.ts";
import { say, tell } from "./terminal.ts";

export const FLAGS: Record<string, Flag> = {
  "run": { value: "ID|HASH", help: "the run's id in the lab, or its hash or the first digits of it; must be given" },
  "experiment": { value: "NAME", help: "in place of a run: all runs of an experiment that have weights, as CSV" },
  "db": { value: "FILE", help: "the lab's database [data/lab.db]" },
  "by": { value: "RULE", help: "which key frequencies table and figure go by: logits, or neurons (the paper's rule) [logits]" },
  "figure": { value: "FILE", help: "draws what was found, as .svg or .png: progress over the checkpoints, or the weights at one of them" },
  "json": { help: "as JSON, numbers in full, with spectra and the norm of every tensor" },
  "csv": { help: "as CSV, numbers in full" },
  "help": { help: "this text" },
};

const HELP = `Analyses a run at each of its checkpoints: how much of what it computes depends on a few frequencies.

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

Examples
  deno task db query "SELECT run, state FROM run_summary WHERE experiment = 'small_map' AND state = 'grokked'"
  deno task probe --run 12 --figure run12.svg
  deno task probe --run 5e052dd66747549a --csv > probe.csv
  deno task probe --experiment nanda --csv > data/recorded/nanda/readings.csv
`;

export async function main(args: string[]): Promise<number> {
  const given = parse(args, FLAGS),
    word = given.get("run"),
    path = given.get("db") as string ?? LAB,
    file = given.get("figure") as string | undefined;
  if (given.has("help")) {
    tell(HELP);
    return 0;
  }
  const rule = given.get("by") as string ?? "logits";
  if (rule !== "logits" && rule !== "neurons") {
    throw new Error(`Cannot use --by: must be logits or neurons, current value is ${quote(rule)}`);
  }
  if (given.has("experiment")) return await ofExperiment(given, path);
  if (typeof word !== "string") throw new Error("Cannot do without --run: must have a value, there is none");
  if (given.has("csv") && given.has("json")) throw new Error("Cannot use --csv and --json together: must be one of them");
  if (file !== undefined && !/\.(svg|png)$/.test(file)) {
    throw new Error(`Cannot write --figure ${file}: its name must end in .svg or .png, current value is ${quote(file)}`);
  }
  if (!await exists(path)) throw new Error(`Cannot open ${here(path)}: it must be there, there is none; deno task sweep makes one`);
  if (file !== undefined) await prepareFile("--figure", file);
  using lab = Lab.open(path, { readOnly: true });
  const probed = await probeRun(lab, word, { onRead: told });
  const shown = rule === "neurons" ? byNeurons(probed) : probed;
  if (file !== undefined) {
    const figure = shown.readings.length > 1 ? progressFigure([shown]) : representationFigure(shown);
    await writeWhole(file, file.endsWith(".svg") ? figure.svg : (await import("../figures/render.ts")).png(figure));
  }
  try {
    using out = stdout();
    out.write(given.has("json") ? json(probed) : given.has("csv") ? readingsCsv([{ readings: probed.readings }]) : text(shown, probed));
  } catch (error) {
    if (!(error instanceof Closed)) throw error;
  }
  if (file !== undefined) say(`Figure: ${here(file)}`);
  return 0;
}

/** All runs of an experiment in one table, each line with its run's hash. */
async function ofExperiment(given: Given, path: string): Promise<number> {
  const others = ["run", "by", "figure", "json"].filter((flag) => given.has(flag));
  if (others.length > 0 || !given.has("csv")) {
    const are = others.map((flag) => `--${flag}`).join(" and ") || "none";
    throw new Error(`Cannot use --experiment: must stand with --csv and without --run, --by, --figure and --json, current value is ${are}`);
  }
  if (!await exists(path)) throw new Error(`Cannot open ${here(path)}: it must be there, there is none; deno task sweep makes one`);
  using lab = Lab.open(path, { readOnly: true });
  const table = await experimentReadings(lab, given.get("experiment") as string, { onRead: told });
  try {
    using out = stdout();
    out.write(table);
  } catch (error) {
    if (!(error instanceof Closed)) throw error;
  }
  return 0;
}

/** On a terminal, each checkpoint takes seconds. */
function told(read: number, of: number): void {
  if (of > 1 && Deno.stderr.isTerminal()) {
    Deno.stderr.writeSync(new TextEncoder().encode(`\r${read < of ? `Checkpoint ${read} of ${of}` : "\x1b[K"}`));
  }
}

type Probed = Awaited<ReturnType<typeof probeRun>>;

function json({ id, hash, keys, neuronKeys, readings }: Probed): string {
  const lines = readings.map((reading) => {
    const { embedding, features, logits, weightNorms } = reading;
    const power = { embedding: [...embedding], features: [...features], logits: [...logits] };
    return `    ${JSON.stringify({ ...progressRow(reading), power, weight_norms: Object.fromEntries(weightNorms) })}`;
  });
  const head = `"run": ${id},\n  "hash": "${hash}",\n  "key_frequencies": ${JSON.stringify(keys)},\n  "neuron_key_frequencies": ${
    JSON.stringify(neuronKeys)
  }`;
  return `{\n  ${head},\n  "checkpoints": [\n${lines.join(",\n")}\n  ]\n}\n`;
}

const HEAD = ["step", "train acc", "val acc", "key frequencies", "explained", "restricted", "excluded", "similarity", "neurons", "norm"];

/** The table by one rule, and how both rules end; `probed` is as measured, `shown` by the rule. */
function text(shown: Probed, probed: Probed): string {
  const { id, hash, spec, rule, readings, memorisationStep, grokkingStep } = shown;
  const { data: { operation, prime }, model: { dModel }, optim: { weightDecay }, seed } = spec, h = largestFrequency(prime);
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`,
    both = (loss: number, acc: number) => `${short(loss)} ${percent(acc).padStart(7)}`;
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
  const moments = [`memorised at ${memorisationStep ?? "–"}`, `grokked at ${grokkingStep ?? "–"}`].join(", ");
  const ending = ({ keys, readings }: Probed, name: string) => {
    const { restricted, excluded } = readings.at(-1)!; // there is one at least
    return `${name} ${list(keys, "none")} (restricted ${both(restricted.loss, restricted.acc)}, excluded ${
      both(excluded.trainLoss, excluded.trainAcc)
    })`;
  };
  return `Run ${id} (${hash}): ${
    taskName(operation, prime)
  }, d_model ${dModel}, weight decay ${weightDecay}, seed ${seed}; ${moments}\n\n` +
    `${table([HEAD, ...lines], [3])}\n\n` +
    `Key frequencies at step ${readings.at(-1)!.step}: ${ending(probed, "by the logits")}, ${
      ending(byNeurons(probed), "by the neurons")
    }.\n` +
    `Explained, restricted and excluded above go by those of the ${rule}. --help says what they are.\n`;
}

/** Three digits that count. */
const short = (loss: number) => loss !== 0 && loss < 0.001 ? loss.toExponential(1) : loss.toPrecision(3);

if (import.meta.main) await run(main);
