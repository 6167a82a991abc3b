/**
 * What notebooks import: the core, what every notebook needs. All figures are in `figures`; a study's experiments, published numbers and
 * findings come as one name: `import * as capacity from "./studies/capacity/mod.ts"`.
 *
 * Ten networks learn to add modulo 47; you watch them memorise, wait, and understand:
 *
 * ```ts
 * import { grokkingFrame, runSpec, show, trainingCurves, watch } from "./mod.ts";
 *
 * const networks = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((seed) => runSpec({
 *   preset: "one-layer",
 *   model: { dModel: 32, dMlp: 64 },
 *   data: { prime: 47, trainFraction: 0.5 },
 *   optim: { lr: 1e-2 },
 *   schedule: { steps: 3000, evalEvery: 20 },
 *   seed,
 * }));
 * // A figure that moves; the interrupt button stops training and keeps what is done.
 * const runs = await watch(networks, { untilGrokked: true });
 * await show(trainingCurves(runs));
 * await show(grokkingFrame(runs));
 * ```
 *
 * A whole grid goes into the lab, an SQLite file, where it can be asked about; called again, a sweep goes on where it was:
 *
 * ```ts
 * import { frame, grid, range, show, sweep } from "./mod.ts";
 *
 * const lab = await sweep({ name: "decays", runs: grid({ preset: "one-layer", optim: { weightDecay: [0.5, 1, 2] }, seed: range(5) }) });
 * await show(frame(lab, "SELECT weight_decay, n_runs, n_grokked, median_grokking_step FROM ratio_sweep_stats"));
 * ```
 *
 * @module
 */
// Runs: what one is, and training it.
export { type OperationName, OPERATIONS } from "./run/operations.ts";
export { type PresetName, PRESETS, type RunInput, type RunSpec, runSpec, sizes } from "./run/spec.ts";
export { milestones, RULES } from "./run/grokking.ts";
export { parameterCount } from "./run/layout.ts";
export { takeOver } from "./run/take.ts";
export type { Engine, Metrics } from "./engine/engine.ts";
export { openEngine } from "./train/engines.ts";
export { type Run, train, type TrainOptions } from "./train/train.ts";

// The lab: grids of runs, and looking into them.
export { type Experiment, type Grid, grid, range } from "./lab/experiment.ts";
export { Lab } from "./lab/store.ts";
export { replay } from "./lab/boundary.ts";
export { attentionRuns } from "./lab/attention.ts";
export { byNeurons, probe, probeRuns } from "./lab/probe.ts";
export { probeWeights, probeWeightsOf, probeWeightsOfAll } from "./lab/probe_weights.ts";
export { EXPERIMENTS } from "./studies/mod.ts";

// Cells: training while you look, sweeps, records, tables.
export { beside, engine, ifAny, interruptible, live, show, watch, type WatchOptions } from "./notebook/show.ts";
export { storedReadings } from "./notebook/readings.ts";
export { done, firstDone, type NotebookSweep, recorded, recordedRuns, stored, storedRuns, sweep } from "./notebook/sweep.ts";
export { type Cell, frame, grokkingFrame, settingFrame } from "./notebook/frames.ts";
export { bothTests, type Claim, claimTable, contrastFrame, contrastSentences } from "./notebook/contrasts.ts";

// Comparing runs.
export { type BoardRun, type Curve, hasEnded, openSentence } from "./analysis/runs/run.ts";
export type { StudiedRun } from "./analysis/runs/question.ts";
export { groupsBy, oneAtATime } from "./analysis/runs/groups.ts";
export { slingshots } from "./analysis/runs/slingshots.ts";
export { medianStep, timesTo } from "./analysis/runs/times.ts";
// A median grokking step with its interval: timeQuantile(kaplanMeier(timesTo("grokked", runs))).
export { kaplanMeier, timeQuantile } from "./analysis/statistics/survival.ts";
export { typicalRun } from "./analysis/runs/groups.ts";
export { contrastPairs, contrastTimes, contrastValues } from "./analysis/statistics/contrasts.ts";
export { decides } from "./analysis/statistics/multiple.ts";

// Figures of any runs; all others by their names in `figures`.
export * as figures from "./figures/mod.ts";
export type { Figure } from "./figures/theme.ts";
export { type CurveOptions, learningCurves, trainingCurves } from "./figures/curves.ts";
export { dashboard, type DashboardOptions } from "./figures/dashboard.ts";
export { grokkingAgainst } from "./figures/against/figure.ts";
export { grokkingByGroup, grokkingByKnob, grokkingSteps } from "./figures/steps.ts";
export { successMap } from "./figures/success_map.ts";
export { survivalCurves, survivalPanels } from "./figures/survival.ts";
export { sweepBoard } from "./figures/sweep.ts";
