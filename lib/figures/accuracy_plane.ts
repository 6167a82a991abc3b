/** Training against validation accuracy: the path of every run through the unit square, with its memorisation and grokking steps marked. */
// @ts-types="@types/d3-array"
import { median, range } from "d3-array";
import * as Plot from "@observablehq/plot";
import { memorisationFollowUp, watchedWord } from "../analysis/runs/follow_up.ts";
import { KINDS } from "./attention/shared.ts";
import { about } from "./runs.ts";
import { compose, FAINT, type Figure, INK, type Panel, panel, TRAIN, VALIDATION, WIDTH } from "./theme.ts";
import { list, percent, tight } from "../analysis/words.ts";
import type { Curve } from "../analysis/runs/run.ts";
import type { Group } from "../analysis/runs/groups.ts";

export interface PlaneOptions {
  readonly task?: string;
  /** Replaces the finding as the title. */
  readonly title?: string;
}

/** The most panels in a row. Where there are more, rows are as equally long as can be. */
const ACROSS = 5;
/** A square that is no wider, in pixels, has room for two ticks. */
const NARROW = 120;
/** Evaluations in the running median, so that a dip of one or two doesn't show in the path. */
const SMOOTH = 5;

/**
 * One square per group, one line per run: training accuracy across, validation accuracy upwards, evaluation by evaluation; circles where
 * runs memorised, dots where they grokked. @throws Error for no group, and for one without a run.
 */
export function accuracyPlane(groups: readonly Group[], { task, title }: PlaneOptions = {}): Figure {
  if (groups.length === 0) throw new Error("Cannot draw accuracies: groups must be at least one, current value is 0");
  for (const { name, runs } of groups) {
    if (runs.length === 0) throw new Error(`Cannot draw accuracies: runs of ${name} must be at least one, current value is 0`);
  }
  const across = Math.ceil(groups.length / Math.ceil(groups.length / ACROSS)),
    left = 54,
    width = groups.length === 1 ? 420 : (WIDTH - left + 16) / across;
  return compose({
    title: title ?? planeFinding(groups),
    subtitle: `${
      task ? `${task}. ` : ""
    }One line per run, each point the median of ${SMOOTH} recorded evaluations in a row. Circle: memorised; dot: grokked.`,
    panels: range(Math.ceil(groups.length / across)).map((row) =>
      groups.slice(row * across, (row + 1) * across).map((group, column) => {
        const named = column === 0, i = row * across + column;
        return square(group, KINDS[i % KINDS.length], { width: named ? width + left - 16 : width, left: named ? left : 16, named });
      })
    ),
  });
}

interface Place {
  readonly width: number;
  readonly left: number;
  /** Whether the panel shows axis names. */
  readonly named: boolean;
}

