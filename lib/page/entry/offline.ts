/**
 * The service worker: keeps all files of the page, answers from them when there is no network, and adds the headers that isolate the page,
 * which many hosts can't be told to send.
 */
/// <reference lib="dom" />

// The build says both.
declare const VERSION: string, FILES: readonly string[];

/** As much of a service worker as is used here. */
interface Lifetime extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Event {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
const worker = globalThis as unknown as {
  addEventListener(type: "install" | "activate", listener: (event: Lifetime) => void): void;
  addEventListener(type: "fetch", listener: (event: Fetching) => void): void;
  readonly registration: { readonly scope: string };
  clients: { claim(): Promise<void> };
};

/** The caches of this page, all versions: an address may have other builds of it beside this one, in other folders. */
const OWN = `grokbook ${worker.registration.scope} `, NAME = OWN + VERSION;

/** Whether a cache is this page's. Names of older builds, `grokbook-VERSION`, say no folder: there, the page that is kept does. */
const isOwn = async (name: string) =>
  name.startsWith(OWN) || name.startsWith("grokbook-") && await (await caches.open(name)).match(worker.registration.scope) !== undefined;

worker.addEventListener("install", (event) => {
  // A newer version takes over when no page of the older one is open: these load the rest of their files later.
  const keep = async () => await (await caches.open(NAME)).addAll(["./", ...FILES].map((file) => new Request(file, { cache: "reload" })));
  event.waitUntil(keep());
});

worker.addEventListener("activate", (event) => {
  const clear = async () => {
    for (const name of await caches.keys()) if (name !== NAME && await isOwn(name)) await caches.delete(name);
    await worker.clients.claim();
  };
  event.waitUntil(clear());
});

worker.addEventListener("fetch", (event) => {
  if (event.request.method === "GET" && new URL(event.request.url).origin === location.origin) event.respondWith(answer(event.request));
});

/** The kept file, or what the network has. */
async function answer(request: Request): Promise<Response> {
  const found = await (await caches.open(NAME)).match(request, { ignoreSearch: true }) ?? await fetch(request);
  if (found.status === 0) return found;
  const headers = new Headers(found.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  return new Response(found.body, { status: found.status, statusText: found.statusText, headers });
}
