/** A figure as files: SVG, and PNG drawn with a font of the project, so that it looks the same on a machine without any. */
import { writeWhole } from "../run/files.ts";
import { Resvg } from "@resvg/resvg-js";
// Importing a file of the package makes Deno fetch it; the fonts are then found beside it.
import "@expo-google-fonts/inter/package.json" with { type: "json" };
import { fileURLToPath } from "node:url";
import type { Figure } from "./theme.ts";

const font = (style: string) => fileURLToPath(import.meta.resolve(`@expo-google-fonts/inter/${style}`));
const FONTS = ["400Regular/Inter_400Regular.ttf", "600SemiBold/Inter_600SemiBold.ttf", "700Bold/Inter_700Bold.ttf"];

/** The figure as a PNG; `scale` 2 gives two pixels for one of the SVG's. */
export function png(figure: Figure, scale = 2): Uint8Array {
  const resvg = new Resvg(figure.svg, {
    fitTo: { mode: "zoom", value: scale },
    font: { loadSystemFonts: false, fontFiles: FONTS.map(font), defaultFontFamily: "Inter" },
  });
  return resvg.render().asPng();
}

/**
 * Writes `path.svg` and `path.png`, each whole or not at all; makes the folder. An ending `.svg` or `.png` of `path` is dropped.
 * @throws Error that names the file where it can't be written.
 */
export async function writeFigure(figure: Figure, path: string): Promise<{ svg: string; png: string }> {
  const stem = path.replace(/\.(svg|png)$/, "");
  const files = { svg: `${stem}.svg`, png: `${stem}.png` };
  await writeWhole(files.svg, figure.svg);
  await writeWhole(files.png, png(figure));
  return files;
}
