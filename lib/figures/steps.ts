/** Memorisation and grokking steps, by seed and by setting; runs that weren't seen to grok are marked so. */
import * as Plot from "@observablehq/plot";
import { followUp, medianBounds, soonest, watchedFor, watchedWord } from "../analysis/runs/follow_up.ts";
import { about, finding } from "./runs.ts";
import { scaleOfSteps, stepAxis, type StepOptions, type StepScale } from "./scale.ts";
import { axes, compose, FAINT, type Figure, HALO, INK, MARGIN, marginFor, type Panel, panel, TRAIN, VALIDATION } from "./theme.ts";
import type { Curve } from "../analysis/runs/run.ts";
import { medianStep } from "../analysis/runs/times.ts";
import { count, list, listed } from "../analysis/words.ts";
import { type Group, type Knob, STEPS } from "../analysis/runs/groups.ts";

/** The mark of a run that wasn't seen to grok: an open triangle pointing to later steps. */
const NOT_SEEN = {
  symbol: "triangle",
  rotate: 90,
  r: 4.5,
  stroke: VALIDATION.color,
  strokeWidth: 1.6,
  fill: "white",
  ariaDescription: "not grokked",
} as const;

/** One row: the run's memorisation and grokking steps, and the step up to which it is known whether it grokked. */
export interface StripRow {
  readonly seed: number;
  readonly memorised: number | null;
  readonly grokked: number | null;
  readonly known: number;
}

/** Rows by grokking step; runs not seen to grok come last. */
export function stripRows(runs: readonly Curve[]): StripRow[] {
  const late = ({ grokked }: StripRow) => grokked ?? Number.MAX_VALUE;
  return runs
    .map((run) => ({
      seed: run.spec.seed,
      memorised: run.memorisationStep,
      grokked: run.grokkingStep,
      known: followUp(run).known,
    }))
    .sort((a, b) => late(a) - late(b) || a.seed - b.seed);
}

/** The task with a full stop, or nothing. */
function taskOf(runs: readonly Curve[], { task = about(runs).task }: StepsOptions): string {
  return task ? `${task}. ` : "";
}

interface StepsOptions extends StepOptions {
  readonly task?: string;
  readonly title?: string;
}

/**
 * One row per seed: a circle where it memorised, a dot where it grokked, an open triangle at the last step by which it is known not to
 * have.
 */
export function grokkingSteps(runs: readonly Curve[], options: StepsOptions = {}): Figure {
  return compose({
    title: options.title ?? finding(runs),
    subtitle: `${taskOf(runs, options)}One row per seed. Circle: memorised; dot: grokked; open triangle: not grokked by that step.`,
    panels: [stepsPanel(runs, scaleOfSteps(runs, options, seedMargin(runs)))],
  });
}

/** The left margin in pixels that has room for the runs' seeds. */
export const seedMargin = (runs: readonly { readonly spec: { readonly seed: number } }[]): number =>
  marginFor(runs.map(({ spec }) => String(spec.seed)));

/** The panel of `grokkingSteps`, on a given axis, whose left margin has room for the seeds. */
export function stepsPanel(runs: readonly Curve[], scale: StepScale): Panel {
  const rows = stripRows(runs);
  const at = (step: number) => Math.max(step, scale.domain[0]);
  const y = (row: StripRow) => rows.indexOf(row);
  const memorised = rows.filter((row) => row.memorised !== null);
  const grokked = rows.filter((row) => row.grokked !== null), censored = rows.filter((row) => row.grokked === null);
  const start = (row: StripRow) => at(row.memorised ?? 0);
  return panel({
    marginLeft: scale.left,
    marginTop: MARGIN.close,
    height: MARGIN.close + MARGIN.bottom + 20 * rows.length,
    x: { type: scale.type, domain: scale.domain },
    y: { type: "band", domain: rows.map((_, i) => i), padding: 0 },
    marks: [
      ...axes(
        stepAxis(scale),
        { ticks: rows.map((_, i) => i), format: (i) => String(rows[i].seed), label: "Seed" },
        MARGIN.close,
        scale.left,
      ),
      Plot.ruleY(grokked, { x1: start, x2: (row) => at(row.grokked!), y, stroke: FAINT, strokeWidth: 1.2 }),
      Plot.ruleY(censored, {
        x1: (row) => Math.min(start(row), at(row.known)),
        x2: (row) => at(row.known),
        y,
        stroke: FAINT,
        strokeWidth: 1.2,
        strokeDasharray: "2 3",
      }),
      Plot.dot(memorised, { x: start, y, r: 4, stroke: TRAIN.color, strokeWidth: 1.8, fill: "white", ariaDescription: "memorised" }),
      Plot.dot(grokked, { x: (row) => at(row.grokked!), y, r: 5, fill: VALIDATION.color, ariaDescription: "grokked" }),
      Plot.dot(censored, { x: (row) => at(row.known), y, ...NOT_SEEN }),
      Plot.text(rows, {
        x: (row) => Math.max(start(row), at(row.grokked ?? row.known)),
        y,
        text: (row) => row.grokked === null ? `> ${count(row.known)}` : count(row.grokked),
        textAnchor: "start",
        dx: 10,
        fill: VALIDATION.text,
        ...HALO,
      }),
    ],
  });
}

