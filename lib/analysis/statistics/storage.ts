/**
 * Imported before lib-r-math.js, whose logger reads `localStorage`. Deno keeps that in a file of its cache, and where this can't be opened,
 * as on a full disk, reading throws: then nothing is stored there instead.
 */
try {
  globalThis.localStorage?.getItem("");
} catch {
  Object.defineProperty(globalThis, "localStorage", { value: { getItem: () => null }, configurable: true });
}
