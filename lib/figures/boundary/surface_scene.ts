/** The surface over two settings as a scene: faces and dots above a map of where networks grok. */
import type { Point, Scene, Shape, View } from "./scene.ts";
import { shadesOf, STEP_LINE } from "../shades.ts";
import { FAINT, INK, ticks, VALIDATION, WIDTH } from "../theme.ts";
import type { Surface, SurfaceCell } from "../../analysis/boundary/surface.ts";
import { capital, count } from "../../analysis/words.ts";

const HEIGHT = 455, SCALE = 142, GRID = "#dcdcdc", GREY = "#ececec", STEM = "#b0b0b0";
/** The look of faces that are only known to lie above the steps watched. */
const LATER = { fill: "rgba(150,150,150,0.28)", stroke: "none" } as const;
/**
 * The longest piece of faces and lines along either setting; longer ones are divided, so that the colour follows the height, and nearer
 * pieces hide those behind them.
 */
const PIECE = 0.2;
const partsOf = (length: number) => Math.ceil(Math.abs(length) / PIECE - 1e-6);
/** With more triangles than this, their stems would hide the surface, and are left out. */
const STEMS = 24;

/** A point, rounded to thousandths. */
const point = (x: number, y: number, z: number): Point => [x, y, z].map((at) => Math.round(1000 * at) / 1000) as unknown as Point;

/** Positions of the values, −1 … 1: logarithmic where all are positive, else evenly spaced. */
function placesOf(values: readonly number[]): number[] {
  const at = values.map((value, i) => (values[0] > 0 ? Math.log(value) : i)), last = at[at.length - 1];
  return at.map((place) => 2 * (place - at[0]) / (last - at[0]) - 1);
}

type Placed = SurfaceCell & { readonly i: number; readonly j: number };
/** Positions in the box: of cells along x and y, and of steps along z. */
interface Box {
  readonly u: readonly number[];
  readonly v: readonly number[];
  readonly up: (step: number) => number;
}

/** @throws Error with fewer than two values of a setting, and where no cell has been watched for long enough to judge. */
export function sceneOf({ xs, ys, cells, names, say }: Surface): Scene {
  for (const [name, values] of [[names.x, xs], [names.y, ys]] as const) {
    if (values.length < 2) {
      throw new Error(`Cannot draw a surface: ${name} must have at least two values, current value is ${values.length}`);
    }
  }
  const all = cells.flatMap((row, j) => row.map((cell, i): Placed => ({ ...cell, i, j })));
  const steps = all.flatMap(({ median }) => median ?? []), heights = [...steps, ...all.filter(late).map(({ watched }) => watched!)];
  if (heights.length === 0) {
    throw new Error("Cannot draw a surface: a setting must have been watched for long enough to judge, current value is none");
  }
  const [least, most] = [Math.min(...heights) / 1.25, Math.max(...heights) * 1.1];
  const box: Box = { u: placesOf(xs), v: placesOf(ys), up: (step) => 2 * Math.log(step / least) / Math.log(most / least) - 1 };
  const says = ({ x, y, median, grokked, runs, watched }: SurfaceCell) =>
    `${names.x} ${say.x(x)}, ${names.y} ${say.y(y)}: ${grokked} of ${runs} grok` +
    (median !== null ? `, median step ${count(median)}` : ` within ${count(watched!)} steps`);
  const axis = (name: string, at: readonly number[], values: readonly number[], say: (value: number) => string) => ({
    name: capital(name),
    ticks: at.map((place, k) => ({ at: place, text: say(values[k]) })),
  });
  return {
    size: { width: WIDTH, height: HEIGHT },
    scale: SCALE,
    axes: {
      x: axis(names.x, box.u, xs, say.x),
      y: axis(names.y, box.v, ys, say.y),
      z: { name: "Step of grokking", ticks: ticks(least, most, "log").map((step) => ({ at: box.up(step), text: count(step) })) },
    },
    floor: floorOf(all, cells, box),
    shapes: [...facesOf(cells, box, shadesOf(steps).of), ...wires(all, cells, box), ...marksOf(all, cells, box, says)],
    colors: { ink: INK, faint: FAINT, grid: GRID },
  };
}

/** Whether most of a cell's own networks were watched and haven't grokked. */
const late = ({ asked, groks, median, watched }: SurfaceCell) => asked && groks === false && median === null && watched !== null;

/** Grey tiles where most networks don't grok, and the boundary line. */
function floorOf(all: readonly Placed[], cells: Surface["cells"], { u, v }: Box): Shape[] {
  const [edgesX, edgesY] = [u, v].map((at) => [-1, ...at.slice(1).map((place, i) => (place + at[i]) / 2), 1]);
  const tile = ({ i, j }: Placed): Point[] => {
    const [x1, x2, y1, y2] = [edgesX[i], edgesX[i + 1], edgesY[j], edgesY[j + 1]];
    return [point(x1, y1, -1), point(x2, y1, -1), point(x2, y2, -1), point(x1, y2, -1)];
  };
  const differ = (a: SurfaceCell, b?: SurfaceCell) => b !== undefined && a.groks !== null && b.groks !== null && a.groks !== b.groks;
  const border = (...points: Point[]): Shape => ({ kind: "line", points, stroke: INK, width: 2.4 });
  return [
    ...all.filter(({ groks }) => groks === false).map((cell): Shape => ({ kind: "face", points: tile(cell), fill: GREY, stroke: GRID })),
    ...all.flatMap((cell) => {
      const corners = tile(cell), { i, j } = cell;
      return [
        ...differ(cell, cells[j][i + 1]) ? [border(corners[1], corners[2])] : [],
        ...differ(cell, cells[j + 1]?.[i]) ? [border(corners[2], corners[3])] : [],
      ];
    }),
  ];
}

