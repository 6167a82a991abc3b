/** Survival curves: the share of networks that haven't grokked yet, over steps; groups are compared within a panel. */
import * as Plot from "@observablehq/plot";
import { logRank } from "../analysis/statistics/logrank.ts";
import { watchedWord } from "../analysis/runs/follow_up.ts";
import { corrected, decides, differs, pNumber, type Tested } from "../analysis/statistics/multiple.ts";
import { logRankPermuted } from "../analysis/statistics/permutation.ts";
import { type Observation, watchedAlike } from "../analysis/statistics/sample.ts";
import { type CurvePoint, firstTime, kaplanMeier, type SurvivalCurve } from "../analysis/statistics/survival.ts";
import { DASHES, keyHeight, keyMargin, keyMarks } from "./group_key.ts";
import { scaleOfSteps, stepAxis, type StepOptions, type StepScale } from "./scale.ts";
import { axes, compose, FAINT, type Figure, INK, MARGIN, type Panel, panel, VALIDATION, WIDTH } from "./theme.ts";
import { count, list } from "../analysis/words.ts";

export interface SurvivalGroup {
  /** `4×64×2`. */
  readonly name: string;
  /** Steps to grokking, censored for runs that hadn't grokked when last watched; at least one. `timesTo` returns them. */
  readonly times: readonly Observation[];
}

export interface SurvivalPanel {
  /** What its groups have in common: `Small`. */
  readonly name: string;
  /** At most `MOST_GROUPS`. */
  readonly groups: readonly SurvivalGroup[];
  /** The caller's own test between the groups, for example one stratified by operation. Default: the log-rank test by permutation. */
  readonly tested?: TestedPanel;
}

export interface TestedPanel extends Tested {
  /** Of two groups, the name of the one that is sooner by this test. */
  readonly sooner?: string;
}

export interface SurvivalOptions extends StepOptions {
  readonly task?: string;
  /** Replaces the finding as the title. */
  readonly title?: string;
  /** The name of the test that gives `p`. Default: `log-rank`. */
  readonly test?: string;
  /** Level of the pointwise confidence bands. Default: 0.95. */
  readonly level?: number;
  /** Panels side by side, 1 or 2. Default: 2 for more than four panels. */
  readonly columns?: 1 | 2;
}

/** The styles of a panel's groups, which differ in dash and lightness too. */
const STYLES = [
  { color: VALIDATION.color, text: VALIDATION.text, dash: DASHES[0], width: 2.4 },
  { color: INK, text: INK, dash: DASHES[1], width: 2 },
  { color: "#007a5a", text: "#00664b", dash: DASHES[2], width: 2.2 },
  { color: "#8a8a8a", text: FAINT, dash: DASHES[3], width: 2 },
  { color: "#8e4585", text: "#7a3b72", dash: DASHES[4], width: 2.4 },
] as const;

/** The most groups that a panel can show distinctly. */
export const MOST_GROUPS = STYLES.length;

/**
 * Panels in which others stand beside a first group: as many as it takes for none to have more than `MOST_GROUPS`. Groups without times are
 * left out; no panel where all are.
 */
export function survivalPanels(name: string, first: SurvivalGroup, others: readonly SurvivalGroup[]): SurvivalPanel[] {
  const [beside, rest] = [[first], others].map((groups) => groups.filter(({ times }) => times.length > 0));
  const room = MOST_GROUPS - beside.length, panels = Math.max(beside.length, Math.ceil(rest.length / room));
  return Array.from({ length: panels }, (_, i) => ({
    name: panels > 1 ? `${name}, ${i + 1} of ${panels}` : name,
    groups: [...beside, ...rest.slice(room * i, room * (i + 1))],
  }));
}

/** The name of the test between a panel's groups. */
const TEST = "log-rank";

/** The most groups with bands; more bands would cover each other. */
const MOST_BANDS = 3;

interface Drawn {
  readonly name: string;
  readonly curve: SurvivalCurve;
  readonly style: (typeof STYLES)[number];
}

