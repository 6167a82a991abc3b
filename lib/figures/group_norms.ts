/** Norms of weights by group of tensors over training, beside the accuracies and the scale of the logits. */
import { accuracyPanel, type CurveOptions, howToRead, type Line, lossScale, medianMoments } from "./curves.ts";
import { type Drawn, linesPanel, measured } from "./progress.ts";
import { finding } from "./runs.ts";
import { scaleOfSteps, spaced } from "./scale.ts";
import { compose, type Figure, INK, MARGIN, ticks } from "./theme.ts";
import type { WeightReading } from "../analysis/network/weight_measures.ts";
import { type Curve, lastStep } from "../analysis/runs/run.ts";
import { type Group, GROUPS } from "../run/groups.ts";

/** A run with its evaluations, its milestones and what its weights are like at its checkpoints. */
export type WeighedRun = Curve & { readonly readings: readonly WeightReading[] };

/** Colours of Okabe and Ito, without those of training and validation; in grey, the dashes differ. */
const LOOKS: Readonly<Record<Group, Pick<Line, "color" | "text" | "dash">>> = {
  embed: { color: "#009e73", text: "#00724f", dash: "none" },
  pos: { color: "#8a8a8a", text: "#5f5f5f", dash: "2 3" },
  attn: { color: "#a07a00", text: "#7d5f00", dash: "6 2" },
  mlp: { color: "#8e4585", text: "#7a3a72", dash: "none" },
  norms: { color: "#56b4e9", text: "#1f6f9e", dash: "6 2 1 2" },
  unembed: { color: INK, text: INK, dash: "4 2" },
  biases: { color: "#cc79a7", text: "#a04a7b", dash: "1 2" },
};

/** Accuracies, the norm of each group of tensors and the scale of the logits over steps: of one run, or as medians and bands of several. */
export function groupNormFigure(runs: readonly WeighedRun[], { task, title = finding(runs), ...options }: CurveOptions = {}): Figure {
  const until = Math.max(lastStep(runs), ...runs.map(({ readings }) => readings.at(-1)!.step)), over = { until, ...options };
  const x = scaleOfSteps(runs, over), moments = medianMoments(runs, x), panel = { x, moments, named: false, top: MARGIN.close };
  const groups = GROUPS.filter((group) => runs.some(({ readings }) => readings[0].groupNorms.has(group)));
  const norms = groups.map((group) =>
    measured({ name: group, width: 1.8, ...LOOKS[group] }, runs, x, ({ groupNorms }) => groupNorms.get(group) ?? NaN)
  );
  const scale = measured({ name: "logits", color: INK, text: INK, dash: "none", width: 1.8 }, runs, x, ({ logitScale }) => logitScale);
  return compose({
    title,
    subtitle:
      `${howToRead(runs, task)} Dots: checkpoints. Norm: Euclidean, of all tensors of a group. Scale of the logits: root mean square ` +
      "over all examples and classes, less each example's mean over the classes.",
    panels: [
      accuracyPanel(runs, over, { height: 230, place: "first" }),
      linesPanel({ ...panel, lines: norms, y: scaleOf(norms), label: "Norm of weights, by group of tensors", height: 260 }),
      linesPanel({ ...panel, lines: [scale], y: scaleOf([scale]), label: "Scale of the logits", height: 170, last: true }),
    ],
  });
}

/** A logarithmic axis for all that is drawn. Norms of 0, as of biases that begin so, lie on its floor. */
function scaleOf(lines: readonly Drawn[]) {
  const values = lines.flatMap(({ bands }) => bands.flatMap(({ low, high }) => [low, high])).filter((value) => value > 0);
  if (values.length === 0) return lossScale([1]);
  const [low, high] = [Math.min(...values) * 0.85, Math.max(...values) * 1.15];
  const round = ticks(low, high, "log"), marks = round.length > 1 ? round : ticks(low, high, "linear");
  const format = (value: number) => value >= 0.001 ? String(Number(value.toPrecision(3))) : value.toExponential(0);
  return { type: "log" as const, domain: [low, high] as const, ticks: spaced(marks, Math.log(high / low) / 12), format };
}
