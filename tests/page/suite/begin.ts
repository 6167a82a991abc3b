/** Stands in for `Deno` where suites run in a browser: collects tests, and reads the files that lie beside the script. */
/// <reference lib="dom" />

interface Test {
  readonly name: string;
  readonly fn: () => void | Promise<void>;
}
const tests: Test[] = [];

Object.assign(globalThis, {
  Deno: {
    test: (test: Test | string, fn?: Test["fn"]) => void tests.push(typeof test === "string" ? { name: test, fn: fn! } : test),
    readTextFile: async (url: URL) => await (await fetch(url)).text(),
  },
});

/** What came of a test: an error, or none. */
export interface Result {
  readonly name: string;
  readonly seconds: number;
  readonly error: string | null;
}

/** Runs the tests whose names match, one after the other, and tells of each as it ends. */
export async function runTests(pattern: RegExp, tell: (result: Result) => void): Promise<number> {
  const chosen = tests.filter(({ name }) => pattern.test(name));
  for (const { name, fn } of chosen) {
    const began = performance.now();
    const error = await Promise.try(fn).then(() => null, (error: unknown) => error instanceof Error ? error.message : String(error));
    tell({ name, seconds: (performance.now() - began) / 1000, error });
  }
  return chosen.length;
}
