/** A few of the engines' suites in Chromium, on its own WebGPU; all of them: `deno run -A tests/page/suite/run.ts`. */
import { assertEquals } from "@std/assert";
import { canBrowse } from "../chromium.ts";
import { inChromium } from "./suite/run.ts";

Deno.test({
  name: "page: in Chromium, gradients of its WebGPU and its WebAssembly are the oracle's, and a training follows PyTorch",
  ignore: !canBrowse,
  fn: async () => {
    const few = [
      String.raw`every size as small as it can be, \[a b =\] \((cpu|webgpu, tiles for cards)\)$`,
      String.raw`follow PyTorch, nanda \(cpu\)`,
      String.raw`planted in unembed.b_U is caught \(cpu\)`,
    ];
    const results = await inChromium(few.join("|"));
    assertEquals(results.filter(({ error }) => error !== null), []);
    assertEquals(results.length, 4);
  },
});
