/** `deno task doctor`: what its real process says of this machine, and its page for one that is made up. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { page, pinned, type Report, size } from "../../lib/cli/doctor.ts";
import { ADAPTER } from "./adapter.ts";
import { ended, start } from "./command.ts";

async function doctor(args: string[], env?: Record<string, string>) {
  const { code, stdout, stderr } = ended(await start("doctor", args, env).output());
  return { code, out: stdout, err: stderr };
}

Deno.test("doctor --json describes this machine", async () => {
  const { code, out, err } = await doctor(["--json"]);
  assertEquals(err, "");
  const report: Report = JSON.parse(out);
  assert(report.adapter, "the tests need an adapter");
  assertEquals([code, report.ready, report.engine.engine], [0, true, report.adapter.software ? "cpu" : "webgpu"]);
  assert(
    "gflops" in report.cpu && report.cpu.gflops > 0 && report.cpu.threads === navigator.hardwareConcurrency,
    JSON.stringify(report.cpu),
  );
  assertEquals(report.cpu.flags, Deno.build.arch === "x86_64" && Deno.build.os === "linux" && !report.engine.engine.startsWith("w"));
  assert(report.adapter.limits.maxStorageBufferBindingSize >= 2 ** 27 && report.adapter.subgroup[0] > 0);
  assertEquals(report.versions.deno, Deno.version.deno);
  assertEquals(report.packages["danfojs"], "1.1.2");
  assert(report.diskFree > 0);
});

Deno.test("doctor where a driver is there but not found says so; the processor trains all the same", async () => {
  const { code, out } = await doctor([], { VK_DRIVER_FILES: "/none", VK_ICD_FILENAMES: "/none", DENO_WEBGPU_BACKEND: "vulkan" });
  assertEquals(code, 0);
  assertMatch(out, /✓ Engine +cpu: there is no graphics card\n +✓ Processor +\d+ threads?, sums (not )?fused, \d+ GFLOP\/s\n/);
  assertMatch(out, /· Adapter +none/);
  assertMatch(
    out,
    /WebGPU finds no adapter: VK_DRIVER_FILES and VK_ICD_FILENAMES point the Vulkan loader at \/none.*\. To get it:\n +unset VK_/,
  );
  assert(!/mesa-vulkan-drivers|lavapipe/.test(out), "it is installed, and installing it again is no help");
  assertMatch(out, /, which only the tests need\. To get it:/);
  assertMatch(out, /^Ready: deno task demo$/m);
});

Deno.test("doctor refuses what it doesn't know in one line", async () => {
  const { code, out, err } = await doctor(["--jsn"]);
  assertEquals([code, out], [2, ""]);
  assertEquals(err.trim().split("\n").length, 1);
  assertStringIncludes(err, "--jsn");
});

Deno.test("doctor's page shows what matters", () => {
  const text = page({
    ready: true,
    engine: { engine: "webgpu", why: "there is a graphics card" },
    cpu: { threads: 16, fused: false, flags: false, whyNoFlags: "GROKBOOK_V8_FLAGS is off", gflops: 123.4 },
    adapter: ADAPTER,
    processor: { threads: 16, memory: 2 ** 35 },
    versions: { deno: "2.9.6", v8: "15", typescript: "6" },
    packages: { danfojs: "1.1.2" },
    jupyter: { programs: [], kernel: false },
    browser: null,
    python: {},
    diskFree: 5e9,
    missing: [{ need: "jupyter", what: "Jupyter is not installed", command: "install it" }],
  });
  for (
    const part of ["GPU by NVIDIA", "NVIDIA 550.1", "a binding 128 MiB", "48 KiB", "subgroups yes (32 lanes)", "shader-f16 no", "4.66 GiB"]
  ) {
    assertStringIncludes(text, part);
  }
  assertMatch(text, /✓ Engine +webgpu: there is a graphics card\n/);
  assertMatch(text, /✓ Processor +16 threads, sums not fused, 123 GFLOP\/s\n +without V8's flags .*: GROKBOOK_V8_FLAGS is off\n/);
  assertMatch(text, /✗ Jupyter +none/);
  assertMatch(text, /· Browser +no Chromium, no Chrome \(optional: /);
  assertMatch(text, /Jupyter is not installed\. To get it:\n +install it\n/);
});

Deno.test("sizes and versions read well", () => {
  assertEquals([0, 512, 1024, 2 ** 27, 2 ** 31 - 1, 1.5 * 2 ** 40].map(size), ["0 B", "512 B", "1 KiB", "128 MiB", "2 GiB", "1540 GiB"]);
  assertEquals(pinned({ "@a/b": "npm:@a/b@1.2.3", c: "jsr:@s/c@^1" }), { "@a/b": "1.2.3", c: "^1" });
});
