/** A 3D scene as SVG, seen from any side: faces, lines and marks in a box with three axes. The same code draws it here and on a page. */

/** To the right, to the back and upwards, each −1 … 1. */
export type Point = readonly [x: number, y: number, z: number];

/** A shape; nearer shapes hide those behind them. */
export interface Shape {
  /** `dot` and `flag` (an open triangle) have one point, `line` two or more. */
  readonly kind: "face" | "line" | "dot" | "flag";
  readonly points: readonly Point[];
  readonly fill?: string;
  /** Default: `fill`. */
  readonly stroke?: string;
  readonly width?: number;
  readonly dash?: string;
  /** A tooltip. */
  readonly says?: string;
}

export interface Axis {
  readonly name: string;
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
}

export interface Scene {
  /** Pixels: the picture, with the box in its middle, and the length of one unit. */
  readonly size: { readonly width: number; readonly height: number };
  readonly scale: number;
  readonly axes: { readonly x: Axis; readonly y: Axis; readonly z: Axis };
  /** Shapes on the floor, drawn first. */
  readonly floor: readonly Shape[];
  readonly shapes: readonly Shape[];
  readonly colors: { readonly ink: string; readonly faint: string; readonly grid: string };
}

/** Radians: the rotation around the vertical axis, and the elevation of the viewer, 0 (from the side) … π/2 (from above). */
export interface View {
  readonly azimuth: number;
  readonly tilt: number;
}

/** A polygon after its rotation by d3-3d. */
interface Turned extends Array<{ readonly projected: { readonly x: number; readonly y: number } }> {
  readonly centroid: { readonly x: number; readonly y: number; readonly z: number };
}
type Vertex = { x: number; y: number; z: number };
/** The part of d3-3d's API that is used here. */
interface Turner {
  (polygons: Vertex[][]): Turned[];
  rotateX(angle: number): Turner;
  rotateY(angle: number): Turner;
  scale(scale: number): Turner;
  origin(origin: { readonly x: number; readonly y: number }): Turner;
}

/**
 * The scene as the content of an SVG group. The function's text goes into pages, so it can't use anything from outside.
 * @param polygons3D d3-3d's function of that name.
 */
