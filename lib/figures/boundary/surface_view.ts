/** The surface over two settings as a 3D figure that a reader can turn: how late networks grok, above a map of where they grok. */
// Importing the package makes Deno fetch its build for pages too, which is read below.
import { polygons3D } from "d3-3d";
import { fileURLToPath } from "node:url";
import type { RenderFunction } from "@observablehq/plot";
import { taskOf } from "./heat_map.ts";
import { movable, type MovableFigure, type PageElement } from "../html.ts";
import { mapFinding, unfinished } from "../map_cells.ts";
import { drawScene, type Scene, type Shape, type View } from "./scene.ts";
import { goodView, sceneOf } from "./surface_scene.ts";
import { compose, panel } from "../theme.ts";
import type { BoardRun } from "../../analysis/runs/run.ts";
import { type Surface, type SurfaceAxes, type SurfaceCell, surfaceOf } from "../../analysis/boundary/surface.ts";
import { count } from "../../analysis/words.ts";

export interface SurfaceViewOptions extends SurfaceAxes {
  /** The task, for the subtitle. Default: from the runs' specs. */
  readonly task?: string;
  /** Replaces the finding as the title. */
  readonly title?: string;
}

/**
 * The vertical axis is the median grokking step, logarithmic: a dot at each pair of values, and faces between four neighbours. Where most
 * networks don't grok, an open triangle stands at the last step by which they are known not to, and the surface is grey: it lies there
 * or above. Dragging or the arrow keys turn it, Home resets it. Without scripts it is a still picture.
 * @param runs of all pairs of values and all seeds, including those that haven't begun.
 * @throws Error where `surfaceOf` does, with fewer than two values of a setting, and where no cell can be judged yet.
 */
export function surfaceView(runs: readonly BoardRun[], { task = taskOf(runs), title, ...axes }: SurfaceViewOptions = {}): MovableFigure {
  const surface = surfaceOf(runs, axes), scene = sceneOf(surface), view = goodView(scene);
  const log = surface.xs[0] > 0 && surface.ys[0] > 0;
  const number = (kind: Shape["kind"]) => scene.shapes.filter((shape) => shape.kind === kind).length, flags = number("flag");
  const drawing: RenderFunction = (_index, _scales, _values, _dimensions, { document }) => {
    const group = document.createElementNS("http://www.w3.org/2000/svg", "g");
    group.setAttribute("data-scene", "");
    group.setAttribute("stroke-linejoin", "round");
    group.innerHTML = drawScene(scene, view, polygons3D);
    const all = document.createElementNS("http://www.w3.org/2000/svg", "g");
    all.innerHTML = `<text data-hint="" x="16" y="${scene.size.height - 10}" text-anchor="start" fill="${scene.colors.faint}"></text>`;
    all.prepend(group);
    return all;
  };
  const still = compose({
    title: title ?? finding(surface),
    subtitle: [
      task ? `${task}.` : "",
      `Dot: a setting's median step; the darker, the sooner. ${log ? "All axes are" : "Its axis is"} logarithmic.`,
      flags > 0
        ? `Triangle, at ${flags} of ${flags + number("dot")} settings: most seeds had not grokked by that step; the surface is grey ` +
          "there, since it lies at least so high."
        : "",
    ].filter((part) => part !== "").join(" "),
    panels: [
      panel({
        height: scene.size.height,
        margin: 0,
        marginLeft: 0,
        marginRight: 0,
        marginTop: 0,
        marginBottom: 0,
        axis: null,
        marks: [drawing],
      }),
    ],
  });
  const [text, license] = ["build/d3-3d.min.js", "LICENSE"].map((file) =>
    Deno.readTextFileSync(fileURLToPath(import.meta.resolve(`d3-3d/${file}`))).trim()
  );
  const library = `/* d3-3d, ${license} */\n${text}\nexports.drawScene = ${drawScene};`;
  return movable({ still, data: { scene, view, label: still.title }, start: turnable, library });
}

/** Runs on the page: turns the scene by pointer and arrow keys. The function's text goes into the page, comments included. */
function turnable(
  root: PageElement,
  { scene, view, label }: { readonly scene: Scene; readonly view: View; readonly label: string },
  // deno-lint-ignore no-explicit-any -- d3-3d has no types
  { drawScene, polygons3D }: any,
): void {
  const svg = root.querySelector("svg")!, group = root.querySelector("[data-scene]")!;
  let { azimuth, tilt } = view, last: { x: number; y: number } | null = null;
  const turn = (across: number, up: number) => {
    azimuth += across;
    tilt = Math.min(1.05, Math.max(0.2, tilt + up));
    group.innerHTML = drawScene(scene, { azimuth, tilt }, polygons3D);
  };
  const back = () => turn(view.azimuth - azimuth, view.tilt - tilt);
  const attributes = {
    tabindex: "0",
    role: "application",
    "aria-roledescription": "surface in space",
    "aria-label": `${label}. Arrow keys turn it, Home brings it back.`,
  };
  for (const [name, value] of Object.entries(attributes)) svg.setAttribute(name, value);
  root.querySelector("[data-hint]")!.textContent = "Drag it, or use the arrow keys, to turn it.";
  Object.assign(svg.style, { cursor: "grab", touchAction: "pan-y", userSelect: "none" });
  svg.addEventListener("pointerdown", ({ clientX: x, clientY: y, pointerId }) => {
    last = { x, y };
    svg.setPointerCapture(pointerId);
    Object.assign(svg.style, { cursor: "grabbing", outline: "none" });
  });
  svg.addEventListener("pointermove", ({ clientX: x, clientY: y }) => {
    if (!last) return;
    turn((x - last.x) / 150, (y - last.y) / 150);
    last = { x, y };
  });
  for (const end of ["pointerup", "pointercancel"]) {
    svg.addEventListener(end, () => {
      last = null;
      svg.style.cursor = "grab";
    });
  }
  svg.addEventListener("dblclick", back);
  const keys: Record<string, () => void> = {
    ArrowLeft: () => turn(-0.1, 0),
    ArrowRight: () => turn(0.1, 0),
    ArrowUp: () => turn(0, -0.06),
    ArrowDown: () => turn(0, 0.06),
    Home: back,
  };
  svg.addEventListener("keydown", (event) => {
    if (!Object.hasOwn(keys, event.key)) return;
    keys[event.key]();
    svg.style.outline = "";
    event.preventDefault();
    event.stopPropagation(); // a notebook would go to another cell
  });
}

/** The finding: the settings with the earliest and the latest median step, of those whose runs are all done. */
function finding({ cells, names, say }: Surface): string {
  const bound = (words: string) => words.replaceAll(" ", "\u00a0");
  const place = ({ x, y }: SurfaceCell) => `${bound(`${names.x} ${say.x(x)}`)} and ${bound(`${names.y} ${say.y(y)}`)}`;
  const asked = cells.flat().filter(({ asked }) => asked), done = asked.filter(({ open }) => open === 0);
  const known = done.filter(({ median }) => median !== null).sort((a, b) => a.median! - b.median!);
  const [first, last] = [known[0], known[known.length - 1]];
  if (!first || first.median === last.median) return mapFinding(asked, place);
  const rest = unfinished(asked.length - done.length),
    networks = rest === "" ? "Networks" : `Of ${count(done.length)} finished settings, networks`;
  return `${networks} grok earliest with ${place(first)}, median step\u00a0${count(first.median!)}, ` +
    `and latest with ${say.x(last.x)} and ${say.y(last.y)}, step\u00a0${count(last.median!)}${rest}`;
}
