/** Elements of the page, found and made. */
/// <reference lib="dom" />
import * as Plot from "@observablehq/plot";
import type { Panel } from "../figures/theme.ts";

/** The element of this id. @throws Error where the page has none. */
export function found<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`Cannot find #${id}: the page must have it`);
  return element as T;
}

type Attributes = Readonly<Record<string, string | number | boolean | EventListener>>;

/** An element with attributes, listeners (`onclick`) and what it holds. */
export function made<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.replace(/^on/, ""), value);
    else if (typeof value === "boolean") element.toggleAttribute(key, value);
    else element.setAttribute(key, String(value));
  }
  element.append(...children);
  return element;
}

/** Widths at which a panel is drawn, in pixels: on a narrower screen it is shown smaller, on a wider one with space around it. */
interface Widths {
  readonly least?: number;
  readonly most?: number;
}

/** Draws a panel in place of what is there, as wide as there is room; `says` is what a screen reader reads. */
export function draw(into: HTMLElement, says: string, panel: (width: number) => Panel, { least = 200, most = 560 }: Widths = {}): void {
  const room = into.clientWidth;
  if (room === 0) return;
  const options = panel(Math.min(most, Math.max(least, room))), figure = Plot.plot({ ...options, ariaLabel: says }) as SVGSVGElement;
  figure.querySelector("style")?.remove();
  figure.removeAttribute("class");
  figure.setAttribute("role", "img");
  figure.style.maxWidth = `${options.width}px`;
  into.replaceChildren(figure);
}

/** Changes a text only where it is another, so that screen readers hear it once. */
export function write(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
