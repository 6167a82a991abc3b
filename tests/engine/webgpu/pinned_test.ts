/** Kernels and bits of every preset are those of the fixture: a change of structure must not change what is computed. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { requestGpuAdapter } from "../../../lib/engine/webgpu/gpu.ts";
import { webgpuEngine } from "../../../lib/engine/webgpu/engine.ts";
import { type PresetName, PRESETS } from "../../../lib/run/spec.ts";
import { pinned, pinnedKernels, pinnedRows, sameDevice } from "./pinned.ts";

Deno.test("pinned: WGSL, grid, bindings and constants of every kernel of every preset, both tiles", async () => {
  const { kernels } = await pinned(), now = pinnedKernels();
  assertEquals(Object.keys(now), Object.keys(kernels));
  for (const [name, plan] of Object.entries(kernels)) {
    for (const [list, digests] of Object.entries(plan)) assertEquals(now[name][list].split(" "), digests.split(" "), `${name}, ${list}`);
  }
});

Deno.test({
  name: "pinned: weights, moments and metrics after 20 updates of every preset in small",
  ignore: !await requestGpuAdapter(),
  sanitizeResources: false,
  sanitizeOps: false,
  fn: async () => {
    const fixture = await pinned(), engine = await webgpuEngine(), same = sameDevice(fixture, engine.info);
    if (!same) {
      const { adapter, driver } = engine.info;
      console.log(
        `The pinned bits are of ${fixture.bits.adapter}, ${fixture.bits.driver}; on ${adapter}, ${driver} only rows are compared.`,
      );
    }
    for (const preset of Object.keys(PRESETS) as PresetName[]) {
      const rows = await pinnedRows(engine, preset);
      assertEquals(rows[2], rows[0], `${preset}: one run in two rows`);
      assertNotEquals(rows[1].state, rows[0].state);
      if (same) assertEquals(rows, fixture.bits.rows[preset], preset);
    }
    assert(Object.keys(fixture.bits.rows).length === Object.keys(PRESETS).length);
  },
});
