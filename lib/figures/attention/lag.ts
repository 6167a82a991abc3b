/**
 * Does attention change before, with or after validation accuracy? The steps at which half of each change is done, run by run, and the lag
 * at which their speeds agree best.
 */
import * as Plot from "@observablehq/plot";
import { correlationBand, type SignalPair, type SpeedLag, speedLag } from "../../analysis/statistics/cross_correlation.ts";
import { lagFinding, lagOf, type LagOptions, lagOverRuns, type LagSummary, type Moments, signedLag } from "../../analysis/attention/lag.ts";
import { type AttentionFigureOptions, checkRuns, KINDS } from "./shared.ts";
import { about } from "../runs.ts";
import { scaleOfSteps, stepAxis, type StepScale } from "../scale.ts";
import { seedMargin } from "../steps.ts";
import { axes, compose, FAINT, type Figure, MARGIN, type Panel, panel, ticks, TRAIN, VALIDATION } from "../theme.ts";
import type { AttentionRun } from "../../analysis/attention/runs.ts";
import type { BootstrapOptions } from "../../analysis/statistics/compare.ts";
import { levelWord, percent } from "../../analysis/words.ts";
import { type DatedRun, datedRun, type DatingOptions } from "../../analysis/attention/dated.ts";

/** `resamples` are those of the speeds' band and lag. */
export interface LagFigureOptions
  extends DatingOptions, Pick<AttentionFigureOptions, "task" | "title">, Omit<LagOptions, "scale">, BootstrapOptions {
  readonly scale?: "relative" | "decades";
}

/**
 * One row per run: when half of attention's change is done, and half of validation accuracy's; the title gives the result over runs. Below,
 * with two or more grokked runs, the correlation of their speeds at each lag. @throws Error where there is no run or one without readings.
 */
export function lagFigure(runs: readonly AttentionRun[], options: LagFigureOptions = {}): Figure {
  checkRuns(runs);
  const { task = about(runs).task, title } = options;
  const dated = runs.map((run) => datedRun(run, options)), summary = lagOverRuns(dated.map(({ moments }) => moments), options);
  const pairs = dated.flatMap(({ signals, moments }) => (signals && moments.grokking !== null ? [signals] : []));
  const speeds = pairs.length > 1 ? speedLag(pairs, options) : null;
  return compose({
    title: title ?? lagFinding(summary),
    subtitle:
      `${task ? `${task}. ` : ""}Circle: memorised; diamond: half of attention's change since then; dot: half of validation accuracy's; ` +
      `short line: grokked. Grey: ${near(summary)}, counts as “with”.${leftOut(summary)}${
        speeds ? ` Below: correlation of the two speeds, mean and ${levelWord(summary.level)} bootstrap band over runs.` : ""
      }`,
    panels: [dumbbells(runs, dated, summary), ...speeds ? [correlogram(pairs, speeds, options)] : []],
  });
}

const ATTENTION = KINDS[0];

const near = ({ scale, margin }: LagSummary) => scale === "relative" ? `± ${percent(margin)} of the wait` : `± ${margin} decades`;

/** A sentence about the runs that the verdict leaves out. */
function leftOut({ never, undated }: LagSummary): string {
  const some = (n: number, what: string) => (n > 0 ? [`${n} ${what}`] : []);
  const words = [...some(never, "not grokked in its steps"), ...some(undated, "without a clear change")];
  return words.length > 0 ? ` Left out: ${words.join(", ")}.` : "";
}

const ROW = 22, TOP = 40, RIGHT = 112;