function square({ name, runs }: Group, { color, text }: typeof KINDS[number], { width, left, named }: Place): Panel {
  const right = 10, top = 46, bottom = 44, side = width - left - right;
  const ticks = side > 250 ? [0, 0.25, 0.5, 0.75, 1] : side > NARROW ? [0, 0.5, 1] : [0, 1];
  const at = (run: Curve, step: number | null) => step === null ? [] : run.metrics.filter((row) => row.step === step);
  const { classes } = about(runs), grokked = runs.filter(({ grokkingStep }) => grokkingStep !== null).length;
  const lines = runs.flatMap((each, run) => way(each, 1 / side).map((place) => ({ run, ...place })));
  const x = "trainAcc", y = "valAcc", head = { frameAnchor: "top-left", lineAnchor: "top", textAnchor: "start" } as const;
  return panel({
    ...{ width, height: width - left - right + top + bottom, marginLeft: left, marginRight: right, marginTop: top, marginBottom: bottom },
    x: { domain: [-0.02, 1.02], axis: null },
    y: { domain: [-0.02, 1.02], axis: null },
    marks: [
      Plot.frame({ stroke: "#d0d0d0" }),
      Plot.line([[0, 0], [1, 1]], { stroke: FAINT, strokeOpacity: 0.6, strokeDasharray: "1.5 3" }),
      ...classes
        ? [Plot.ruleY([1 / classes], { stroke: FAINT, strokeOpacity: 0.7, strokeDasharray: "1.5 3", ariaDescription: "guessing" })]
        : [],
      Plot.line(lines, { x, y, z: "run", stroke: color, strokeWidth: 1.1, strokeOpacity: 0.75, ariaDescription: "way of a run" }),
      Plot.dot(runs.flatMap((run) => at(run, run.memorisationStep)), {
        ...{ x, y, r: 3.4, stroke: TRAIN.color, strokeWidth: 1.6, fill: "white", ariaDescription: "memorised" },
      }),
      Plot.dot(runs.flatMap((run) => at(run, run.grokkingStep)), {
        ...{ x, y, r: 3.6, fill: VALIDATION.color, stroke: "white", strokeWidth: 0.7, ariaDescription: "grokked" },
      }),
      Plot.text([name], { ...head, dx: named ? 16 - left : 0, dy: 4 - top, fill: text, fontWeight: 600 }),
      Plot.text([`${grokked} of ${runs.length} grok`], { ...head, dx: named ? 16 - left : 0, dy: 20 - top, fill: FAINT }),
      ...ticks.map((share) =>
        Plot.text([percent(share)], {
          ...{ x: [share], frameAnchor: "bottom", dy: 5, lineAnchor: "top", fill: FAINT },
          textAnchor: share === 0 ? "start" : share === 1 ? "end" : "middle",
        })
      ),
      Plot.text(named ? ticks : [], { y: (share) => share, text: percent, frameAnchor: "left", dx: -5, textAnchor: "end", fill: FAINT }),
      ...named
        ? [
          Plot.text(["training →"], { frameAnchor: "bottom-right", dy: 36, lineAnchor: "bottom", textAnchor: "end", fill: INK }),
          Plot.text(["↑ validation"], { frameAnchor: "top-left", dx: 6, dy: 8, lineAnchor: "top", textAnchor: "start", fill: INK }),
        ]
        : [],
    ],
  });
}

/** The running medians of a run's accuracies, without points closer than `near` to the one before. */
function way({ metrics }: Curve, near: number): { trainAcc: number; valAcc: number }[] {
  const reach = (SMOOTH - 1) / 2, kept: { trainAcc: number; valAcc: number }[] = [];
  metrics.forEach((_, i) => {
    // A shorter window at the ends, so that the first and the last point are exact.
    const some = Math.min(reach, i, metrics.length - 1 - i), rows = metrics.slice(i - some, i + some + 1);
    const middle = (field: "trainAcc" | "valAcc") => median(rows, (row) => row[field])!;
    const place = { trainAcc: middle("trainAcc"), valAcc: middle("valAcc") }, last = kept.at(-1);
    if (!last || i === metrics.length - 1 || Math.hypot(place.trainAcc - last.trainAcc, place.valAcc - last.valAcc) >= near) {
      kept.push(place);
    }
  });
  return kept;
}

/** The finding: the median validation accuracy of each group at the memorisation step. */
export function planeFinding(groups: readonly Group[]): string {
  const known = groups.map(({ name, runs }) => {
    const shares = runs.flatMap(({ metrics, memorisationStep }) =>
      metrics.filter(({ step }) => step === memorisationStep).map(({ valAcc }) => valAcc)
    );
    return { name, share: median(shares) ?? null };
  });
  const some = known.flatMap(({ name, share }) => (share === null ? [] : [`${percent(share)} for ${tight(name)}`]));
  const none = known.flatMap(({ name, share }) => (share === null ? [tight(name)] : []));
  const within = watchedWord(groups.filter((_, i) => known[i].share === null).flatMap(({ runs }) => runs.map(memorisationFollowUp)));
  if (some.length === 0) return `No network memorises ${list(none)} within ${within}`;
  const rest = none.length > 0 ? `; of ${list(none)}, no network memorises within ${within}` : "";
  return `When networks have memorised, validation accuracy is ${list(some)}${rest}`;
}
