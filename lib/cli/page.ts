/** `deno task page`: serves the page to learn from, or writes its files. */
import { reason } from "../run/files.ts";
import { buildPage, type Files, writePage } from "../page/build.ts";
import { here, prepareFolder } from "./files.ts";
import { type Flag, flagHelp, parse, whole } from "./flags.ts";
import { run } from "./main.ts";
import { tell } from "./terminal.ts";

const HELP = `Serves the page to learn from on this machine: networks train in the browser, nothing is installed.

  deno task page                # serves it and opens the browser
  deno task page --build DIR    # writes static files, which any web host can serve

The files work without a network once they have been loaded.`;
const FLAGS: Record<string, Flag> = {
  build: { value: "DIR", help: "write the page's files into this folder, and serve nothing" },
  port: { value: "N", help: "serve on this port [8424, or the next that is free]" },
  "no-open": { help: "print the address, and open no browser" },
  help: { help: "this text" },
};

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
  wasm: "application/wasm",
};

/** What isolates a page, so that its threads can share memory. */
export const ISOLATING = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

/** Answers requests from the page's files; `headers`: besides the type. */
export const answering = (files: Files, headers: Readonly<Record<string, string>> = ISOLATING) => (request: Request): Response => {
  const name = new URL(request.url).pathname.slice(1) || "index.html", bytes = files.get(name);
  if (!bytes) return new Response("There is no such file on this page.\n", { status: 404 });
  const type = TYPES[name.split(".").at(-1)!] ?? "application/octet-stream";
  return new Response(bytes, { headers: { "Content-Type": type, "Cache-Control": "no-cache", ...headers } });
};

const FIRST_PORT = 8424, LAST_PORT = 65535;

/** Serves on a port, or on the first one from `FIRST_PORT` that is free. */
function serve(files: Files, port?: number): Deno.HttpServer<Deno.NetAddr> {
  for (let at = port ?? FIRST_PORT;; at++) {
    try {
      return Deno.serve({ port: at, hostname: "127.0.0.1", onListen: () => {} }, answering(files));
    } catch (error) {
      if (port !== undefined || !(error instanceof Deno.errors.AddrInUse) || at > FIRST_PORT + 50) {
        throw new Error(`Cannot serve the page: port ${at} must be free, ${reason(error)}`);
      }
    }
  }
}

/** Opens the address in a browser, where there is a program for that. */
async function open(address: string): Promise<void> {
  const [program, ...args] = { darwin: ["open"], windows: ["cmd", "/c", "start"] }[Deno.build.os as string] ?? ["xdg-open"];
  const command = new Deno.Command(program, { args: [...args, address], stdin: "null", stdout: "null", stderr: "null" });
  await command.output().catch(() => {}); // the address stands above
}

async function main(args: string[]): Promise<number> {
  const given = parse(args, FLAGS);
  if (given.has("help")) {
    tell(`${HELP}\n\n${flagHelp("Flags", Object.entries(FLAGS))}`);
    return 0;
  }
  const folder = given.get("build") as string | undefined, text = given.get("port") as string | undefined;
  if (folder !== undefined && text !== undefined) throw new Error("Cannot use --build and --port together: must be one of them");
  const port = text === undefined ? undefined : whole("port", text, 1, LAST_PORT);
  if (folder !== undefined) {
    await prepareFolder("--build", folder);
    const files = await writePage(folder), bytes = [...files.values()].reduce((sum, { length }) => sum + length, 0);
    tell(`${files.size} files, ${Math.ceil(bytes / 1024)} KiB, are in ${here(folder)}. Any web host can serve them.`);
    return 0;
  }
  const server = serve(await buildPage(), port), address = `http://localhost:${server.addr.port}/`;
  tell(`The page is at ${address}. Ctrl-C ends it.`);
  Deno.addSignalListener("SIGINT", () => void server.shutdown());
  if (!given.has("no-open")) void open(address);
  await server.finished;
  return 0;
}

if (import.meta.main) await run(main);
