/** Notebooks in Jupyter and outside of it: how it is started for them, and their code as one script. */
import { assertEquals } from "@std/assert";
import { options } from "../../lib/cli/lab.ts";
import { script } from "../../lib/cli/ok.ts";

Deno.test("a notebook becomes one script, cell after cell", () => {
  const cells = [
    { cell_type: "markdown", source: ["# Title"] },
    { cell_type: "code", source: ["const a = 1;\n", "a;"] },
    { cell_type: "code", source: "a + 1" },
  ];
  assertEquals(script({ cells }), "// cell 2\nconst a = 1;\na;\n\n// cell 3\na + 1\n");
});

Deno.test("Jupyter is told of root and of a missing screen", () => {
  assertEquals(options(["--port", "9"], { root: true, screen: false }), ["notebook", "--allow-root", "--no-browser", "--port", "9"]);
  assertEquals(options([], { root: false, screen: true }), ["notebook"]);
});
