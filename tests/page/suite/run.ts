/**
 * The engines' suites in Chromium, on its own WebGPU: Dawn and its compiler Tint are a second implementation that reads our WGSL. It needs
 * no card.
 *
 *     deno run -A tests/page/suite/run.ts [PATTERN]
 */
import { fileURLToPath } from "node:url";
import { bundle, type Files } from "../../../lib/page/build.ts";
import { launch, SOON } from "../../chromium.ts";
import { files, ISOLATED, serve } from "../browser.ts";
import type { Result } from "./begin.ts";

/** An adapter that is a program: without these, Chromium offers none where there is no card. */
const SOFTWARE = [
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan",
  "--use-vulkan=swiftshader",
];

/** What the oracle loads besides its script. */
const ORACLE = ["tfjs-backend-wasm.wasm", "tfjs-backend-wasm-simd.wasm", "tfjs-backend-wasm-threaded-simd.wasm"];

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The page's files, the suites' script and the fixtures. */
async function suiteFiles(): Promise<Files> {
  const suites = await bundle([at("entry.ts")], {
    "node:assert/strict": at("assert.ts"),
    "@tensorflow/tfjs-backend-webgpu": at("none.ts"),
  });
  const fixtures = await Array.fromAsync(
    Deno.readDir(at("../../fixtures")),
    async ({ name }) => [name, await Deno.readFile(at(`../../fixtures/${name}`))] as const,
  );
  const wasm = await Promise.all(ORACLE.map(async (name) => {
    return [name, await Deno.readFile(fileURLToPath(import.meta.resolve(`@tensorflow/tfjs-backend-wasm/dist/${name}`)))] as const;
  }));
  const empty = new TextEncoder().encode("<!doctype html><title>Suites</title><script type=module src=entry.js></script>");
  return new Map([...await files(), ...suites, ...fixtures.filter(([name]) => name.endsWith(".json")), ...wasm, ["suite.html", empty]]);
}

/** Runs the tests whose names match the pattern, in Chromium on a software adapter. @returns what came of each. */
export async function inChromium(pattern: string, told: (result: Result) => void = () => {}): Promise<Result[]> {
  await using server = serve(await suiteFiles(), ISOLATED);
  await using chrome = await launch(SOFTWARE);
  const page = await chrome.newPage(), results: Result[] = [];
  page.setDefaultTimeout(SOON);
  page.on("pageerror", ({ message }) => results.push({ name: "the page", seconds: 0, error: message }));
  const crashed = new Promise<never>((_, reject) =>
    page.on("crash", () => reject(new Error("Cannot run the suites: the page must live, it crashed")))
  );
  await page.exposeFunction("told", (result: Result) => {
    results.push(result);
    told(result);
  });
  await page.goto(`${server.address}suite.html`);
  await page.waitForFunction("'suite' in globalThis");
  await Promise.race([
    crashed,
    page.evaluate((pattern) => (globalThis as unknown as { suite(pattern: string): Promise<number> }).suite(pattern), pattern),
  ]);
  return results;
}

if (import.meta.main) {
  const results = await inChromium(Deno.args[0] ?? "", ({ name, seconds, error }) => {
    console.log(`${error === null ? "ok" : "FAILED"}  ${name} (${seconds.toFixed(1)} s)${error === null ? "" : `\n        ${error}`}`);
  });
  const failed = results.filter(({ error }) => error !== null).length;
  console.log(`${results.length - failed} passed, ${failed} failed`);
  Deno.exit(failed > 0 || results.length === 0 ? 1 : 0);
}
