/** How the page's files come to a browser, without one: the server, and the service worker that keeps them. */
import { assertEquals } from "@std/assert";
import { answering } from "../../lib/cli/page.ts";

Deno.test("page: the server has its files by their names, and answers anything else with 404", async () => {
  const answer = answering(new Map([["index.html", new TextEncoder().encode("the page")]]));
  const get = (path: string) => answer(new Request(`http://localhost${path}`));
  for (const path of ["/", "/index.html", "/?a=%"]) assertEquals([get(path).status, await get(path).text()], [200, "the page"]);
  for (const path of ["/%", "/%ff", "/%2e%2e/deno.json", "/other.js"]) assertEquals(get(path).status, 404, path);
});

/**
 * Runs the service worker's script with what it is given by the browser, and the caches that are there; those after each event.
 * @param pages the address of the page that a cache has, by the cache's name
 */
async function serviceWorker(scope: string, version: string, names: readonly string[], pages: Readonly<Record<string, string>> = {}) {
  const all = new Set(names), log: string[] = [], listeners = new Map<string, (event: unknown) => void>();
  const globals: Record<string, unknown> = {
    ...{ VERSION: version, FILES: ["app.js"], registration: { scope }, location: new URL(scope) },
    caches: {
      keys: () => Promise.resolve([...all]),
      delete: (name: string) => Promise.resolve(all.delete(name)),
      open: (name: string) =>
        Promise.resolve({
          addAll: () => Promise.resolve(void all.add(name)),
          match: (address: string) => Promise.resolve(pages[name] === address ? new Response() : undefined),
        }),
    },
    clients: { claim: () => Promise.resolve(void log.push("claims")) },
    skipWaiting: () => Promise.resolve(void log.push("skips waiting")),
    addEventListener: (type: string, listener: (event: unknown) => void) => listeners.set(type, listener),
    Request: class {},
  };
  const before = Object.keys(globals).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  try {
    await import(`../../lib/page/entry/offline.ts?${encodeURIComponent(scope + version)}`);
    const after: Record<string, { readonly caches: string[]; readonly log: string[] }> = {};
    for (const type of ["install", "activate"]) {
      let work: Promise<unknown> = Promise.resolve();
      listeners.get(type)!({ waitUntil: (given: Promise<unknown>) => work = given });
      await work;
      after[type] = { caches: [...all], log: [...log] };
    }
    return after;
  } finally {
    for (const [name, property] of before) {
      if (property) Object.defineProperty(globalThis, name, property);
      else delete (globalThis as Record<string, unknown>)[name];
    }
  }
}

Deno.test("page: a newer version waits for the pages of the older one, and leaves the files of other builds at this address", async () => {
  const first = await serviceWorker("https://host/a/", "1", ["something else"]);
  const [own] = first.activate.caches.filter((name) => name !== "something else");
  const { activate: { caches: others } } = await serviceWorker("https://host/a/b/", "1", first.activate.caches);
  assertEquals([others.length, others.includes(own)], [3, true]);
  const { install, activate } = await serviceWorker("https://host/a/", "2", others);
  assertEquals([install.log, others.every((name) => install.caches.includes(name))], [[], true]);
  assertEquals(activate.log, ["claims"]);
  assertEquals(activate.caches.filter((name) => others.includes(name)), others.filter((name) => name !== own));
  assertEquals(activate.caches.length, 3);
});

Deno.test("page: a cache whose name says no folder, as earlier builds have it, is deleted where it holds this folder's page", async () => {
  const pages = { "grokbook-1": "https://host/a/", "grokbook-2": "https://host/b/", "another-1": "https://host/a/" };
  const { install, activate } = await serviceWorker("https://host/a/", "3", Object.keys(pages), pages);
  assertEquals(install.caches.length, 4);
  assertEquals(activate.caches.toSorted(), install.caches.filter((name) => name !== "grokbook-1").toSorted());
});
