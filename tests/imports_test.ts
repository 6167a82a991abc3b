/** The rooms of lib: which may import from which, and that no imports run in a circle, types included. */
import { assertEquals } from "@std/assert";
import { filesIn, ROOT } from "../lib/cli/process.ts";

/** Room by room, what its files may import besides their own room. `mod.ts` is the core that notebooks import. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  run: [],
  engine: ["run"],
  reference: ["run", "engine"],
  train: ["run", "engine", "reference"],
  analysis: ["run"],
  figures: ["run", "analysis"],
  lab: ["run", "engine", "reference", "train", "analysis"],
  studies: ["run", "train", "analysis", "lab"],
  notebook: ["run", "engine", "reference", "train", "analysis", "figures", "lab", "studies"],
  "mod.ts": ["run", "engine", "reference", "train", "analysis", "figures", "lab", "studies", "notebook"],
  page: ["run", "engine", "train", "analysis", "figures", "studies"],
  cli: ["run", "engine", "reference", "train", "analysis", "figures", "lab", "studies", "notebook", "page"],
};

/** The room of a file: the folder below lib, or the file itself where it stands at the top. */
const room = (file: string) => file.split("/")[1];

/** Modules of lib that a file imports, types and dynamic imports among them; examples in comments aren't imports. */
export function importsOf(file: string, text: string): string[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "");
  return [...code.matchAll(/(?:\bfrom|\bimport\(|^import)\s*"(\.[^"]+\.ts)"/gm)]
    .map(([, to]) => new URL(to, `file:///${file}`).pathname.slice(1));
}

/** Every import that the table doesn't allow, as "from → to". */
export const forbidden = (imports: ReadonlyMap<string, readonly string[]>): string[] =>
  [...imports].flatMap(([from, all]) =>
    all.filter((to) => room(to) !== room(from) && !MAY_IMPORT[room(from)]?.includes(room(to))).map((to) => `${from} → ${to}`)
  );

/** One circle of imports, as the files on it; empty where there is none. */
export function circle(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): string[] => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return [];
    for (const next of imports.get(file) ?? []) {
      const found = walk(next, [...path, file]);
      if (found.length > 0) return found;
    }
    done.add(file);
    return [];
  };
  for (const file of imports.keys()) {
    const found = walk(file, []);
    if (found.length > 0) return found;
  }
  return [];
}

const lib = () => new Map(filesIn("lib", ".ts").map((file) => [file, importsOf(file, Deno.readTextFileSync(`${ROOT}/${file}`))]));

Deno.test("imports run one way between the rooms of lib", () => assertEquals(forbidden(lib()), []));

Deno.test("no imports of lib run in a circle, types included", () => assertEquals(circle(lib()), []));

Deno.test("what the two tests above would find", () => {
  const text = '/** import "./no.ts" */\nimport type { A } from "../run/a.ts";\nconst b = await import("./b.ts");\nimport "./c.ts";\n';
  assertEquals(importsOf("lib/engine/x.ts", text), ["lib/run/a.ts", "lib/engine/b.ts", "lib/engine/c.ts"]);
  assertEquals(forbidden(new Map([["lib/run/a.ts", ["lib/engine/x.ts"]], ["lib/engine/x.ts", ["lib/run/a.ts"]]])), [
    "lib/run/a.ts → lib/engine/x.ts",
  ]);
  assertEquals(forbidden(new Map([["lib/unknown/a.ts", ["lib/run/x.ts"]]])), ["lib/unknown/a.ts → lib/run/x.ts"]);
  assertEquals(circle(new Map([["a", ["b"]], ["b", ["c", "d"]], ["c", []], ["d", ["b"]]])), ["b", "d", "b"]);
  assertEquals(circle(new Map([["a", ["b", "c"]], ["b", ["c"]], ["c", []]])), []);
});
