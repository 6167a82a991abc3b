/** `deno task lab [Jupyter's options…]`: opens Jupyter on `notebooks/`, with this Deno as its kernel. */
import { join } from "node:path";
import { output, ROOT } from "./process.ts";
import { ensure, find } from "./setup.ts";

const HELP = `deno task lab [Jupyter's options…]

Installs Jupyter where it is missing, makes this Deno Jupyter's kernel, and opens notebooks/ in the
browser, or prints the address where there is no browser to open. The project's notebooks that nobody has changed are
marked as trusted, so that their figures are shown before anything is run. What follows is passed on to Jupyter, for
example --port 9000.`;

/** Jupyter's options: it refuses to run as root unless told, and waits for a text browser where there is no screen. */
export function options(args: readonly string[], { root, screen }: { root: boolean; screen: boolean }): string[] {
  return ["notebook", ...(root ? ["--allow-root"] : []), ...(screen ? [] : ["--no-browser"]), ...args];
}

/**
 * The project's notebooks that are as they were committed, outputs included: what is in them came with the project's code, which runs
 * anyway. What somebody changed, or where git doesn't know, is left to Jupyter's own rules.
 * @returns names within `notebooks/`.
 */
export async function unchanged(root: string = ROOT): Promise<string[]> {
  const git = async (...args: string[]) =>
    (await output("git", ["-C", root, ...args, "--", "notebooks"])).split("\n").filter((file) => file.endsWith(".ipynb"));
  const changed = await git("diff", "--name-only", "--relative", "HEAD");
  return (await git("ls-files")).filter((file) => !changed.includes(file)).map((file) => file.replace(/^notebooks\//, ""));
}

/**
 * Marks notebooks as trusted, by Jupyter's own signature of their contents: an untrusted one shows neither SVG nor what scripts draw.
 * @returns whether it could; where it couldn't, notebooks show their PNG pictures.
 */
export async function trust(names: readonly string[], folder = join(ROOT, "notebooks")): Promise<boolean> {
  if (names.length === 0) return false;
  const files = names.map((name) => join(folder, name)),
    signed = async (program: string, ...args: string[]) => /signed|trust/i.test(await output(program, [...args, ...files]));
  if (await signed("jupyter-trust")) return true;
  // Debian keeps that program in a package of its own; the module it calls comes with Jupyter.
  const program = find("jupyter-notebook"), python = program && (await Deno.readTextFile(program)).match(/^#!\s*(\S*python\S*)/)?.[1];
  return python !== undefined && python !== "" && await signed(python, "-m", "nbformat.sign");
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) {
    console.log(HELP);
    Deno.exit(0);
  }
  const missing = await ensure(["jupyter", "kernel"]);
  if (missing.includes("jupyter")) Deno.exit(1);
  await trust(await unchanged());
  const screen = Deno.build.os !== "linux" || Boolean(Deno.env.get("DISPLAY") ?? Deno.env.get("WAYLAND_DISPLAY"));
  const args = options(Deno.args, { root: Deno.uid() === 0, screen });
  const jupyter = new Deno.Command("jupyter", { args, cwd: join(ROOT, "notebooks"), stdin: "inherit" }).spawn();
  Deno.addSignalListener("SIGINT", () => {}); // Ctrl-C goes to Jupyter, which asks and stops; this then ends with it
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", () => jupyter.kill("SIGTERM")); // or Jupyter would go on alone
  Deno.exit((await jupyter.status).code);
}
