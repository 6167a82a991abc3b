/** The commands around the lab: doctor through its real process, setup's decisions, the closing line of the tests, notebooks as scripts. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { page, pinned, type Report, size } from "../../lib/cli/doctor.ts";
import { options } from "../../lib/cli/lab.ts";
import { script } from "../../lib/cli/ok.ts";
import { ROOT } from "../../lib/cli/process.ts";
import { browser, ensure, lack, type Machine, plan, unmet } from "../../lib/cli/setup.ts";
import { count, countLine, groups, runGroup, sum, testFiles } from "../../lib/cli/test.ts";
import { V8_FLAGS } from "../../lib/engine/cpu/flags.ts";
import type { AdapterInfo } from "../../lib/engine/webgpu/adapter.ts";
import { chooseEngine } from "../../lib/train/engines.ts";

async function start(file: string, args: string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-check", file, ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...env },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}
const doctor = (args: string[], env?: Record<string, string>) => start("lib/cli/doctor.ts", args, env);

const ADAPTER: AdapterInfo = {
  name: "An adapter",
  vendor: "NVIDIA",
  driver: "NVIDIA 550.1",
  software: false,
  limits: {
    maxBufferSize: 2 ** 31 - 1,
    maxStorageBufferBindingSize: 2 ** 27,
    maxStorageBuffersPerShaderStage: 16,
    maxComputeWorkgroupStorageSize: 49152,
    maxComputeInvocationsPerWorkgroup: 1024,
    maxComputeWorkgroupsPerDimension: 65535,
  },
  features: ["subgroups"],
  subgroup: [32, 32],
};
const BARE: Machine = {
  rights: "root",
  apt: true,
  adapter: null,
  drivers: { installed: [], named: {} },
  jupyter: [],
  kernel: false,
  browser: null,
  slurm: false,
};
const WHOLE: Machine = {
  ...BARE,
  adapter: ADAPTER,
  jupyter: ["jupyter-nbconvert", "jupyter-notebook"],
  kernel: true,
  browser: "chromium",
  slurm: true,
};
const ALL = ["vulkan", "jupyter", "kernel"] as const;
const names = (machine: Machine) => plan(ALL, machine).packages.map(({ name }) => name);

Deno.test("setup installs what is missing, and only what is needed", () => {
  assertEquals(names(BARE), ["mesa-vulkan-drivers", "jupyter-nbconvert", "jupyter-notebook"]);
  assert(plan(ALL, BARE).kernel);
  assertEquals(plan(["vulkan"], BARE).packages.map(({ name }) => name), ["mesa-vulkan-drivers"]);
  assertEquals(plan(["vulkan"], BARE).kernel, false);
  assertEquals(names({ ...BARE, adapter: ADAPTER, jupyter: ["jupyter-nbconvert"] }), ["jupyter-notebook"]);
  assertEquals(plan(ALL, WHOLE), { packages: [], kernel: false, byHand: [] });
});

Deno.test("setup says what to do by hand where it may not install", () => {
  const { packages, kernel, byHand } = plan(ALL, { ...BARE, rights: "none" });
  assertEquals(packages, []);
  assert(kernel, "the kernel needs no rights");
  assertEquals(byHand.map(({ need }) => need), ["vulkan", "jupyter"]);
  assertEquals(
    byHand[0].how,
    "sudo apt-get update && sudo apt-get install -y --no-install-recommends mesa-vulkan-drivers",
  );
  assertStringIncludes(byHand[1].how, "jupyter-nbconvert jupyter-notebook");
  for (const { how } of plan(ALL, { ...BARE, apt: false, rights: "none" }).byHand) assert(!how.includes("apt-get"), how);
});

Deno.test("setup gets a browser for those who ask for one", () => {
  assertEquals(plan(["browser"], BARE).packages.map(({ name }) => name), ["chromium"]);
  assertEquals(plan(["browser"], WHOLE), { packages: [], kernel: false, byHand: [] });
  assertStringIncludes(
    plan(["browser"], { ...BARE, rights: "none" }).byHand[0].how,
    "sudo apt-get install -y --no-install-recommends chromium",
  );
  assertStringIncludes(plan(["browser"], { ...BARE, apt: false }).byHand[0].how, "google-chrome");
  assertEquals([unmet(["browser"], BARE), unmet(["browser"], WHOLE)], [["browser"], []]);
});

Deno.test("setup gets Slurm for those who ask for it", () => {
  assertEquals(plan(["slurm"], BARE).packages.map(({ name }) => name), ["slurm-wlm", "munge"]);
  assertEquals(plan(["slurm"], WHOLE), { packages: [], kernel: false, byHand: [] });
  assertStringIncludes(plan(["slurm"], { ...BARE, rights: "none" }).byHand[0].how, "--no-install-recommends slurm-wlm munge");
  assertEquals([unmet(["slurm"], BARE), unmet(["slurm"], WHOLE)], [["slurm"], []]);
});

Deno.test("a browser is one that tells its version", async () => {
  const folder = await Deno.makeTempDir(), before = Deno.env.get("PATH")!;
  const put = (name: string, script: string) => Deno.writeTextFile(`${folder}/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  Deno.env.set("PATH", folder);
  try {
    assertEquals(await browser(), null);
    await put("chromium-browser", "exit 1");
    assertEquals(await browser(), null);
    await put("google-chrome", "echo Chrome 1.0");
    assertEquals(await browser(), `${folder}/google-chrome`);
  } finally {
    Deno.env.set("PATH", before);
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("setup names the needs that are unmet", () => {
  assertEquals(unmet(ALL, BARE), [...ALL]);
  assertEquals(unmet(["kernel"], BARE), ["kernel"]);
  assertEquals(unmet(ALL, { ...WHOLE, jupyter: ["jupyter-notebook"] }), ["jupyter"]);
  assertEquals(unmet(ALL, WHOLE), []);
});

Deno.test("setup writes a kernel that starts this Deno, once", async () => {
  const folder = await Deno.makeTempDir();
  const before = Deno.env.get("JUPYTER_DATA_DIR");
  Deno.env.set("JUPYTER_DATA_DIR", folder);
  try {
    const said: string[] = [];
    assertEquals(await ensure(["kernel"], (line) => said.push(line)), []);
    const { argv, env } = JSON.parse(await Deno.readTextFile(`${folder}/kernels/deno/kernel.json`));
    assertEquals(argv, [Deno.execPath(), "jupyter", "--kernel", "--conn", "{connection_file}"]);
    assert(env.XDG_RUNTIME_DIR, "unset, it makes the Vulkan loader print into cells");
    const flagged = Deno.build.arch === "x86_64" && (await chooseEngine()).engine === "cpu";
    assertEquals(env.DENO_V8_FLAGS, flagged ? V8_FLAGS.join(",") : undefined);
    assertEquals(await ensure(["kernel"], (line) => said.push(line)), []);
    assertEquals(said.length, 1, said.join("\n"));
    // Switched off, the kernel is written anew, and without the variable: an empty one would end it.
    Deno.env.set("GROKBOOK_V8_FLAGS", "off");
    assertEquals(await ensure(["kernel"], (line) => said.push(line)), []);
    assertEquals(Object.keys(JSON.parse(await Deno.readTextFile(`${folder}/kernels/deno/kernel.json`)).env), ["XDG_RUNTIME_DIR"]);
  } finally {
    Deno.env.delete("GROKBOOK_V8_FLAGS");
    if (before === undefined) Deno.env.delete("JUPYTER_DATA_DIR");
    else Deno.env.set("JUPYTER_DATA_DIR", before);
    await Deno.remove(folder, { recursive: true });
  }
});

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

Deno.test("a driver is installed where there is none, not where the loader is pointed elsewhere or it doesn't work", () => {
  const driver = "/usr/share/vulkan/icd.d/lvp_icd.json", elsewhere = { installed: [driver], named: { VK_DRIVER_FILES: ["/a", "/b"] } };
  for (const rights of ["root", "none"] as const) {
    const machine = { ...BARE, rights, drivers: elsewhere };
    assertEquals(plan(["vulkan"], machine), { packages: [], kernel: false, byHand: [{ need: "vulkan", how: "unset VK_DRIVER_FILES" }] });
    const what = "WebGPU finds no adapter: VK_DRIVER_FILES points the Vulkan loader at /a, /b, and not at those installed: lvp_icd.json";
    assertEquals(lack("vulkan", machine), what);
    const broken = { ...BARE, rights, drivers: { installed: [driver], named: {} } };
    assertEquals(plan(["vulkan"], broken).packages, []);
    assertEquals(lack("vulkan", broken), "WebGPU finds no adapter, though Vulkan drivers are installed: lvp_icd.json");
  }
  assertEquals(lack("vulkan", BARE), "WebGPU finds no adapter");
  const card = { ...BARE, drivers: { installed: ["/etc/vulkan/icd.d/nvidia_icd.json"], named: {} } };
  assertEquals(plan(["vulkan"], card).packages.map(({ name }) => name), ["mesa-vulkan-drivers"]);
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

Deno.test("the closing line counts what deno test printed", () => {
  const line = (printed: string, code: number) => countLine(count(printed, code));
  assertEquals(line("a ... ok (1ms)\n\nok | 12 passed (3 steps) | 0 failed | 1 ignored (2s)\n", 0), "12 passed, 0 failed, 1 skipped");
  assertEquals(line("FAILED | 3 passed | 2 failed (1s)\n\nerror: Test failed\n", 1), "3 passed, 2 failed");
  assertEquals(line("\x1b[0m\x1b[31mFAILED\x1b[0m | 10 passed | \x1b[0m\x1b[31m4 failed\x1b[0m (1s)\n", 1), "10 passed, 4 failed");
  assertEquals(line("ok | 1 passed | 0 failed (printed by a test)\nok | 7 passed | 0 failed (3ms)\n", 0), "7 passed, 0 failed");
  assertEquals(line("a ... ok\n", 139), "0 passed, 1 failed", "a crash is a failure");
  assertEquals(line("ok | 5 passed | 0 failed | 2 filtered out (1s)\n", 0), "5 passed, 0 failed");
});

Deno.test("deno task test counts and names the failures of real runs, whatever a file of them is like", async () => {
  const folder = await Deno.makeTempDir();
  const put = async (name: string, text: string) => {
    await Deno.writeTextFile(`${folder}/${name}`, text);
    return `${folder}/${name}`;
  };
  const tests =
    `Deno.test("a", () => {}); Deno.test("b", () => { throw new Error("no"); }); Deno.test({ name: "c", ignore: true, fn() {} });`;
  try {
    const mixed = await put("mixed_test.ts", tests), broken = await put("broken_test.ts", "const a = ;");
    const stops = await put("stops_test.ts", `Deno.test("gone", () => Deno.kill(Deno.pid, "SIGKILL"));`);
    const told = async (...files: string[]) => {
      const { count, failures } = await runGroup(files, () => {});
      return [countLine(count), ...failures.map((line) => line.match(/\w+_test\.ts.*/)![0])];
    };
    assertEquals(await told(mixed), ["1 passed, 1 failed, 1 skipped", "mixed_test.ts:1:32"]);
    assertEquals(await told(mixed, broken), [
      "1 passed, 2 failed, 1 skipped",
      "mixed_test.ts:1:32",
      "broken_test.ts (couldn't be run to its end: exit code 1)",
    ]);
    const once = await put(
      "once_test.ts",
      `Deno.test("gone once", () => {
      const mark = ${JSON.stringify(`${folder}/mark`)};
      try { Deno.statSync(mark); } catch { Deno.writeTextFileSync(mark, ""); Deno.kill(Deno.pid, "SIGKILL"); }
    });`,
    );
    assertEquals(await told(await put("well_test.ts", `Deno.test("a", () => {});`), once), [
      "2 passed, 1 failed",
      `well_test.ts, ${once} (together they ended with exit code 137)`,
    ]);
    const prints = `Deno.test("p", () => { console.log("ok | 3 passed | 0 failed"); Deno.kill(Deno.pid, "SIGKILL"); });`;
    assertEquals((await told(await put("prints_test.ts", prints)))[1], "prints_test.ts (couldn't be run to its end: exit code 137)");
    assertEquals(await told(stops), ["0 passed, 1 failed", "stops_test.ts (couldn't be run to its end: exit code 137)"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("names choose test files", () => {
  assertEquals(testFiles(["cli/tools"]), ["tests/cli/tools_test.ts"]);
  assert(testFiles([]).includes("tests/cli/tools_test.ts"));
  assertEquals(testFiles(["no such name"]), []);
});

Deno.test("deno task test refuses names that fit no file", async () => {
  const { code, err } = await start("lib/cli/test.ts", ["no-such-name"]);
  assertEquals(code, 1);
  assertEquals(err.trim().split("\n").length, 1);
  assertStringIncludes(err, "no-such-name");
});

Deno.test("a notebook becomes one script, cell after cell", () => {
  const cells = [
    { cell_type: "markdown", source: ["# Title"] },
    { cell_type: "code", source: ["const a = 1;\n", "a;"] },
    { cell_type: "code", source: "a + 1" },
  ];
  assertEquals(script({ cells }), "// cell 2\nconst a = 1;\na;\n\n// cell 3\na + 1\n");
});

Deno.test("Jupyter is told of root and of a missing screen", () => {
  assertEquals(options(["--port", "9"], { root: true, screen: false }), ["notebook", "--allow-root", "--no-browser", "--port", "9"]);
  assertEquals(options([], { root: false, screen: true }), ["notebook"]);
});

Deno.test("every test file belongs to one group, the longest come first, and all are counted", () => {
  const all = groups(testFiles([]));
  assertEquals(all.slice(0, 2), [testFiles(["cli/slurm_test"]), testFiles(["notebooks_test"])]);
  assertEquals(all.flat().sort(), testFiles([]));
  assertEquals(groups(["tests/cli/flags_test.ts", "tests/notebook/notebooks_test.ts"]), [["tests/notebook/notebooks_test.ts"], [
    "tests/cli/flags_test.ts",
  ]]);
  assertEquals(sum([{ passed: 1, failed: 0, skipped: 2 }, { passed: 3, failed: 1, skipped: 0 }]), { passed: 4, failed: 1, skipped: 2 });
});
