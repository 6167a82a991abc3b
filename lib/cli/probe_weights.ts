/** `deno task probe --weights`: what runs' weights and logits say at each checkpoint, as a table, as CSV and as JSON. */
// @ts-types="@types/d3-dsv"
import { csvFormatRow } from "d3-dsv";
import type { WeightReading } from "../analysis/network/weight_measures.ts";
import { slingshots } from "../analysis/runs/slingshots.ts";
import type { CheckpointedRun } from "../lab/probe.ts";
import type { WeightCourse } from "../lab/probe_weights.ts";
import { type Group, GROUPS } from "../run/groups.ts";
import { percent, runWords, short, slingshotWords } from "./probe_words.ts";
import { table } from "./table.ts";

interface Measure {
  /** In CSV and JSON, and in the table. */
  readonly column: string;
  readonly head: string;
  /** `null` where the run has none. */
  readonly of: (reading: WeightReading) => number | null;
  readonly show: (value: number) => string;
}

const digits = (value: number) => value.toPrecision(3);
const normOf = (group: Group): Measure => {
  return { column: `norm_${group}`, head: group, of: ({ groupNorms }) => groupNorms.get(group) ?? null, show: digits };
};

const MEASURES: readonly Measure[] = [
  { column: "step", head: "step", of: ({ step }) => step, show: String },
  { column: "train_acc", head: "train acc", of: ({ trainAcc }) => trainAcc, show: percent },
  { column: "val_acc", head: "val acc", of: ({ valAcc }) => valAcc, show: percent },
  { column: "logit_scale", head: "logits", of: ({ logitScale }) => logitScale, show: short },
  { column: "zero_loss", head: "zero loss", of: ({ zeroLoss }) => zeroLoss, show: percent },
  { column: "effective_rank", head: "rank", of: ({ effectiveRank }) => effectiveRank, show: digits },
  { column: "embedding_gini", head: "Gini", of: ({ embeddingGini }) => embeddingGini, show: (gini) => gini.toFixed(3) },
  { column: "weight_norm", head: "norm", of: ({ weightNorm }) => weightNorm, show: digits },
  ...GROUPS.map(normOf),
];

/** What the help says of the table. */
export const WEIGHT_COLUMNS = `Columns with --weights, for any operation and model
  train acc, val acc   as above; right are the labels as trained on, and the operation's answers
  logits               their scale: root mean square over all examples and classes, less each example's mean over the classes
  zero loss            share of the training examples whose cross-entropy is exactly 0 in fp32 (softmax collapse: Prieto et al. 2025)
  rank                 effective rank of the embedding: exp of the entropy of its singular values' shares (Roy & Vetterli 2007)
  Gini                 Gini coefficient of the norms of the embedding's Fourier components, by frequency (Nanda et al. 2023)
  norm, embed, …       of all weights, and of each group of tensors that the model has
`;

/** Those that some of the readings have. */
const measuresOf = (readings: readonly WeightReading[]) => MEASURES.filter(({ of }) => readings.some((reading) => of(reading) !== null));

export function weightText(run: CheckpointedRun & WeightCourse): string {
  const measures = measuresOf(run.readings);
  const lines = run.readings.map((reading) =>
    measures.map(({ of, show }) => {
      const value = of(reading);
      return value === null ? "–" : show(value);
    })
  );
  return `${runWords(run)}\n\n${table([measures.map(({ head }) => head), ...lines])}\n\n${
    slingshotWords(run)
  }\n--help says what they are.\n`;
}

/** Numbers in full, an empty cell where a run has none; with a run's hash before each line, of several runs. */
export function weightCsv(runs: readonly { readonly hash?: string; readonly readings: readonly WeightReading[] }[]): string {
  const measures = measuresOf(runs.flatMap(({ readings }) => readings)), withHash = runs.some(({ hash }) => hash !== undefined);
  const head = [...withHash ? ["hash"] : [], ...measures.map(({ column }) => column)];
  const lines = runs.flatMap(({ hash = "", readings }) =>
    readings.map((reading) => [...withHash ? [hash] : [], ...measures.map(({ of }) => String(of(reading) ?? ""))])
  );
  return [head, ...lines].map((line) => `${csvFormatRow(line)}\n`).join("");
}

export function weightJson({ id, hash, metrics, readings }: CheckpointedRun & WeightCourse): string {
  const measures = measuresOf(readings);
  const checkpoints = readings.map((reading) => Object.fromEntries(measures.map(({ column, of }) => [column, of(reading)])));
  return `${JSON.stringify({ run: id, hash, slingshots: slingshots(metrics), checkpoints }, null, 2)}\n`;
}
