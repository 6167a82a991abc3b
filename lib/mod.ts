/**
 * What notebooks import. Ten networks learn to add modulo 47; you watch them memorise, wait, and understand:
 *
 * ```ts
 * import { grokkingFrame, runSpec, show, trainingCurves, watch } from "./mod.ts";
 *
 * const networks = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((seed) => runSpec({
 *   preset: "nanda",
 *   model: { dModel: 32, dMlp: 64 },
 *   data: { prime: 47, trainFraction: 0.5 },
 *   optim: { lr: 1e-2 },
 *   schedule: { steps: 3000, evalEvery: 20 },
 *   seed,
 * }));
 * const runs = await watch(networks, { untilGrokked: true }); // a figure that moves; the interrupt button stops training and keeps what is done
 * await show(trainingCurves(runs));
 * await show(grokkingFrame(runs));
 * ```
 *
 * A whole grid goes into the lab, an SQLite file, where it can be asked about; called again, a sweep goes on where it was:
 *
 * ```ts
 * import { frame, grid, range, show, sweep } from "./mod.ts";
 *
 * const lab = await sweep({ name: "decays", runs: grid({ preset: "nanda", optim: { weightDecay: [0.5, 1, 2] }, seed: range(5) }) });
 * await show(frame(lab, "SELECT weight_decay, n_runs, n_grokked, median_grokking_step FROM ratio_sweep_stats"));
 * ```
 *
 * @module
 */
export { type OperationName, OPERATIONS } from "./run/operations.ts";
export { type PresetName, PRESETS, type RunInput, type RunSpec, runSpec, sizes } from "./run/spec.ts";
export { parameterCount } from "./run/layout.ts";
export type { Engine, EngineInfo, Metrics } from "./engine/engine.ts";
export { openEngine } from "./train/engines.ts";
export { type Run, train, type TrainOptions } from "./train/train.ts";
export { grokkingStep, memorisationStep, milestones, RULES } from "./run/grokking.ts";
export { type Experiment, type Grid, grid, range } from "./lab/experiment.ts";
export { Lab } from "./lab/store.ts";
export { type Probe, probe, type ProbeOptions, type Reading } from "./reference/probe.ts";
export { probeRun, probeRuns } from "./lab/probe.ts";
export { boundaryMap, edgesOf, replay } from "./lab/boundary.ts";
export { attentionRun, attentionRuns } from "./lab/attention.ts";
export { phasesOf } from "./lab/milestones.ts";
export { type Watch, weightSteps } from "./lab/watch.ts";
export { type AttentionOptions, attentionProbe, type AttentionReading, keeper, type KeepOptions } from "./run/attention.ts";
export { type AttentionLog, loadAttention, saveAttention } from "./train/attention_file.ts";
export { attentionOf } from "./reference/attention.ts";
export { type Phase, phaseAt, type PhaseEdges, phaseEdges, type PhaseName, PHASES, phases } from "./run/phases.ts";
export { firstGrok, SEEDS } from "./studies/lessons/first_grok.ts";
export { atWeightDecays, knobLabels, knobLearningRate, knobTrainFraction, knobWeightDecay } from "./studies/lessons/knobs.ts";
export { REPRESENTATIONS } from "./studies/representations/experiments.ts";
export { tinyTip, tipsFinding } from "./studies/lessons/tiny_live.ts";
export {
  CAPACITY,
  CAPACITY_BASELINE_JUMP,
  CAPACITY_IN_SMALL,
  CAPACITY_MATCHED,
  CAPACITY_NAMED,
  type CapacityPair,
  type CapacityStudy,
  FULL_STUDY,
  IN_SMALL_PAIRS,
  MATCHED,
  STUDY_IN_SMALL,
} from "./studies/capacity/experiments.ts";
export {
  besidePublished,
  bucketName,
  byFactor,
  byOperation,
  bySize,
  deepOrWide,
  hasEnded,
  inStability,
  inTime,
  type Moment,
  type StudiedRun,
  timesTo,
} from "./studies/capacity/findings.ts";
export {
  ATTENTION,
  ATTENTION_IN_SMALL,
  ATTENTION_STUDY_IN_SMALL,
  type AttentionStudy,
  FULL_ATTENTION,
} from "./studies/attention/experiments.ts";
export { BOUNDARIES, type BoundaryStudy, EXP1_JUMP, FULL_BOUNDARIES } from "./studies/boundaries/experiments.ts";
export { BOUNDARIES_IN_SMALL, BOUNDARY_STUDY_IN_SMALL, SMALL_MAP } from "./studies/boundaries/in_small.ts";
export { publishedBoundaries, type PublishedRun } from "./studies/boundaries/published.ts";
export { type BesidePublishedSetting, besidePublishedSettings, inOrder, neighbours, widest } from "./studies/boundaries/findings.ts";
export {
  against,
  changeOf,
  type Dates,
  datesOf,
  decadesBehind,
  type Instant,
  lagsOf,
  learned,
  levelOf,
  type PhaseDistance,
  phaseDistances,
  phaseSteps,
  type Side,
  wanderOf,
  withinRuns,
} from "./studies/attention/findings.ts";
export { PUBLISHED_CAPACITY, PUBLISHED_SEEDS, type PublishedMean } from "./studies/capacity/published.ts";
export {
  type Architecture,
  architectureName,
  architectureOf,
  architectures,
  type Bucket,
  bucketing,
  BUCKETS,
  matchedPairs,
  nearestPair,
  shortCount,
} from "./studies/capacity/architectures.ts";
export { EXPERIMENTS } from "./studies/mod.ts";