function dumbbells(runs: readonly AttentionRun[], dated: readonly DatedRun[], { scale, margin }: LagSummary): Panel {
  const late = ({ moments: { grokking, accuracy } }: DatedRun) => grokking === null || accuracy === null ? Infinity : accuracy;
  const rows = dated.toSorted((a, b) => late(a) - late(b) || a.seed - b.seed).map((run, y) => ({
    ...run,
    ...run.moments,
    y,
    lag: lagOf(run.moments),
  }));
  const starts = rows.flatMap(({ memorisation, attention }) => [memorisation, attention]).filter((step) => step !== null);
  const from = starts.length > 0 ? { from: 0.85 * Math.max(1, Math.min(...starts)) } : {};
  const x: StepScale = scaleOfSteps(runs, from, seedMargin(runs));
  const at = (step: number) => Math.max(x.domain[0], Math.min(x.domain[1], step));
  const none = rows.flatMap(({ y, accuracy, memorisation, grokking }) => {
    if (accuracy === null || grokking === null || (scale === "relative" && memorisation === null)) return [];
    const reach = scale === "relative"
      ? [accuracy - margin * (grokking - memorisation!), accuracy + margin * (grokking - memorisation!)]
      : [accuracy * 10 ** -margin, accuracy * 10 ** margin];
    return [{ y, x1: at(reach[0]), x2: at(reach[1]) }];
  });
  const word = ({ grokking, lag }: typeof rows[number]) =>
    grokking === null ? "not grokked" : lag?.[scale] == null ? "not clear" : signedLag(lag[scale], scale);
  const has = (moment: keyof Moments) => rows.filter((row) => row[moment] !== null);
  return panel({
    ...{ height: TOP + MARGIN.bottom + ROW * rows.length, marginTop: TOP, marginLeft: x.left, marginRight: RIGHT },
    x: { type: x.type, domain: x.domain },
    y: { domain: [rows.length - 0.5, -0.5] },
    marks: [
      ...axes(stepAxis(x), { ticks: rows.map(({ y }) => y), format: (y) => String(rows[y].seed), label: "Seed" }, TOP, x.left),
      Plot.text([scale === "relative" ? "Lag / wait" : "Lag, decades"], {
        ...{ frameAnchor: "top-right", dx: RIGHT - 16, dy: -8, lineAnchor: "bottom", textAnchor: "end", fontWeight: 600 },
      }),
      Plot.rect(none, {
        ...{ x1: "x1", x2: "x2", y1: ({ y }) => y - 0.34, y2: ({ y }) => y + 0.34, fill: "#dcdcdc", ariaDescription: "counts as none" },
      }),
      Plot.ruleY(rows.filter(({ lag }) => lag), {
        ...{ x1: ({ attention }) => at(attention!), x2: ({ accuracy }) => at(accuracy!), y: "y", stroke: FAINT, strokeWidth: 1.4 },
      }),
      Plot.dot(has("memorisation"), {
        ...{ x: ({ memorisation }) => at(memorisation!), y: "y", r: 3.6, stroke: TRAIN.color, strokeWidth: 1.6, fill: "white" },
        ariaDescription: "memorised",
      }),
      Plot.ruleX(has("grokking"), {
        ...{ x: ({ grokking }) => at(grokking!), y1: ({ y }) => y - 0.36, y2: ({ y }) => y + 0.36, stroke: VALIDATION.color },
        ...{ strokeWidth: 1.4, ariaDescription: "grokked" },
      }),
      Plot.dot(has("accuracy").filter(({ grokking }) => grokking !== null), {
        ...{ x: ({ accuracy }) => at(accuracy!), y: "y", r: 4.6, fill: VALIDATION.color, ariaDescription: "accuracy half-way" },
      }),
      Plot.dot(has("attention"), {
        ...{
          x: ({ attention }) => at(attention!),
          y: "y",
          symbol: "diamond",
          r: 5.2,
          fill: ATTENTION.color,
          stroke: "white",
          strokeWidth: 0.8,
        },
        ariaDescription: "attention half-way",
      }),
      Plot.text(rows, {
        ...{ x: () => x.domain[1], y: "y", text: word, dx: RIGHT - 16, textAnchor: "end", fill: ({ lag }) => lag ? ATTENTION.text : FAINT },
      }),
    ],
  });
}

function correlogram(pairs: readonly SignalPair[], speeds: SpeedLag, options: BootstrapOptions): Panel {
  const band = correlationBand(pairs, speeds, options), top = 52, most = band.at(-1)!.lag, peak = speeds.low !== null ? [speeds] : [];
  const low = Math.min(0, ...band.map(({ low }) => low)), high = Math.max(0.1, ...band.map(({ high }) => high));
  const domain = [low - 0.05, high + 0.12 * (high - low)] as const, steps = [-1, -0.5, 0, 0.5, 1].map((share) => share * most);
  const side = (text: string, frameAnchor: "top-left" | "top-right", textAnchor: "start" | "end") =>
    Plot.text([text], { frameAnchor, textAnchor, dy: -7, lineAnchor: "bottom", fill: FAINT });
  return panel({
    ...{ height: 232, marginTop: top, marginRight: RIGHT },
    x: { domain: [-most, most] },
    y: { domain },
    marks: [
      ...axes({ ticks: [], label: `Lag of attention, in decades of steps; speeds agree best at ${signedLag(speeds.lag, "decades")} →` }, {
        ticks: ticks(...domain, "linear").filter((_, i, all) => all.length < 6 || (i - all.findIndex((r) => Math.abs(r) < 1e-9)) % 2 === 0),
        format: (r) => String(Number(r.toPrecision(2))).replace("-", "−"),
        label: "Correlation of the two speeds",
      }, top),
      Plot.axisX(steps, {
        tickSize: 4,
        text: (lag: number) => lag === 0 ? "0" : signedLag(lag, "decades").replace(/\.?0+$/, ""),
        label: null,
        color: FAINT,
      }),
      Plot.ruleX([0], { stroke: FAINT }),
      Plot.ruleY([0], { stroke: FAINT, strokeOpacity: 0.5 }),
      Plot.areaY(band, { x: "lag", y1: "low", y2: "high", fill: ATTENTION.color, fillOpacity: 0.18, ariaDescription: "correlation band" }),
      Plot.lineY(band, { x: "lag", y: "mid", stroke: ATTENTION.color, strokeWidth: 2, ariaDescription: "mean correlation" }),
      Plot.ruleY(peak, {
        ...{ x1: ({ low }) => low, x2: ({ high }) => high, y: () => high + 0.06 * (high - low), stroke: ATTENTION.color, strokeWidth: 2 },
        ariaDescription: "interval of the lag",
      }),
      Plot.dot([speeds], { x: "lag", y: () => high + 0.06 * (high - low), r: 4, fill: ATTENTION.color, ariaDescription: "lag" }),
      side("← attention first", "top-left", "start"),
      side("attention later →", "top-right", "end"),
    ],
  });
}