/**
 * Kaplan–Meier curves, with pointwise bands where there are at most three groups: the share of networks that haven't grokked yet. Ticks
 * mark censored runs, a dot the step by which half of a group has grokked; each curve's end shows its name, and how many of its runs
 * grokked.
 * @throws Error for no panel, a panel without a group or with more than `MOST_GROUPS`, and a group without a time.
 */
export function survivalCurves(panels: readonly SurvivalPanel[], options: SurvivalOptions = {}): Figure {
  const fail = (what: string, requirement: string, value: unknown) => {
    throw new Error(`Cannot draw survival curves: ${what} must be ${requirement}, current value is ${value}`);
  };
  if (panels.length === 0) fail("panels", "at least one", 0);
  for (const { name, groups } of panels) {
    if (groups.length === 0 || groups.length > MOST_GROUPS) fail(`groups of ${name}`, `from 1 to ${MOST_GROUPS}`, groups.length);
    for (const group of groups) if (group.times.length === 0) fail(`times of ${group.name}`, "at least one", 0);
  }
  const { task, title, test = TEST, level = 0.95, columns = panels.length > 4 ? 2 : 1 } = options;
  const all = panels.flatMap(({ groups }) => groups.flatMap(({ times }) => times.map(({ time }) => time)));
  const scale = scaleOfSteps([], { from: Math.max(1, Math.min(...all) / 1.25), until: Math.max(...all), ...options });
  const words = panels.flatMap(({ groups }) => groups.map(({ name }) => name));
  const right = keyMargin(words);
  const tests = panels.map(testOf);
  // Four names fit beside a panel of the usual height.
  const more = keyHeight(1) * Math.max(0, ...panels.map(({ groups }) => groups.length - 4));
  const drawn = panels.map((each, i) => {
    const curves = each.groups.map(({ name, times }, g): Drawn => ({ name, curve: kaplanMeier(times, level), style: STYLES[g] }));
    const width = WIDTH / columns, last = i >= panels.length - columns;
    return survivalPanel(curves, scale, {
      ...{ name: each.name, p: tests[i].p, test, width, right, last },
      height: panels.length === 1 ? 320 : (last ? 196 : 178) + more,
    });
  });
  const rows = Array.from({ length: Math.ceil(drawn.length / columns) }, (_, r) => drawn.slice(r * columns, (r + 1) * columns));
  return compose({
    title: title ?? timesFinding(panels, test, tests),
    subtitle: `${task ? `${task}. ` : ""}Share of networks not yet grokked (Kaplan–Meier)${
      panels.some(({ groups }) => groups.length <= MOST_BANDS) ? `, with ${Number((100 * level).toPrecision(4))} % bands` : ""
    }. Dot: half have; tick: watched no longer.`,
    panels: rows,
  });
}

/** The test of a panel's groups, up to the step to which all were watched; `null` for p where there is nothing to compare. */
function testOf({ groups, tested }: SurvivalPanel): TestedPanel {
  if (tested) return tested;
  if (groups.length < 2) return { p: null, least: null };
  const times = watchedAlike(groups.map((group) => group.times));
  return logRank(times).df > 0 ? logRankPermuted(times) : { p: null, least: null };
}

const sayP = (p: number, is = "=") => (p < 0.001 ? "p < 0.001" : `p ${p >= 1 ? "=" : is} ${pNumber(p)}`).replaceAll(" ", "\u00a0");

interface Frame {
  readonly name: string;
  readonly p: number | null;
  readonly test: string;
  readonly width: number;
  readonly height: number;
  readonly right: number;
  readonly last: boolean;
}