export { type CurveOptions, grokkingCurves, learningCurves, lossCurves, trainingCurves, weightNormCurve } from "./figures/curves.ts";
export { dashboard, type DashboardOptions } from "./figures/dashboard.ts";
export { embeddingFigure, headFigure, insideFigure } from "./figures/inside.ts";
export { type ProbedRun, progressFigure } from "./figures/progress.ts";
export { representationFigure, similarityFigure } from "./figures/representations.ts";
export { type AttentionRun, typicalRun } from "./figures/attention/shared.ts";
export { patternFigure, type PatternOptions, phasePatterns } from "./figures/attention/patterns.ts";
export { clusterFigure, type ClusterOptions, type PatternClusters, patternClusters } from "./figures/attention/clusters.ts";
export { entropyFigure, type EntropyOptions, headEntropies } from "./figures/attention/entropy.ts";
export { type DatedRun, datedRun, type DatingOptions, lagFigure, type LagFigureOptions } from "./figures/attention/lag.ts";
export {
  type AttentionGroup,
  layerCourse,
  type LayerMeasure,
  specialisationByGroup,
  specialisationFigure,
  type SpecialisationFigureOptions,
} from "./figures/attention/specialisation.ts";
export { attentionFilm, type FilmOptions } from "./figures/attention/film.ts";
export { accuracyPlane, type PlaneOptions } from "./figures/accuracy_plane.ts";
export { operationCurves, type OperationOptions } from "./figures/operation_curves.ts";
export { compareTimes } from "./analysis/statistics/comparison.ts";
export { type Critical, criticalPoint, type Crossing, type Tries } from "./analysis/statistics/critical.ts";
export { type Arm, type Timed, type UShape, uShape } from "./analysis/statistics/u_shape.ts";
export { contrastPairs, contrastTimes, contrastValues } from "./analysis/statistics/contrasts.ts";
export { type Inside, inside } from "./analysis/network/weights.ts";
export { grokkingByGroup, grokkingByKnob, grokkingSteps, type Group, groupsBy, type Knob, oneAtATime } from "./figures/steps.ts";
export { type Curve, medianStep, watchedUntil } from "./figures/runs.ts";
export type { BoardRun } from "./figures/settings.ts";
export { type BoardOptions, sweepBoard } from "./figures/sweep.ts";
export { type MapOptions, successMap } from "./figures/success_map.ts";
export { boundaryHeatMap, type BoundaryMapOptions } from "./figures/boundary/heat_map.ts";
export { DECAY, RATIO, type SurfaceAxes, type SurfaceAxis } from "./figures/boundary/surface.ts";
export { surfaceView, type SurfaceViewOptions } from "./figures/boundary/surface_view.ts";
export { criticalFigure, type CriticalFigureOptions, type CriticalRow, criticalRows } from "./figures/boundary/critical.ts";
export { delayFigure, type DelayOptions, type DelayRow, delayRows } from "./figures/boundary/delay.ts";
export { survivalByCell } from "./figures/boundary/cell_survival.ts";
export { type AgainstOptions, grokkingAgainst } from "./figures/against.ts";
export { capacityMap, type CapacityMapOptions } from "./figures/capacity_map.ts";
export { survivalCurves, type SurvivalGroup, type SurvivalOptions, type SurvivalPanel, timesToGrok } from "./figures/survival.ts";
export { trajectories, type TrajectoryOptions, type TrajectoryPanel } from "./figures/trajectories.ts";
export { stabilityFigure, type StabilityGroup, type StabilityOptions, type StabilitySection } from "./figures/stability.ts";
export { kindsOf, profileFigure, scalingFigure } from "./figures/speed.ts";
export type { Figure } from "./figures/theme.ts";
export { type BenchDocument, recordedBenches } from "./studies/speed/record.ts";
export { beside, engine, ifAny, interruptible, live, show, watch, type WatchOptions } from "./notebook/show.ts";
export { done, firstDone, type NotebookSweep, recorded, recordedRuns, recordedWhole, sweep } from "./notebook/sweep.ts";
export { type Cell, frame, grokkingFrame } from "./notebook/frames.ts";
export { datesFrame, lagAnswer, lagFrame, lagSentences, phaseFrame } from "./notebook/attention.ts";
export { type Claim, claimTable, contrastFrame, contrastSentences } from "./notebook/contrasts.ts";
