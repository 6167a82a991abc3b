/** The surface over two settings as a scene: faces and dots above the map of where networks grok. */
import type { Point, Scene, Shape, View } from "./scene.ts";
import { shadesOf } from "../shades.ts";
import { FAINT, INK, ticks, VALIDATION, WIDTH } from "../theme.ts";
import type { Surface, SurfaceCell } from "../../analysis/boundary/surface.ts";
import { capital, count } from "../../analysis/words.ts";

const HEIGHT = 455, SCALE = 142, GRID = "#dcdcdc", GREY = "#ececec", EDGE = "#8a3d00", STEM = "#b0b0b0";
/** Faces and lines are parted into pieces no longer than this along either setting: so the colour follows the height, and what is nearer hides the rest. */
const PIECE = 0.2;
const partsOf = (length: number) => Math.ceil(Math.abs(length) / PIECE - 1e-6);
/** With more triangles than this, what they stand on hides more than it tells. */
const STEMS = 24;

/** Thousandths are enough. */
const point = (x: number, y: number, z: number): Point => [x, y, z].map((at) => Math.round(1000 * at) / 1000) as unknown as Point;

/** −1 … 1: by the logarithm where all values are positive, else evenly apart. */
function placesOf(values: readonly number[]): number[] {
  const at = values.map((value, i) => (values[0] > 0 ? Math.log(value) : i)), last = at[at.length - 1];
  return at.map((place) => 2 * (place - at[0]) / (last - at[0]) - 1);
}

type Placed = SurfaceCell & { readonly i: number; readonly j: number };
/** Where cells, and the steps above them, lie in the box. */
interface Box {
  readonly u: readonly number[];
  readonly v: readonly number[];
  readonly up: (step: number) => number;
}