export interface GroupOptions extends StepsOptions {
  /** The setting in which the groups differ: `Weight decay`. */
  readonly knob: string;
}

/**
 * One row per setting: for each seed a circle where it memorised and a dot where it grokked, a bar at the median, a triangle for each seed
 * that didn't grok.
 */
export function grokkingByGroup(groups: readonly Group[], options: GroupOptions): Figure {
  return grokkingByKnob([{ knob: options.knob, groups }], { title: groupFinding(groups, options.knob), ...options });
}

/** The same for several settings, one panel each over the same steps. */
export function grokkingByKnob(knobs: readonly Knob[], options: StepsOptions = {}): Figure {
  const runs = knobs.flatMap(({ groups }) => groups.flatMap((group) => group.runs));
  const scale = scaleOfSteps(runs, options);
  const left = marginFor(knobs.flatMap(({ groups }) => groups.map(({ name }) => name)));
  return compose({
    title: options.title ?? knobFinding(knobs),
    subtitle: `${taskOf(runs, options)}Circle: memorised; dot: grokked; triangle: not; bar: median.`,
    panels: knobs.map((knob, i) => groupsPanel(knob, scale, { left, first: i === 0, last: i === knobs.length - 1 })),
  });
}

function groupsPanel(
  { knob, groups }: Knob,
  scale: StepScale,
  { left, first, last }: { left: number; first: boolean; last: boolean },
): Panel {
  const right = 100, bottom = last ? MARGIN.bottom : 26;
  const at = (step: number) => Math.max(step, scale.domain[0]);
  // The seeds of a setting are drawn slightly apart, so that equal steps don't hide each other.
  const apart = (i: number) => 0.5 * ((i * 0.618) % 1 - 0.5);
  const rows = groups.flatMap(({ runs }, g) => stripRows(runs).map((row, i) => ({ ...row, y: g + apart(i) })));
  const medians = groups.map(({ runs }, y) => ({ y, step: medianStep(runs.map((run) => run.grokkingStep)) })).filter(({ step }) =>
    step !== null
  );
  const shares = groups.map(({ runs }) => `${runs.filter((run) => run.grokkingStep !== null).length} of ${runs.length}`);
  const end = { dx: right - 16, textAnchor: "end", fontWeight: 600 } as const;
  return panel({
    marginTop: MARGIN.close,
    marginBottom: bottom,
    height: MARGIN.close + bottom + (first && last ? 46 : 34) * groups.length,
    marginLeft: left,
    marginRight: right,
    x: { type: scale.type, domain: scale.domain },
    y: { domain: [groups.length - 0.5, -0.5] },
    marks: [
      ...axes(stepAxis(scale, last, scale.width - left - right), {
        ticks: groups.map((_, i) => i),
        format: (i) => groups[i].name,
        label: knob,
      }, MARGIN.close),
      Plot.dot(rows.filter((row) => row.memorised !== null), {
        x: (row) => at(row.memorised!),
        y: "y",
        r: 3.5,
        stroke: TRAIN.color,
        strokeWidth: 1.4,
        fill: "white",
        ariaDescription: "memorised",
      }),
      Plot.ruleX(medians, {
        x: ({ step }) => at(step!),
        y1: ({ y }) => y - 0.36,
        y2: ({ y }) => y + 0.36,
        stroke: INK,
        strokeWidth: 2.2,
        ariaDescription: "median grokked",
      }),
      Plot.dot(rows.filter((row) => row.grokked !== null), {
        x: (row) => at(row.grokked!),
        y: "y",
        r: 4.5,
        fill: VALIDATION.color,
        stroke: "white",
        strokeWidth: 0.8,
        ariaDescription: "grokked",
      }),
      Plot.dot(rows.filter((row) => row.grokked === null), { x: (row) => at(row.known), y: "y", ...NOT_SEEN }),
      Plot.text(shares, { x: scale.domain[1], y: (_, i) => i, text: (share: string) => share, ...end }),
      Plot.text(first ? ["Grokked"] : [], { frameAnchor: "top-right", dy: 4 - MARGIN.close, lineAnchor: "top", ...end }),
    ],
  });
}