export function drawScene(scene: Scene, { azimuth, tilt }: View, polygons3D: () => Turner): string {
  const { axes, colors, floor, shapes, size: { width, height } } = scene, HEIGHT = 0.72; // of the box, half of it
  const turner = polygons3D().rotateY(azimuth).rotateX(-tilt).scale(scene.scale).origin({ x: width / 2, y: height / 2 });
  const turn = (lists: readonly (readonly Point[])[]) =>
    turner(lists.map((points) => points.map(([x, y, z]) => ({ x, y: -HEIGHT * z, z: -y }))));
  const one = (point: Point) => turn([[point]])[0];
  const number = (value: number) => String(Math.round(10 * value) / 10);
  const path = (polygon: Turned, close = false) =>
    polygon.map(({ projected }, i) => `${i === 0 ? "M" : "L"}${number(projected.x)},${number(projected.y)}`).join("") + (close ? "Z" : "");
  // Sent to the page as it stands here, so that it can use nothing from outside.
  const escape = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const line = (points: readonly Point[], stroke: string, width = 1) =>
    `<path d="${path(turn([points])[0])}" fill="none" stroke="${stroke}" stroke-width="${width}"/>`;

  const drawn = ({ kind, fill = "none", stroke = fill, width = 0.7, dash, says }: Shape, polygon: Turned) => {
    const { x, y } = polygon[0].projected, title = says ? `<title>${escape(says)}</title>` : "";
    const paint = `fill="${fill}" stroke="${stroke}" stroke-width="${width}"${dash ? ` stroke-dasharray="${dash}"` : ""}`;
    if (kind === "dot") return `<circle cx="${number(x)}" cy="${number(y)}" r="4" ${paint}>${title}</circle>`;
    const d = kind === "flag" ? `M${number(x)},${number(y - 6)}l5.2,9h-10.4Z` : path(polygon, kind === "face");
    return `<path d="${d}" ${paint}>${title}</path>`;
  };
  const all = (some: readonly Shape[]) => turn(some.map(({ points }) => points)).map((polygon, i) => ({ shape: some[i], polygon }));
  // What is nearer is drawn later; marks stand a little before the face that they lie on.
  const depth = ({ shape, polygon }: { shape: Shape; polygon: Turned }) => polygon.centroid.z + (shape.kind === "face" ? 0 : 0.17);
  const sorted = all(shapes).sort((a, b) => depth(a) - depth(b));

  const near = (a: Point, b: Point) => one(a).centroid.z > one(b).centroid.z;
  const front = near([0, -1, -1], [0, 1, -1]) ? -1 : 1, side = near([1, 0, -1], [-1, 0, -1]) ? 1 : -1;
  const walls = axes.z.ticks.map(({ at }) => line([[side, -front, at], [-side, -front, at], [-side, front, at]], colors.grid)).join("") +
    line([[-side, -front, -1], [-side, -front, 1]], colors.grid);
  const base = axes.x.ticks.map(({ at }) => line([[at, -1, -1], [at, 1, -1]], colors.grid)).join("") +
    axes.y.ticks.map(({ at }) => line([[-1, at, -1], [1, at, -1]], colors.grid)).join("") +
    line([[-1, -1, -1], [1, -1, -1], [1, 1, -1], [-1, 1, -1], [-1, -1, -1]], colors.faint);

  const faint = `fill="${colors.faint}"`, strong = `fill="${colors.ink}" font-weight="600"`;
  /** Where words stand that belong to a place on the floor's edge, so far off it. */
  const beside = (at: Point, out: Point, far: number) => {
    const [from, to] = turn([[at], [[at[0] + far * out[0], at[1] + far * out[1], at[2]]]]).map((polygon) => polygon[0].projected);
    return { x: to.x, y: to.y + 4 + 5 * Math.sign(to.y - from.y), dx: to.x - from.x, dy: to.y - from.y };
  };
  // Of values that would cover each other, seen from here, some are left out; those at the ends stay.
  const taken: { left: number; right: number; y: number }[] = [];
  const value = (text: string, x: number, y: number, anchor: "start" | "middle" | "end") => {
    const long = 7 * text.length + 6, left = x - (anchor === "end" ? long : anchor === "middle" ? long / 2 : 0);
    if (taken.some((other) => left < other.right && other.left < left + long && Math.abs(y - other.y) < 13)) return "";
    taken.push({ left, right: left + long, y });
    return `<text x="${number(x)}" y="${number(y)}" text-anchor="${anchor}" ${faint}>${escape(text)}</text>`;
  };
  const values = ({ ticks }: Axis, draw: (tick: Axis["ticks"][number]) => string) =>
    [...ticks.slice(0, 1), ...ticks.slice(1).reverse()].map(draw).join("");
  const valueBeside = (text: string, at: Point, out: Point) => {
    const { x, y, dx, dy } = beside(at, out, 0.07);
    return value(text, x, y, Math.abs(dx) < 0.35 * Math.abs(dy) ? "middle" : dx > 0 ? "start" : "end");
  };
  const name = (axis: Axis, at: Point, out: Point) => {
    const longest = Math.max(...axis.ticks.map(({ text }) => text.length)), { name: text } = axis, half = 4 * text.length;
    const { x, y, dx, dy } = beside(at, out, 0.2 + 0.05 * longest), beyond = half * dx / (Math.hypot(dx, dy) || 1);
    const [inX, inY] = [Math.min(width - half, Math.max(half, x + beyond)), Math.min(height - 6, Math.max(16, y + 9 * Math.sign(dy)))];
    return `<text x="${number(inX)}" y="${number(inY)}" text-anchor="middle" ${strong}>${escape(text)}</text>`;
  };
  const labels = values(axes.x, ({ at, text }) => valueBeside(text, [at, front, -1], [0, front, 0])) +
    values(axes.y, ({ at, text }) => valueBeside(text, [side, at, -1], [side, 0, 0])) +
    name(axes.x, [0, front, -1], [0, front, 0]) + name(axes.y, [side, 0, -1], [side, 0, 0]);
  const corners: Point[] = [[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]];
  const [left] = corners.toSorted((a, b) => one(a)[0].projected.x - one(b)[0].projected.x);
  const upright = line([[left[0], left[1], -1], [left[0], left[1], 1]], colors.faint) + values(axes.z, ({ at, text }) => {
    const { x, y } = one([left[0], left[1], at])[0].projected;
    return value(text, x - 9, y + 4, "end");
  });
  const top = one([left[0], left[1], 1])[0].projected;
  const up = `<text x="${number(Math.max(72, top.x))}" y="${number(Math.max(16, top.y - 22))}" text-anchor="middle" ${strong}>${
    escape(axes.z.name)
  }</text>`;
  return walls + base + all(floor).map(({ shape, polygon }) => drawn(shape, polygon)).join("") + upright +
    sorted.map(({ shape, polygon }) => drawn(shape, polygon)).join("") + labels + up;
}
