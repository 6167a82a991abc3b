/**
 * What a newcomer sees before anything is run. In a Jupyter that trusts no notebook, every figure that is kept is seen, as a picture, and
 * every text as text; and the Jupyter that `deno task lab` starts trusts what came with the project, unless somebody changed it.
 */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { type Output, projectNotebooks } from "../../lib/cli/notebooks.ts";
import { unchanged } from "../../lib/cli/lab.ts";
import { output, ROOT } from "../../lib/cli/process.ts";
import { canBrowse, inJupyter, inLab, type OpenNotebook } from "./jupyter.ts";
import { committed } from "./notebook_checks.ts";

/** What a notebook keeps: figures, still or to be moved, and whatever else is shown as a page shows it. */
function kept(name: string) {
  const outputs = committed(name).cells.flatMap(({ outputs = [] }) => outputs);
  const html = ({ data }: Output) => String([data?.["text/html"] ?? ""].flat().join(""));
  const figures = outputs.filter(({ data = {}, ...rest }) => "image/svg+xml" in data || html({ data, ...rest }).includes("data-grokbook"));
  return { figures: figures.length, pages: outputs.filter((each) => html(each) !== "").length };
}

/** Of what is kept, what is seen: pictures of some size, and texts and tables. */
async function seen({ page }: OpenNotebook) {
  await page.waitForFunction("Jupyter.notebook._fully_loaded");
  await page.waitForFunction("[...document.images].every((image) => image.complete)");
  const areas = (selector: string) =>
    page.locator(selector).evaluateAll((found) =>
      found.filter((each) => {
        const { width, height } = each.getBoundingClientRect();
        return width >= 500 && height >= 100 && (!("naturalWidth" in each) || Number(each.naturalWidth) > 0);
      }).length
    );
  return {
    figures: await areas(".output_png img, .output_svg svg:not(svg svg), .output_html [data-grokbook] > *, .output_html img"),
    pages: await page.locator(".output_html").count(),
    raw: (await page.locator(".output_text").allTextContents()).filter((text) => text.trim() !== "").length,
    triangles: await page.evaluate<number>(
      `[...document.querySelectorAll("summary")].filter((each) => getComputedStyle(each).display === "list-item").length`,
    ),
    summaries: await page.locator("summary").count(),
  };
}

Deno.test({
  name: "in a Jupyter that trusts none of them, every notebook shows its figures, tables and texts before anything is run",
  ignore: !canBrowse,
  fn: async () => {
    const names = projectNotebooks();
    // Trust belongs to a notebook's contents: with a mark in it, it is one that nobody has trusted.
    const marked = (name: string) => ({ ...committed(name), metadata: { ...committed(name).metadata, mark: crypto.randomUUID() } });
    await inJupyter(Object.fromEntries(names.map((name) => [name, marked(name)])), async (open) => {
      let all = 0;
      for (const name of names) {
        const notebook = await open(name), { summaries, triangles, ...shown } = await seen(notebook);
        assertEquals(await notebook.trusted(), false, name);
        assertEquals(shown, { ...kept(name), raw: 0 }, name);
        assertEquals(triangles, summaries, name);
        all += shown.figures;
        await notebook.page.close();
      }
      assert(all > 50, `${all} figures`);
    });
  },
});

/** A fresh clone, one notebook of which was changed; `null` where this isn't a git checkout. */
async function clone(changed: string): Promise<string | null> {
  const folder = await Deno.makeTempDir();
  await output("git", ["clone", "--quiet", "--no-hardlinks", "--depth", "1", `file://${ROOT}`, folder]);
  const file = join(folder, "notebooks", changed);
  const text = await Deno.readTextFile(file).catch(() => null);
  if (text === null) {
    await Deno.remove(folder, { recursive: true });
    return null;
  }
  await Deno.writeTextFile(file, text.replace("# Question", "# Another question"));
  return folder;
}

Deno.test({
  name: "deno task lab in a fresh clone trusts the notebooks as they came, and not one that was changed",
  ignore: !canBrowse,
  fn: async () => {
    const project = await clone("template.ipynb");
    if (project === null) return console.log("not a git checkout: nothing to clone");
    try {
      assertEquals(await unchanged(project), projectNotebooks().filter((name) => name !== "template.ipynb"));
      await inLab({ project, folder: join(project, "notebooks"), stranger: true }, async (open) => {
        const [lesson, template] = [await open("06_representations.ipynb"), await open("template.ipynb")];
        assertEquals([await lesson.trusted(), await template.trusted()], [true, false]);
        // Words in tables stand at the left, though Jupyter's own style sheet has all cells at the right.
        const aligned =
          `[...document.querySelectorAll(".output_html td")].map((cell) => [cell.textContent, getComputedStyle(cell).textAlign])`;
        const cells = await lesson.page.evaluate<[string, string][]>(aligned);
        const words = cells.filter(([text]) => /^[A-Z][a-z]+ .* [a-z]+/.test(text));
        assertEquals([words.length > 0, words.filter(([, side]) => side !== "left")], [true, []]);
        assert((await seen(lesson)).figures > 0 && await lesson.page.locator(".output_svg svg").count() > 0, "no figure is seen");
      });
    } finally {
      await Deno.remove(project, { recursive: true });
    }
  },
});