/** The finding: the best setting compared with the worst. */
export function groupFinding(groups: readonly Group[], knob: string): string {
  const ranked = groups.map(({ name, runs }) => {
    const steps = runs.map((run) => run.grokkingStep), followed = runs.map(followUp);
    return { name, followed, of: runs.length, n: steps.filter((step) => step !== null).length, step: medianStep(steps) };
  }).sort((a, b) => (a.step ?? Number.MAX_VALUE) - (b.step ?? Number.MAX_VALUE) || b.n - a.n);
  const worst = ranked.at(-1)!, word = knob.toLowerCase(), best = soonest(ranked.map(({ followed }) => followed));
  const within = (some: typeof ranked) => `within ${watchedWord(some.flatMap(({ followed }) => followed))}`;
  if (ranked[0].step === null) return `At no ${word} does more than half of the networks grok ${within(ranked)}`;
  const when = (of: number, n: number, step: number, who: string) =>
    n === of
      ? `${who} grok around step ${count(step)}`
      : `${n} of ${of} ${who === "they" ? "do" : `${who} grok`}, the median at step ${count(step)}`;
  const rest = worst.step !== null
    ? when(worst.of, worst.n, worst.step, "they")
    : `${worst.n === 0 ? "none does" : `only ${worst.n} of ${worst.of} do`} ${within([worst])}`;
  const firsts = best ? best.at.map((i) => ranked[i]) : [ranked[0]],
    sum = (of: "n" | "of") => firsts.reduce((sum, each) => sum + each[of], 0);
  const all = firsts.length === ranked.length, names = listed(firsts.map(({ name }) => name));
  const where = names === null
    ? `At ${all ? "all" : `${count(firsts.length)} of`} ${count(ranked.length)} values of ${word}`
    : `With ${word} ${names}`;
  const first = `${where}, ${when(sum("of"), sum("n"), ranked[0].step, "networks")}`;
  return best && all ? first : `${first}; with ${worst.name}, ${rest}`;
}

/**
 * The finding: which settings decide whether networks grok. These have a value at which more than half of the networks grok, and one at
 * which none does, although they were watched for longer than that took.
 */
export function knobFinding(knobs: readonly Knob[]): string {
  const decides = ({ knob, groups }: Knob) => {
    const followed = groups.map(({ runs }) => runs.map(followUp));
    const none = followed.filter((runs) => runs.every(({ grokked }) => grokked === null));
    return followed.some((runs) => none.some((others) => medianBounds(runs).most < (knob === STEPS ? Infinity : watchedFor(others)[0])));
  };
  const names = (some: readonly Knob[]) => list(some.map(({ knob }) => knob.toLowerCase()));
  const [yes, no] = [knobs.filter(decides), knobs.filter((knob) => !decides(knob))];
  // The number of steps watched is a knob itself: only its longest group counts.
  const longest = knobs.map(({ knob, groups }) => knob === STEPS ? groups.slice(-1) : groups);
  const within = `within ${watchedWord(longest.flat().flatMap(({ runs }) => runs.map(followUp)))}`;
  if (yes.length === 0) return `No single knob decides whether networks grok ${within}`;
  const verb = yes.length === 1 ? "decides" : "each decide";
  const finding = `${names(yes)} ${verb} whether networks grok ${within}${no.length > 0 ? `; not so ${names(no)}` : ""}`;
  return finding[0].toUpperCase() + finding.slice(1);
}
