/** A whole sweep in one figure, during and after training: each setting's results, seed by seed. */
import * as Plot from "@observablehq/plot";
import { about } from "./runs.ts";
import { scaleOfSteps, stepAxis, type StepOptions } from "./scale.ts";
import { boardTitle, medianWord, shareWord } from "./settings.ts";
import { BETWEEN, CIRCLE, clamp, CROSS, DOT, edges, HEAD, names, THIN, TRIANGLE } from "./sweep_marks.ts";
import { columnField, table } from "./sweep_table.ts";
import { axes, compose, FAINT, type Figure, INK, MARGIN, type Panel, panel, VALIDATION } from "./theme.ts";
import { type BoardRun, isOpen, type Outcome, type State } from "../analysis/runs/run.ts";
import { type Field, type Setting, settingsOf } from "../analysis/runs/settings.ts";
import { grokkingQuantile } from "../analysis/runs/times.ts";
import { count } from "../analysis/words.ts";

export interface BoardOptions extends StepOptions {
  /** The task, for the subtitle. Default: from the runs' specs. */
  readonly task?: string;
  /** Replaces the finding as the title. */
  readonly title?: string;
}

/** The most settings that get a named row each; more are drawn compactly. */
const ROWS = 40;

/**
 * One row per setting, one line per seed: how far it is trained, where it memorised and where it grokked. With more than 40 settings: one
 * cell per setting where one field's values can make columns, else thin rows, sorted by median grokking step unless the settings differ in
 * one numeric field only.
 */
export function sweepBoard(runs: readonly BoardRun[], options: BoardOptions = {}): Figure {
  const { fields, settings } = settingsOf(runs);
  const { task = about(runs.map((run) => ({ ...run, metrics: [] }))).task, title = boardTitle(settings) } = options;
  const columns = settings.length > ROWS ? columnField(fields, settings) : null;
  const [drawn, reading] = columns
    ? [
      table(fields, settings, columns),
      `One cell per setting, one mark per seed. ${
        legend(settings, { first: [], open: "circle: in training, grey once it has memorised", median: "number: median" })
      }`,
    ]
    : [
      rows(fields, settings, runs, options),
      `One row per setting, one line per seed. ${
        legend(settings, { first: ["circle: memorised"], open: "tick: in training", median: "bar and band: median and middle half" })
      }`,
    ];
  return compose({ title, subtitle: `${task ? `${task}. ` : ""}${reading}`, panels: [drawn] });
}

interface Words {
  readonly first: readonly string[];
  readonly open: string;
  readonly median: string;
}

/** The legend of the marks. It stays nearly the same during a sweep, so that the figure doesn't jump. */
function legend(settings: readonly Setting[], { first, open, median }: Words): string {
  const runs = settings.flatMap((setting) => setting.runs);
  const words = [
    ...first,
    "dot: grokked",
    "triangle: not",
    ...(runs.some(({ state }) => state === "diverged") ? ["cross: diverged"] : []),
    ...(runs.some(goesOn) ? [open] : []),
    ...(runs.length > settings.length ? [median] : []),
  ].join("; ");
  return `${words[0].toUpperCase()}${words.slice(1)}.`;
}

const goesOn = (run: Outcome) => isOpen(run) || run.active;

/** A seed's line: its outcome, and its vertical position. */
interface Lane extends Outcome {
  readonly y: number;
}

function rows(fields: readonly Field[], sorted: readonly Setting[], runs: readonly BoardRun[], options: BoardOptions): Panel {
  const named = sorted.length <= ROWS, inOrder = named || (fields.length === 1 && fields[0].numeric);
  const late = ({ runs }: Setting) => grokkingQuantile(runs, 0.5) ?? Infinity;
  const known = ({ runs }: Setting) => runs.filter((run) => run.grokked !== null).length;
  const settings = inOrder ? sorted : sorted.toSorted((a, b) => Math.sign(late(a) - late(b)) || known(b) - known(a));
  const n = settings.length, seeds = Math.max(1, ...settings.map((setting) => setting.runs.length));
  const going = settings.some(({ runs }) => runs.some(goesOn));
  const scale = scaleOfSteps([], {
    from: Math.min(...runs.map(({ spec }) => spec.schedule.evalEvery)),
    until: Math.max(...runs.map(({ spec, step }) => going ? spec.schedule.steps : Math.min(step, spec.schedule.steps))),
    ...options,
  });
  const at = (step: number) => Math.max(step, scale.domain[0]);
  const height = clamp(named ? 15 : 2, (named ? 480 : 600) / Math.max(1, n), 44);
  const apart = 0.76 / seeds;
  const lanes = settings.flatMap(({ runs }, i) => runs.map((run, s): Lane => ({ ...run, y: i + apart * (s - (runs.length - 1) / 2) })));
  const middles = middlesOf(settings);
  const { left, top, marks } = names(inOrder ? fields : [], Math.ceil(15 / height));
  const right = named ? 140 : MARGIN.right;
  return panel({
    height: top + MARGIN.bottom + height * Math.max(1, n),
    marginTop: top,
    marginLeft: left,
    marginRight: right,
    x: { type: scale.type, domain: scale.domain },
    y: { domain: [n - 0.5, -0.5] },
    marks: [
      ...axes(stepAxis(scale), { ticks: [], format: String, label: inOrder ? "" : `${count(n)} settings, by median` }, top),
      ...marks,
      Plot.ruleY(named ? edges(fields) : [], {
        y: (i: number) => i - 0.5,
        stroke: BETWEEN,
        insetLeft: 16 - left,
        insetRight: 16 - right,
      }),
      middleHalves(middles, at),
      ...seedLines(lanes, at, height),
      medianBars(middles, at, height),
      ...seedMarks(lanes, at, { height, apart }),
      ...named ? results(settings, right) : [],
    ],
  });
}

