/**
 * Figures with a script: what a page holds of them, that they start, each once, and that what a page's text must not hold can't get into
 * it.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { DOMParser } from "linkedom";
import { movable, type MovableFigure } from "../../lib/figures/html.ts";
import { Figure } from "../../lib/figures/theme.ts";

const still = new Figure(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 40" width="300" height="40"><text y="20">“still” · ü</text></svg>`,
  `Wide & "narrow" <networks>`,
  300,
  40,
);
/** Says what it was given, and how often it was started. */
const figure = (word: string) =>
  movable({
    still,
    data: { word },
    library: "exports.twice = (x) => 2 * x;",
    start: (root, { word }, library) => {
      const text = root.querySelector("text")!;
      text.textContent = `${text.textContent} ${word} ${library.twice(4)}`;
    },
  });

const parsed = (html: string) => new DOMParser().parseFromString(`<html><body>${html}</body></html>`, "text/html");

/** The page after its scripts have run. */
function opened(...figures: MovableFigure[]): string[] {
  const document = parsed(figures.map(({ html }) => html).join(""));
  const scripts = [...document.querySelectorAll("script")].map((script) => script.textContent!);
  const world = globalThis as { document?: unknown }, before = world.document;
  try {
    world.document = document;
    for (const script of scripts) new Function(script)();
  } finally {
    world.document = before;
  }
  return [...document.querySelectorAll("[data-grokbook]")].map((root) => root.querySelector("text")?.textContent ?? "");
}

Deno.test("a movable figure: a still picture without scripts, the figure itself with them, each on a page once", () => {
  const document = parsed(figure("moves").html), picture = document.querySelector("img")!;
  assertEquals([picture.getAttribute("alt"), picture.getAttribute("width")], [still.title, "300"]);
  assertEquals(document.querySelector("svg"), null);
  assertEquals(opened(figure("a"), figure("b"), figure("a")), ["“still” · ü a 8", "“still” · ü b 8", "“still” · ü a 8"]);
  assertEquals(String(figure("a")), still.title);
  // The same figure is the same text, so that a notebook that is run again doesn't change.
  assertEquals(figure("a").html, figure("a").html);
});

Deno.test("nothing is asked of a server, and words can't end the script", () => {
  const { html, page } = figure("</script><img src=x>");
  assertEquals(html.match(/<\/script/g)!.length, 1);
  assertEquals(opened(figure("</script>")), ["“still” · ü </script> 8"]);
  assert(!/(src|href)="(?!data:)|https?:\/\/(?!www\.w3\.org)|import\(/.test(page));
  assertThrows(
    () => movable({ still, data: null, start: () => {}, library: 'const text = "</script>";' }),
    Error,
    "Cannot put a script into a page: it must not hold </script or <!--, current value is const text",
  );
});
