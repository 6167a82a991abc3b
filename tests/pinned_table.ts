/** Values that a JSON file pins: those that are there must stay as they are; a new one is told from one that has changed. */
import { dirname, join } from "node:path";

interface Tree {
  readonly [name: string]: string | number | Tree;
}
type Value = Tree[string];
const isTree = (value: Value): value is Tree => typeof value === "object";

/** Where a value differs from a pinned one, as the paths to it. */
interface Differences {
  readonly changed: string[];
  readonly gone: string[];
  readonly added: { readonly parent: readonly string[]; readonly name: string; readonly value: Value }[];
}

function compare(now: Tree, pinned: Tree, parent: readonly string[], found: Differences): void {
  const say = (name: string) => [...parent, name].join(" › ");
  for (const [name, was] of Object.entries(pinned)) {
    const is = now[name];
    if (!Object.hasOwn(now, name)) found.gone.push(say(name));
    else if (isTree(was) && isTree(is)) compare(is, was, [...parent, name], found);
    else if (is !== was) found.changed.push(`${say(name)}: must be ${JSON.stringify(was)}, current value is ${JSON.stringify(is)}`);
  }
  for (const [name, value] of Object.entries(now)) if (!Object.hasOwn(pinned, name)) found.added.push({ parent, name, value });
}

/** An entry as it stands in a file that is written with an indent of two. */
const lines = (depth: number, name: string, value: Value) =>
  JSON.stringify({ [name]: value }, null, 2).split("\n").slice(1, -1).map((line) => "  ".repeat(depth) + line).join("\n") + ",";

/**
 * @param file From the root of the project.
 * @param at The part of the file that `pinned` is, from the outermost name: none where it is the whole file.
 * @throws Error that names what has changed, what is pinned and there no more, and the lines to insert for what isn't pinned yet.
 */
export function assertPinned(now: Tree, pinned: Tree, file: string, at: readonly string[] = []): void {
  const found: Differences = { changed: [], gone: [], added: [] };
  compare(now, pinned, at, found);
  const { changed, gone, added } = found, parts = Map.groupBy(added, ({ parent }) => parent.join(" › "));
  const says = [
    ...changed.length > 0 ? [`These must not change:\n${changed.join("\n")}`] : [],
    ...gone.length > 0 ? [`These are pinned and are there no more; take them out of ${file} if that is meant:\n${gone.join("\n")}`] : [],
    ...[...parts].map(([path, entries]) =>
      `These aren't pinned yet; if they are new, insert into ${path ? `"${path}" of ` : ""}${file}:\n${
        entries.map(({ parent, name, value }) => lines(parent.length, name, value)).join("\n")
      }`
    ),
  ];
  if (says.length > 0) throw new Error(says.join("\n\n"));
}

/** A JSON file of the project. */
export const pinnedFile = (file: string): Tree => JSON.parse(Deno.readTextFileSync(join(dirname(import.meta.dirname!), file)));
