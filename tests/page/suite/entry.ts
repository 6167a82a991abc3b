/** The suites of gradients, operations and fixtures, as one script for a browser. */
/// <reference lib="dom" />
import { type Result, runTests } from "./begin.ts";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import "../../engine/gradients_test.ts";
import "../../engine/rows_test.ts";

setWasmPaths(new URL("./", import.meta.url).href);

const scope = globalThis as unknown as { told(result: Result): void; suite: (pattern: string) => Promise<number> };
scope.suite = (pattern) => runTests(new RegExp(pattern), (result) => scope.told(result));
