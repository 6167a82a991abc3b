/** Builds the page: static files that any web host can serve. Deno's bundler is esbuild. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { checksum, reason, writeWhole } from "../run/files.ts";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const ROOT = at("../../");

/** What the page's modules share with the laboratory and browsers haven't, with what stands in for it. */
const INSTEAD = {
  [at("../engine/machine.ts")]: at("browser/machine.ts"),
  [at("../run/files.ts")]: at("browser/files.ts"),
  linkedom: at("browser/linkedom.ts"),
};

/** The page's scripts: the window's, two workers', the threads' of the processor engine, and the service worker's. */
const SCRIPTS = ["app", "train", "look", "thread", "offline"] as const;
/** Files that are taken as they are, by their names on the page. */
const COPIED = {
  "index.html": at("index.html"),
  "style.css": at("style.css"),
  "icon.svg": at("icon.svg"),
  "kernels.wasm": at("../engine/cpu/kernels.wasm"),
};

/** A page's files by name. */
export type Files = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/** @throws Error in one line where the bundler can't be had, or a module is wrong. */
export async function buildPage(): Promise<Files> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const [name, path] of Object.entries(COPIED)) files.set(name, await Deno.readFile(path));
  for (const [name, bytes] of await bundle(SCRIPTS.map((name) => at(`entry/${name}.ts`)))) files.set(name, bytes);
  const offline = files.get("offline.js")!, names = [...files.keys()].filter((name) => name !== "offline.js");
  const version = checksum(new TextEncoder().encode(names.map((name) => checksum(files.get(name)!)).join())).slice(0, 16);
  const head = new TextEncoder().encode(`const VERSION = ${JSON.stringify(version)}, FILES = ${JSON.stringify(names)};\n`);
  files.set("offline.js", Uint8Array.of(...head, ...offline));
  return files;
}

/** Builds the page into a folder, which is made. */
export async function writePage(folder: string): Promise<Files> {
  const files = await buildPage();
  for (const [name, bytes] of files) await writeWhole(join(folder, name), bytes);
  return files;
}

/** Modules with all that they import, for browsers, by the names of their scripts; `more`: other modules to be put in place of some. */
export async function bundle(entries: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<Files> {
  const folder = await Deno.makeTempDir({ prefix: "grokbook-page-" });
  try {
    const { imports } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
    const map = join(folder, "map.json"), out = join(folder, "out");
    await Deno.writeTextFile(map, JSON.stringify({ imports: { ...imports, ...mapped({ ...INSTEAD, ...more }) } }));
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["bundle", "--quiet", "--platform=browser", "--minify", "--frozen", "--import-map", map, "--outdir", out, ...entries],
      cwd: ROOT,
      stdin: "null",
      env: { NO_COLOR: "1" },
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr).trim().split("\n").find((line) => line !== "") ?? "it failed");
    return new Map(await Array.fromAsync(Deno.readDir(out), async ({ name }) => [name, await Deno.readFile(join(out, name))] as const));
  } catch (error) {
    throw new Error(`Cannot build the page: ${reason(error)}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** As an import map says it: files by their addresses. */
const mapped = (modules: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(modules).map(([from, to]) => [from.startsWith("/") ? address(from) : from, address(to)]));
const address = (path: string) => new URL(`file://${path}`).href;