/** @throws Error with fewer than two values of a setting, and where no cell has been watched. */
export function sceneOf({ xs, ys, cells, names, say }: Surface): Scene {
  for (const [name, values] of [[names.x, xs], [names.y, ys]] as const) {
    if (values.length < 2) {
      throw new Error(`Cannot draw a surface: ${name} must have at least two values, current value is ${values.length}`);
    }
  }
  const all = cells.flatMap((row, j) => row.map((cell, i): Placed => ({ ...cell, i, j })));
  const steps = all.flatMap(({ median }) => median ?? []), heights = [...steps, ...all.filter(late).map(({ watched }) => watched!)];
  if (heights.length === 0) throw new Error("Cannot draw a surface: a setting must have been watched, current value is none");
  const [least, most] = [Math.min(...heights) / 1.25, Math.max(...heights) * 1.1];
  const box: Box = { u: placesOf(xs), v: placesOf(ys), up: (step) => 2 * Math.log(step / least) / Math.log(most / least) - 1 };
  const says = ({ x, y, median, grokked, runs, watched }: SurfaceCell) =>
    `${names.x} ${say.x(x)}, ${names.y} ${say.y(y)}: ${grokked} of ${runs} grok` +
    (median !== null ? `, half by step ${count(median)}` : ` within ${count(watched!)} steps`);
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

/** Most of its networks have been watched, and have not grokked. */
const late = ({ asked, groks, median, watched }: SurfaceCell) => asked && groks === false && median === null && watched !== null;

/** Grey where most networks don't grok, and the line around that. */
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

/** Between four neighbours with a median, or three of them, in parts whose colour follows the height. */
function facesOf(cells: Surface["cells"], { u, v, up }: Box, color: (step: number) => string): Shape[] {
  const faces: Shape[] = [];
  for (let j = 0; j + 1 < v.length; j++) {
    for (let i = 0; i + 1 < u.length; i++) {
      const log = (di: number, dj: number) => Math.log(cells[j + dj][i + di].median ?? NaN);
      const missing = [[0, 0], [1, 0], [0, 1], [1, 1]].filter(([di, dj]) => Number.isNaN(log(di, dj)));
      if (missing.length > 1) continue;
      // From the corner that is farthest from the missing one, if any, a whole way along either side.
      const whole = missing.length === 0, [oi, oj] = whole ? [0, 0] : [1 - missing[0][0], 1 - missing[0][1]];
      const o = log(oi, oj), a = log(1 - oi, oj), b = log(oi, 1 - oj), twist = whole ? log(1, 1) - a - b + o : 0;
      const height = (s: number, t: number) => Math.exp(o + s * (a - o) + t * (b - o) + s * t * twist);
      const at = (s: number, t: number) => {
        const [x, y] = [oi ? 1 - s : s, oj ? 1 - t : t];
        return point(u[i] + x * (u[i + 1] - u[i]), v[j] + y * (v[j + 1] - v[j]), up(height(s, t)));
      };
      const sides = [partsOf(u[i + 1] - u[i]), partsOf(v[j + 1] - v[j])], [n, m] = whole ? sides : [Math.max(...sides), Math.max(...sides)];
      for (let q = 0; q < m; q++) {
        for (let p = 0; p < n - (whole ? 0 : q); p++) {
          const [s, t, ds, dt] = [p / n, q / m, 1 / n, 1 / m], half = !whole && p + q === n - 1;
          const points = [at(s, t), at(s + ds, t), ...half ? [] : [at(s + ds, t + dt)], at(s, t + dt)];
          faces.push({ kind: "face", points, fill: color(half ? height(s + ds / 3, t + dt / 3) : height(s + ds / 2, t + dt / 2)) });
        }
      }
    }
  }
  return faces;
}

/** Lines between neighbours, in parts, so that what hides a part doesn't hide the whole. */
function wires(all: readonly Placed[], cells: Surface["cells"], { u, v, up }: Box): Shape[] {
  return all.flatMap(({ i, j, median: from }) =>
    [[i + 1, j], [i, j + 1]].flatMap(([k, l]): Shape[] => {
      const to = cells[l]?.[k]?.median;
      if (!from || !to) return [];
      const at = (s: number) => point(u[i] + s * (u[k] - u[i]), v[j] + s * (v[l] - v[j]), up(from * (to / from) ** s));
      const parts = partsOf(Math.hypot(u[k] - u[i], v[l] - v[j]));
      return Array.from(
        { length: parts },
        (_, p) => ({ kind: "line", points: [at(p / parts), at((p + 1) / parts)], stroke: EDGE, width: 0.9 }),
      );
    })
  );
}

/** A dot a median, a triangle where most were watched in vain; on a stem where it isn't part of a net. */
function marksOf(all: readonly Placed[], cells: Surface["cells"], { u, v, up }: Box, says: (cell: SurfaceCell) => string): Shape[] {
  const few = all.filter(late).length <= STEMS;
  return all.flatMap((cell): Shape[] => {
    const { i, j, median } = cell, step = median ?? (late(cell) ? cell.watched : null);
    if (step === null) return [];
    const top = point(u[i], v[j], up(step)),
      stem: Shape = { kind: "line", points: [point(u[i], v[j], -1), top], stroke: STEM, dash: "2 2.5" };
    const alone = [[i + 1, j], [i - 1, j], [i, j + 1], [i, j - 1]].every(([k, l]) => !cells[l]?.[k]?.median);
    return median !== null
      ? [...alone ? [stem] : [], { kind: "dot", points: [top], fill: VALIDATION.color, stroke: "white", says: says(cell) }]
      : [...few ? [stem] : [], { kind: "flag", points: [top], fill: "white", stroke: FAINT, width: 1.3, says: says(cell) }];
  });
}

/** Of the views from the four corners, the one that has what is high at the back. */
export function goodView({ shapes }: Scene): View {
  const tops = shapes.filter(({ kind }) => kind === "dot" || kind === "flag").map(({ points: [top] }) => top);
  const back = (azimuth: number) => tops.reduce((sum, [x, y, z]) => sum + z * (x * Math.sin(azimuth) + y * Math.cos(azimuth)), 0);
  const corners = [-0.6, 0.6, Math.PI - 0.6, Math.PI + 0.6];
  return { azimuth: corners.toSorted((a, b) => back(b) - back(a))[0], tilt: 0.5 };
}