/** Where a step lies: no further left than the axis begins. */
type At = (step: number) => number;

/** The quartiles of a setting's grokking steps. */
interface Middle {
  readonly y: number;
  readonly low: number | null;
  readonly mid: number | null;
  readonly high: number | null;
}

const middlesOf = (settings: readonly Setting[]) =>
  settings.flatMap(({ runs }, y): Middle[] => {
    const [low, mid, high] = [0.25, 0.5, 0.75].map((q) => grokkingQuantile(runs, q));
    return runs.length < 2 ? [] : [{ y, low, mid, high }];
  });

const ROW_HEIGHT = { y1: ({ y }: Middle) => y - 0.45, y2: ({ y }: Middle) => y + 0.45 };

/** Where a quarter of the runs never grokked, the upper quartile is infinite and no band is drawn. */
const middleHalves = (middles: readonly Middle[], at: At) =>
  Plot.rect(middles.filter(({ low, high }) => low !== null && high !== null && Number.isFinite(high)), {
    x1: ({ low }) => at(low!),
    x2: ({ high }) => at(high!),
    ...ROW_HEIGHT,
    fill: VALIDATION.color,
    fillOpacity: 0.14,
    ariaDescription: "middle half",
  });

const medianBars = (middles: readonly Middle[], at: At, height: number) =>
  Plot.ruleX(middles.filter(({ mid }) => mid !== null && Number.isFinite(mid)), {
    x: ({ mid }) => at(mid!),
    ...ROW_HEIGHT,
    stroke: INK,
    strokeWidth: clamp(0.8, height / 12, 2),
    ariaDescription: "median grokked",
  });

/** How far each seed was watched, and its wait between memorising and grokking. */
const seedLines = (lanes: readonly Lane[], at: At, height: number): Plot.Markish[] => [
  Plot.ruleY(lanes.filter(({ watched }) => watched > 0), {
    y: "y",
    x1: at(0),
    x2: ({ watched }) => at(watched),
    stroke: height > 24 ? THIN : BETWEEN,
    strokeWidth: clamp(0.5, height / 20, 1),
    ariaDescription: "trained",
  }),
  Plot.ruleY(lanes.filter(({ memorised, grokked }) => memorised !== null && grokked !== null), {
    y: "y",
    x1: ({ memorised }) => at(memorised!),
    x2: ({ grokked }) => at(grokked!),
    stroke: FAINT,
    strokeWidth: clamp(0.6, height / 14, 1.3),
  }),
];

/** What became of each seed, `apart` rows from its neighbours. */
function seedMarks(lanes: readonly Lane[], at: At, { height, apart }: { readonly height: number; readonly apart: number }): Plot.Markish[] {
  const of = (state: State) => lanes.filter((lane) => lane.state === state), r = clamp(1.3, 0.62 * apart * height, 4.2);
  return [
    Plot.ruleX(lanes.filter(({ active }) => active), {
      x: ({ watched }) => at(watched),
      y1: ({ y }) => y - 0.4 * apart,
      y2: ({ y }) => y + 0.4 * apart,
      stroke: INK,
      strokeWidth: 1.5,
      ariaDescription: "in training",
    }),
    Plot.dot(lanes.filter(({ memorised }) => memorised !== null), {
      x: ({ memorised }) => at(memorised!),
      y: "y",
      ...CIRCLE(r),
      ariaDescription: "memorised",
    }),
    Plot.dot(of("grokked"), { x: ({ grokked }) => at(grokked!), y: "y", ...DOT(r) }),
    Plot.dot(of("never"), { x: ({ judged }) => at(judged), y: "y", ...TRIANGLE(r) }),
    Plot.dot(of("diverged"), { x: ({ watched }) => at(watched), y: "y", ...CROSS(r) }),
  ];
}

/** How many seeds grokked, and the median step, right of the frame; paler while unfinished runs may change them. */
function results(settings: readonly Setting[], right: number): Plot.Markish[] {
  const column = (head: string, dx: number, word: (runs: readonly Outcome[]) => string, fill: string) => {
    const place = { dx, textAnchor: "end" } as const;
    const words = (of: (setting: Setting) => boolean, fill: string) =>
      Plot.text(settings, {
        ...place,
        frameAnchor: "right",
        y: (_, i) => i,
        text: (each: Setting) => of(each) ? word(each.runs) : "",
        fill,
      });
    const open = ({ runs }: Setting) => runs.some(isOpen);
    return [
      Plot.text([head], { ...HEAD, ...place, frameAnchor: "top-right" }),
      words(open, FAINT),
      words((each) => !open(each), fill),
    ];
  };
  const single = settings.every(({ runs }) => runs.length === 1);
  return [
    ...column("Grokked", right - 82, shareWord, INK),
    ...column(single ? "At step" : "Median", right - 16, medianWord, VALIDATION.text),
  ];
}
