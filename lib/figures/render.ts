/** A figure as files: SVG, and PNG drawn with the project's own font, so that it looks the same on every machine. */
import { writeAll } from "../run/files.ts";
import { Resvg } from "@resvg/resvg-js";
// @ts-types="@types/upng-js"
import UPNG from "upng-js";
// Importing a file of the package makes Deno fetch it; the fonts are then found beside it.
import "@expo-google-fonts/inter/package.json" with { type: "json" };
import { fileURLToPath } from "node:url";
import type { Figure } from "./theme.ts";

const font = (style: string) => fileURLToPath(import.meta.resolve(`@expo-google-fonts/inter/${style}`));
const FONTS = ["400Regular/Inter_400Regular.ttf", "600SemiBold/Inter_600SemiBold.ttf", "700Bold/Inter_700Bold.ttf"];

/** The figure as pixels; `scale`: pixels per SVG unit. */
const drawn = ({ svg }: Figure, scale: number) =>
  new Resvg(svg, {
    fitTo: { mode: "zoom", value: scale },
    font: { loadSystemFonts: false, fontFiles: FONTS.map(font), defaultFontFamily: "Inter" },
  }).render();

/** The figure as a PNG; `scale`: pixels per SVG unit. */
export const png = (figure: Figure, scale = 2): Uint8Array => drawn(figure, scale).asPng();

/** Colours of a small PNG: figures have few, and the smoothed edges of text and lines need some more. */
const COLOURS = 32;

/** The figure as a small PNG, one pixel per SVG unit, with `COLOURS` colours: for notebooks, beside the SVG. */
export function smallPng(figure: Figure): Uint8Array {
  const { pixels, width, height } = drawn(figure, 1);
  return new Uint8Array(UPNG.encode([new Uint8Array(pixels).buffer], width, height, COLOURS));
}

/**
 * Writes `path.svg` and `path.png`, both or neither; creates the folder. An ending `.svg` or `.png` of `path` is dropped.
 * @throws Error that names the file where it can't be written.
 */
export async function writeFigure(figure: Figure, path: string): Promise<{ svg: string; png: string }> {
  const stem = path.replace(/\.(svg|png)$/, "");
  const files = { svg: `${stem}.svg`, png: `${stem}.png` };
  await writeAll([[files.svg, figure.svg], [files.png, png(figure)]]);
  return files;
}