/**
 * The step at which the surface lies above a cell: its median, or the step up to which most of its networks were watched without grokking;
 * `null` without either.
 */
const heightOf = (cell: SurfaceCell | undefined): number | null => cell?.median ?? (cell && late(cell) ? cell.watched : null);

/**
 * Faces between four neighbours, in pieces whose colour follows the height; grey and transparent where a neighbour is only known to be
 * later.
 */
function facesOf(cells: Surface["cells"], { u, v, up }: Box, color: (step: number) => string): Shape[] {
  const faces: Shape[] = [];
  for (let j = 0; j + 1 < v.length; j++) {
    for (let i = 0; i + 1 < u.length; i++) {
      const corners = [cells[j][i], cells[j][i + 1], cells[j + 1][i], cells[j + 1][i + 1]], heights = corners.map(heightOf);
      if (heights.includes(null)) continue;
      const open = corners.some(({ median }) => median === null);
      const [o, a, b, c] = heights.map((height) => Math.log(height!));
      const height = (s: number, t: number) => Math.exp(o + s * (a - o) + t * (b - o) + s * t * (c - a - b + o));
      const at = (s: number, t: number) => point(u[i] + s * (u[i + 1] - u[i]), v[j] + t * (v[j + 1] - v[j]), up(height(s, t)));
      const [n, m] = [partsOf(u[i + 1] - u[i]), partsOf(v[j + 1] - v[j])];
      for (let q = 0; q < m; q++) {
        for (let p = 0; p < n; p++) {
          const [s, t, ds, dt] = [p / n, q / m, 1 / n, 1 / m];
          const points = [at(s, t), at(s + ds, t), at(s + ds, t + dt), at(s, t + dt)];
          faces.push({ kind: "face", points, ...open ? LATER : { fill: color(height(s + ds / 2, t + dt / 2)) } });
        }
      }
    }
  }
  return faces;
}

/** Lines between neighbours, in pieces, so that each can be hidden separately. */
function wires(all: readonly Placed[], cells: Surface["cells"], { u, v, up }: Box): Shape[] {
  return all.flatMap((cell) =>
    [[cell.i + 1, cell.j], [cell.i, cell.j + 1]].flatMap(([k, l]): Shape[] => {
      const { i, j } = cell, other = cells[l]?.[k], [from, to] = [heightOf(cell), heightOf(other)];
      if (from === null || to === null) return [];
      const at = (s: number) => point(u[i] + s * (u[k] - u[i]), v[j] + s * (v[l] - v[j]), up(from * (to / from) ** s));
      const parts = partsOf(Math.hypot(u[k] - u[i], v[l] - v[j]));
      const look = cell.median === null || other.median === null ? { stroke: STEM, width: 0.8 } : { stroke: STEP_LINE, width: 0.9 };
      return Array.from({ length: parts }, (_, p) => ({ kind: "line", points: [at(p / parts), at((p + 1) / parts)], ...look }));
    })
  );
}

/** A dot at each median, a triangle where most were watched without grokking; with a stem where it isn't part of the surface. */
function marksOf(all: readonly Placed[], cells: Surface["cells"], { u, v, up }: Box, says: (cell: SurfaceCell) => string): Shape[] {
  const few = all.filter(late).length <= STEMS;
  return all.flatMap((cell): Shape[] => {
    const { i, j, median } = cell, step = median ?? (late(cell) ? cell.watched : null);
    if (step === null) return [];
    const top = point(u[i], v[j], up(step)),
      stem: Shape = { kind: "line", points: [point(u[i], v[j], -1), top], stroke: STEM, dash: "2 2.5" };
    const alone = [[i + 1, j], [i - 1, j], [i, j + 1], [i, j - 1]].every(([k, l]) => heightOf(cells[l]?.[k]) === null);
    return median !== null
      ? [...alone ? [stem] : [], { kind: "dot", points: [top], fill: VALIDATION.color, stroke: "white", says: says(cell) }]
      : [...alone && few ? [stem] : [], { kind: "flag", points: [top], fill: "white", stroke: FAINT, width: 1.3, says: says(cell) }];
  });
}

/** Of the views from the four corners, the one with the high parts at the back. */
export function goodView({ shapes }: Scene): View {
  const tops = shapes.filter(({ kind }) => kind === "dot" || kind === "flag").map(({ points: [top] }) => top);
  const back = (azimuth: number) => tops.reduce((sum, [x, y, z]) => sum + z * (x * Math.sin(azimuth) + y * Math.cos(azimuth)), 0);
  const corners = [-0.6, 0.6, Math.PI - 0.6, Math.PI + 0.6];
  return { azimuth: corners.toSorted((a, b) => back(b) - back(a))[0], tilt: 0.5 };
}
