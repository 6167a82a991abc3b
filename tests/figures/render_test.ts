/** Figures as files: PNGs with their words, small pictures, and files that are whole. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { decode } from "fast-png";
import { learningCurves, trainingCurves } from "../../lib/figures/curves.ts";
import { png, smallPng, writeFigure } from "../../lib/figures/render.ts";
import type { Figure } from "../../lib/figures/theme.ts";
import { run, ten } from "./made_curves.ts";

/** Checks the signature; what the picture's header says, and its bytes. */
function pngInfo(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  assertEquals([...bytes.subarray(0, 8)], [137, 80, 78, 71, 13, 10, 26, 10]);
  return { width: view.getUint32(16), height: view.getUint32(20), size: bytes.length };
}

Deno.test("PNG: two pixels for one, with text drawn from the project's own font", () => {
  const figure = learningCurves(ten);
  const { width, height, size } = pngInfo(png(figure));
  assertEquals([width, height], [2 * figure.width, 2 * figure.height]);
  // The same picture without its words is smaller by what the words take: they were drawn.
  const wordless = pngInfo(png({ ...figure, svg: figure.svg.replaceAll(/<text.*?<\/text>/g, "") } as Figure)).size;
  const blank = pngInfo(png({ ...figure, svg: figure.svg.replace(/(<rect[^>]*>).*/, "$1</svg>") } as Figure)).size;
  assert(size > 1.5 * wordless && wordless > blank, `${size} bytes, ${wordless} without words, ${blank} without marks`);
});

Deno.test("files are written whole or not at all", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const figure = learningCurves(ten);
    const written = await writeFigure(figure, `${folder}/new/first.svg`);
    assertEquals(Object.values(written), [`${folder}/new/first.svg`, `${folder}/new/first.png`]);
    assertEquals(await Deno.readTextFile(written.svg), figure.svg);
    pngInfo(await Deno.readFile(written.png));
    assertEquals([...Deno.readDirSync(`${folder}/new`)].length, 2);
    await Deno.mkdir(`${folder}/taken.svg/full`, { recursive: true });
    const error = await writeFigure(figure, `${folder}/taken`).then(() => undefined, (error: Error) => error);
    assertStringIncludes(error?.message ?? "", `Cannot write ${folder}/taken.svg`);
    assertEquals([...Deno.readDirSync(folder)].map((entry) => entry.name).sort(), ["new", "taken.svg"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a small picture of a figure is small, of few colours, and still the figure", () => {
  const figure = trainingCurves([run(0, 100, 200), run(1, 120, 400)]),
    small = smallPng(figure),
    { width, height, data, palette } = decode(small);
  assertEquals([width, height], [figure.width, figure.height]);
  assert(small.length < 60_000 && (palette?.length ?? Infinity) <= 32, `${small.length} bytes, ${palette?.length} colours`);
  assert(new Set(data).size > 8, "nothing is drawn");
});
