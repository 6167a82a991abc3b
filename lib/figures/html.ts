/**
 * Figures that a reader can move: HTML that contains its script, needs no server, and shows a still picture wherever scripts don't run, as
 * in a notebook that isn't trusted.
 */
import { escapeMarkup } from "./markup.ts";
import { checksum } from "../run/files.ts";
import type { Figure } from "./theme.ts";

/** As much of a page's element as these scripts need; they are checked without a browser's types. */
export interface PageElement {
  innerHTML: string;
  textContent: string | null;
  readonly style: Record<string, string>;
  getAttribute(name: string): string | null;
  setAttribute(name: string, value: string): void;
  querySelector(selector: string): PageElement | null;
  addEventListener(type: string, listener: (event: PageEvent) => void): void;
  setPointerCapture(pointer: number): void;
}

/** As much of a page's events. */
export interface PageEvent {
  readonly clientX: number;
  readonly clientY: number;
  readonly pointerId: number;
  readonly key: string;
  preventDefault(): void;
  stopPropagation(): void;
}

export interface Movable<Data> {
  /** What is seen at first, and where no script runs. The script finds its SVG in the page. */
  readonly still: Figure;
  /** What the script needs; becomes JSON. */
  readonly data: Data;
  /**
   * Moves the figure: gets the element that holds nothing but the still figure's SVG, the data, and what the library exports. Its text goes
   * into the page, so it can use nothing from around it.
   */
  // deno-lint-ignore no-explicit-any -- a library from text has no type
  readonly start: (root: PageElement, data: Data, library: any) => void;
  /** The text of a library that the script needs: a UMD or CommonJS module without imports. */
  readonly library?: string;
}

/** A figure with its script: the HTML, and the picture for where no script runs. */
export class MovableFigure {
  constructor(readonly html: string, readonly still: Figure) {}

  /** Printed, it says its finding. */
  toString(): string {
    return this.still.title;
  }

  /** A page of its own. */
  get page(): string {
    return `<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>${
      escapeMarkup(this.still.title)
    }</title>\n<body>${this.html}</body></html>\n`;
  }

  /** How a notebook cell shows it. */
  [Symbol.for("Jupyter.display")](): Record<string, string> {
    return { "text/html": this.html };
  }
}

/** A figure that its script moves. It can stand on a page several times, and beside others. */
export function movable<Data>({ still, data, start, library = "" }: Movable<Data>): MovableFigure {
  const { title, width, height, svg } = still;
  const bytes = Array.from(new TextEncoder().encode(svg), (byte) => String.fromCharCode(byte)).join("");
  // Within a script, `<` could only begin what ends it.
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  const text = [library, String(start), String(whenOnPage)];
  const wrong = text.find((each) => /<\/script|<!--/i.test(each));
  if (wrong !== undefined) {
    throw new Error(`Cannot put a script into a page: it must not hold </script or <!--, current value is ${wrong.slice(0, 80)} …`);
  }
  const id = checksum(new TextEncoder().encode([svg, json, ...text].join("\0"))).slice(0, 16);
  const html = `<div data-grokbook="${id}" style="max-width:${width}px">` +
    `<img src="data:image/svg+xml;base64,${btoa(bytes)}" alt="${escapeMarkup(title)}" width="${width}" height="${height}" ` +
    `style="display:block;max-width:100%;height:auto"></div>\n` +
    `<script>(${text[2]})("${id}", ${text[1]}, ${json}, ((exports) => { const module = { exports }, define = undefined; ${library}\n` +
    `return module.exports; })({}))</script>`;
  return new MovableFigure(html, still);
}

/** Part of the page: puts the still figure's SVG in its picture's place and starts the script, for each such figure on the page once. */
function whenOnPage<Data>(
  id: string,
  start: (root: PageElement, data: Data, library: unknown) => void,
  data: Data,
  library: unknown,
): void {
  type Root = PageElement & { moves?: boolean };
  const { document } = globalThis as unknown as { document: { querySelectorAll(selector: string): Iterable<Root> } };
  for (const root of document.querySelectorAll(`[data-grokbook="${id}"]`)) {
    const picture = root.querySelector("img");
    if (root.moves || !picture) continue;
    root.moves = true;
    const bytes = Uint8Array.from(atob(picture.getAttribute("src")!.split(",")[1]), (letter) => letter.charCodeAt(0));
    root.innerHTML = new TextDecoder().decode(bytes);
    const svg = root.querySelector("svg")!;
    svg.style.display = "block";
    svg.style.maxWidth = "100%";
    svg.style.height = "auto";
    start(root, data, library);
  }
}
