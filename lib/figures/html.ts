/**
 * Interactive figures: HTML that contains its script, needs no server, and shows a still picture where scripts don't run, as in an
 * untrusted notebook.
 */
import { escapeMarkup } from "./markup.ts";
import { checksum } from "../run/files.ts";
import type { Figure } from "./theme.ts";

/** The DOM members that these scripts need; they are checked without a browser's types. */
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

/** The members of DOM events that they need. */
export interface PageEvent {
  readonly clientX: number;
  readonly clientY: number;
  readonly pointerId: number;
  readonly key: string;
  preventDefault(): void;
  stopPropagation(): void;
}

export interface Movable<Data> {
  /** The figure shown at first, and where scripts don't run. The script finds its SVG on the page. */
  readonly still: Figure;
  /** The script's data; must be serialisable as JSON. */
  readonly data: Data;
  /**
   * The script: gets the element that contains only the still figure's SVG, the data, and the library's exports. The function's text goes
   * into the page, so it can't use anything from outside.
   */
  // deno-lint-ignore no-explicit-any -- a library from text has no type
  readonly start: (root: PageElement, data: Data, library: any) => void;
  /** The text of a library that the script needs: a UMD or CommonJS module without imports. */
  readonly library?: string;
}

/** A figure with its script: the HTML, and the picture shown where scripts don't run. */
export class MovableFigure {
  constructor(readonly html: string, readonly still: Figure) {}

  /** Prints as the figure's title. */
  toString(): string {
    return this.still.title;
  }

  /** The figure as an HTML page of its own. */
  get page(): string {
    return `<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>${
      escapeMarkup(this.still.title)
    }</title>\n<body>${this.html}</body></html>\n`;
  }

  /** The output of a notebook cell. */
  [Symbol.for("Jupyter.display")](): Record<string, string> {
    return { "text/html": this.html };
  }
}

/**
 * An interactive figure. A page may contain it several times, and others beside it.
 * @throws Error where a script's text contains `</script` or `<!--`.
 */
export function movable<Data>({ still, data, start, library = "" }: Movable<Data>): MovableFigure {
  const { title, width, height, svg } = still;
  const bytes = Array.from(new TextEncoder().encode(svg), (byte) => String.fromCharCode(byte)).join("");
  // Escaped, since `</script` or `<!--` in the data would break the script.
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

/** Runs on the page: replaces the picture by its SVG and starts the script, once for each such figure on the page. */
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
