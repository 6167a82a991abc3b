/** Where the kernels can't run, one line says why. */
import { assertRejects } from "@std/assert";
import { cpuEngine } from "../../../lib/engine/cpu/engine.ts";

/** Does something while a global has another value. */
async function replaced(owner: object, name: string, value: unknown, use: () => Promise<unknown>): Promise<void> {
  const kept = Object.getOwnPropertyDescriptor(owner, name)!;
  Object.defineProperty(owner, name, { value, configurable: true, writable: true });
  try {
    await use();
  } finally {
    Object.defineProperty(owner, name, kept);
  }
}

const refused = (what: string) => () =>
  assertRejects(() => cpuEngine(1), Error, `Cannot train on the processor: this JavaScript engine must have ${what}, it has not`);

Deno.test("without shared memory, WebAssembly or its vectors, training on the processor is refused in one line", async () => {
  await replaced(globalThis, "SharedArrayBuffer", undefined, refused("SharedArrayBuffer"));
  await replaced(globalThis, "WebAssembly", undefined, refused("WebAssembly"));
  await replaced(WebAssembly, "validate", () => false, refused("WebAssembly with 128-bit SIMD, relaxed SIMD and threads"));
});