function survivalPanel(groups: readonly Drawn[], scale: StepScale, { name, p, test, width, height, right, last }: Frame): Panel {
  const [from] = scale.domain, top = name === "" && p === null ? MARGIN.close : 34, bottom = last ? MARGIN.bottom : 26;
  const inner = height - top - bottom, at = (step: number) => Math.max(step, from);
  return panel({
    width,
    height,
    marginTop: top,
    marginBottom: bottom,
    marginRight: right,
    x: { type: scale.type, domain: scale.domain },
    y: { domain: [0, 1] },
    marks: [
      ...axes(stepAxis(scale, last, width - MARGIN.left - right), {
        ticks: [0, 0.25, 0.5, 0.75, 1],
        format: (share) => `${100 * share} %`,
        label: name,
      }, top),
      Plot.ruleY([0.5], { stroke: FAINT, strokeWidth: 0.8, strokeDasharray: "1.5 3", ariaDescription: "half" }),
      Plot.text(p === null ? [] : [`${test} ${sayP(p)}`], {
        ...{ frameAnchor: "top-right", dx: right - 16, dy: 4 - top, lineAnchor: "top", textAnchor: "end", fill: FAINT },
      }),
      ...(groups.length > MOST_BANDS ? [] : groups).map(({ curve, style }) =>
        Plot.areaY(band(curve.points), {
          x: ({ time }) => at(time),
          y1: "low",
          y2: "high",
          curve: "step-after",
          fill: style.color,
          fillOpacity: groups.length > 2 ? 0.08 : 0.13,
          ariaDescription: "band",
        })
      ),
      ...groups.flatMap(({ curve: { points }, style }) => [
        Plot.lineY([{ time: from, survival: 1 }, ...points], {
          x: ({ time }) => at(time),
          y: "survival",
          curve: "step-after",
          stroke: style.color,
          strokeWidth: style.width,
          strokeDasharray: style.dash,
          ariaDescription: "survival",
        }),
        Plot.ruleX(points.filter(({ censored }) => censored > 0), {
          x: ({ time }) => at(time),
          y1: ({ survival }) => survival - 5 / inner,
          y2: ({ survival }) => survival + 5 / inner,
          stroke: style.color,
          strokeWidth: 1.6,
          clip: false,
          ariaDescription: "watched no longer",
        }),
      ]),
      ...groups.map(({ curve, style }) =>
        Plot.dot([firstTime(curve)].filter((time) => time !== null), {
          x: at,
          y: 0.5,
          r: 4,
          fill: style.color,
          stroke: "white",
          strokeWidth: 1.2,
          ariaDescription: "half have",
        })
      ),
      ...keyMarks(ends(groups, inner).map(({ curve, style, ...each }) => ({ ...each, ...style, below: [ended(curve)] })), scale.domain[1]),
    ],
  });
}

const ended = ({ events, n }: Pick<SurvivalCurve, "events" | "n">) => `${events} of ${n}`;

/** The band up to the last time; where its limits are `null`, as once all have grokked, it keeps those of the time before. */
function band(points: readonly CurvePoint[]): { readonly time: number; readonly low: number | null; readonly high: number | null }[] {
  return points.map((point, i) => (point.low === null && i > 0 ? { ...points[i - 1], time: point.time } : point))
    .filter(({ low }) => low !== null);
}

/**
 * The groups with the heights of their names, as shares of the frame, so that no name covers another and all stay beside the frame. Of
 * curves that end at the same height, the one that got there last comes highest.
 */
function ends(groups: readonly Drawn[], inner: number): (Drawn & { readonly y: number })[] {
  const gap = Math.min(keyHeight(1) / inner, 1 / Math.max(1, groups.length - 1));
  const placed = groups.map((group) => ({ ...group, y: group.curve.points.at(-1)!.survival, until: group.curve.points.at(-1)!.time }))
    .sort((a, b) => a.y - b.y || a.until - b.until);
  for (const [i, each] of placed.entries()) each.y = Math.max(each.y, i === 0 ? 0.05 : placed[i - 1].y + gap);
  for (let i = placed.length - 1; i >= 0; i--) placed[i].y = Math.min(placed[i].y, i === placed.length - 1 ? 0.95 : placed[i + 1].y - gap);
  return placed;
}

