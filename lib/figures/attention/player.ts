/**
 * The player of an attention film on a page: the script of a `movable` figure, so it may use nothing from outside but the browser's API.
 */
import type { PageElement } from "../html.ts";

/** The data of a film. */
export interface Reel {
  /**
   * One frame as SVG. Found by aria-description: the squares by `[aria-description=attention] rect`, the cursor by `now`, the words by
   * `moment`.
   */
  readonly svg: string;
  readonly title: string;
  /** One byte per square, frame by frame, in base64; 255 is a weight of 1. */
  readonly weights: string;
  /** The RGB colour of a weight of 1, 0 … 255; a weight of 0 is white. */
  readonly full: readonly number[];
  /** For each frame, the cursor's position in pixels, and the words above it. */
  readonly frames: readonly { readonly x: number; readonly words: string }[];
}

/** The DOM members that the player needs beyond those of `PageElement`. */
interface Part extends PageElement {
  value: string;
  readonly isConnected: boolean;
  attachShadow(options: { readonly mode: "open" }): Part;
  querySelector(selector: string): Part | null;
  querySelectorAll(selector: string): ArrayLike<Part>;
}

/** Replaces an element's content by the film and its controls, in a shadow tree that the page's styles don't reach. */
export function player(element: PageElement, { svg, title, weights, full, frames }: Reel): void {
  const host = element as Part, root = host.attachShadow({ mode: "open" });
  root.innerHTML = `<style>
    :host { display: block; max-width: 720px; background: white; color: #1a1a1a; color-scheme: light; }
    svg { display: block; width: 100%; height: auto; }
    div { display: flex; align-items: center; gap: 12px; padding: 0 10% 14px 16px; }
    button { flex: none; width: 34px; height: 34px; padding: 8px; border: 1px solid #6b6b6b; border-radius: 17px; background: white; cursor: pointer; }
    button:focus-visible, input:focus-visible { outline: 3px solid #0b5394; outline-offset: 2px; }
    input { flex: 1; min-width: 60px; height: 24px; margin: 0; accent-color: #3d0c5c; cursor: pointer; }
  </style>${svg}<div><button type="button"><svg viewBox="0 0 16 16" aria-hidden="true"><path/></svg></button>
    <input type="range" min="0" max="${frames.length - 1}" value="0" step="1" aria-label="Moment of training"></div>`;
  const find = (selector: string) => root.querySelector(selector)!;
  const squares = Array.from(root.querySelectorAll("[aria-description=attention] rect")), bytes = atob(weights);
  const [cursor, moment] = [find("[aria-description=now] line"), find("[aria-description=moment] text")];
  const [button, icon, slider] = [find("button"), find("button path"), find("input")];
  find("svg").setAttribute("aria-label", title);

  const show = (frame: number) => {
    squares.forEach((square, i) => {
      const weight = bytes.charCodeAt(frame * squares.length + i) / 255;
      square.setAttribute("fill", `rgb(${full.map((end) => Math.round(255 + weight * (end - 255))).join()})`);
    });
    for (const end of ["x1", "x2"]) cursor.setAttribute(end, String(frames[frame].x));
    moment.textContent = frames[frame].words;
    slider.value = String(frame);
    slider.setAttribute("aria-valuetext", frames[frame].words);
  };

  let timer: ReturnType<typeof setInterval> | undefined;
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
    button.setAttribute("aria-label", "Play");
    icon.setAttribute("d", "M3 1v14l11-7z");
  };
  const start = () => {
    // Who asked for less motion gets one frame a second.
    const page = globalThis as unknown as { matchMedia(query: string): { readonly matches: boolean } };
    const pause = page.matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 140;
    if (Number(slider.value) === frames.length - 1) show(0);
    timer = setInterval(() => {
      if (host.isConnected && Number(slider.value) < frames.length - 1) show(Number(slider.value) + 1);
      if (!host.isConnected || Number(slider.value) === frames.length - 1) stop();
    }, pause);
    button.setAttribute("aria-label", "Pause");
    icon.setAttribute("d", "M3 1h4v14H3zM9 1h4v14H9z");
  };
  button.addEventListener("click", () => (timer === undefined ? start() : stop()));
  slider.addEventListener("input", () => {
    stop();
    show(Number(slider.value));
  });
  // Jupyter has plans of its own for arrows and letters.
  root.addEventListener("keydown", (event) => event.stopPropagation());
  stop();
  show(0);
  host.innerHTML = "";
}
