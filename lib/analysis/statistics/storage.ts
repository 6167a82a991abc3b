/**
 * Imported before lib-r-math.js, whose logger reads `localStorage`. Deno keeps it in a file of its cache; where that file can't be opened,
 * as on a full disk, reading throws. Then an empty `localStorage` takes its place.
 */
try {
  globalThis.localStorage?.getItem("");
} catch {
  Object.defineProperty(globalThis, "localStorage", { value: { getItem: () => null }, configurable: true });
}