/** The finding: whether the groups of each panel differ, and which is sooner; or that there are too few runs to tell. */
export function timesFinding(panels: readonly SurvivalPanel[], test = TEST, tests = panels.map(testOf)): string {
  const tested = corrected(panels.map((each, i) => ({ ...each, ...tests[i] }))).filter(({ p }) => p !== null),
    differ = tested.filter(differs);
  const adjusted = tested.map(({ holm }) => holm!), means = `${test}${tested.length > 1 ? ", Holm-corrected" : ""}`;
  const within = (times: readonly Observation[]) =>
    `within ${watchedWord(times.map(({ time, event }) => ({ grokked: event ? time : null, known: time })))}`;
  const middle = ({ times }: SurvivalGroup) => {
    const time = firstTime(kaplanMeier(times));
    return time === null ? `fewer than half ${within(times)}` : `half by step ${count(time)}`;
  };
  if (tested.length === 0) {
    const groups = panels.flatMap(({ groups }) => groups), times = groups.flatMap(({ times }) => times);
    const grokked = times.filter(({ event }) => event).length, share = `${grokked} of ${count(times.length)} networks grok`;
    if (groups.length === 1) return `${share}, ${middle(groups[0])}`;
    if (panels.every(({ groups }) => groups.length === 1)) return `Of ${count(panels.length)} panels none has groups to compare`;
    return grokked === 0 ? `None of ${count(times.length)} networks groks ${within(times)}` : `${share}, too few or too alike to compare`;
  }
  if (panels.length === 1) {
    const [{ groups }] = panels, [{ sooner }] = tested, said = groups.map((group) => `${group.name}: ${middle(group)}`).join("; ");
    const what = differ.length > 0
      ? `Times to grok differ${sooner ? `, ${sooner} sooner` : ""}`
      : tested.some(decides)
      ? "Times to grok can't be told apart"
      : "Too few runs to compare times to grok";
    return `${what} (${means} ${sayP(adjusted[0])}). ${said}`;
  }
  const n = panels.filter(({ groups }) => groups.length > 1).length, one = "the panel that compares groups";
  const all = n === panels.length ? `${count(n)} panels` : `${count(n)} panels that compare groups`;
  const sayAll = (ps: readonly number[], is: "≥" | "≤") =>
    `(${means} ${sayP(is === "≥" ? Math.min(...ps) : Math.max(...ps), ps.length === 1 ? "=" : is)})`;
  if (!tested.some(decides)) {
    const floors = sayAll(tested.map(({ floor }) => floor!), "≥");
    return `Too few runs to compare times to grok in ${n === 1 ? one : `any of ${all}`} ${floors}`;
  }
  if (differ.length === 0) {
    return `${n === 1 ? `In ${one} times to grok can't` : `In none of ${all} can times to grok`} be told apart ${sayAll(adjusted, "≥")}`;
  }
  const where = differ.map(({ name, groups, sooner = soonerOf(groups) }) => (groups.length === 2 ? `${name} (${sooner} sooner)` : name));
  const number = n === 1 ? one : `${differ.length === n ? "all" : `${differ.length} of`} ${all}`;
  const named = differ.length < panels.length || differ.every(({ groups }) => groups.length === 2);
  return `Times to grok differ in ${number}${named ? `: ${together(where)}` : ""} ${sayAll(differ.map(({ holm }) => holm!), "≤")}`;
}

/** A list of names, with a common beginning only once. */
function together(names: readonly string[]): string {
  const from = names[0].lastIndexOf(" ") + 1, start = names[0].slice(0, from);
  if (names.length < 2 || from === 0 || names.some((name) => !name.startsWith(start))) return list(names);
  return `${start.replaceAll(" ", "\u00a0")}${list(names.map((name) => name.slice(from)))}`;
}

/** Of two groups, the one with more events than expected. */
function soonerOf(groups: readonly SurvivalGroup[]): string {
  const { observed, expected } = logRank(watchedAlike(groups.map(({ times }) => times)));
  return groups[observed[0] > expected[0] ? 0 : 1].name;
}
