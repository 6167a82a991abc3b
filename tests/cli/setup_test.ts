/** What setup decides on machines that are made up, the browser that it finds, and the kernel that it writes. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ROOT } from "../../lib/cli/process.ts";
import { browser, ensure, lack, type Machine, plan, unmet } from "../../lib/cli/setup.ts";
import { V8_FLAGS } from "../../lib/engine/cpu/flags.ts";
import { chooseEngine } from "../../lib/train/engines.ts";
import { ADAPTER } from "./adapter.ts";

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

Deno.test("where drivers give no adapter, what is said to run is a program", async () => {
  const { byHand: [{ how }] } = plan(["vulkan"], { ...BARE, drivers: { installed: ["/usr/share/vulkan/icd.d/lvp_icd.json"], named: {} } });
  const [file] = how.match(/lib\/\S+\.ts/)!;
  assertStringIncludes(await Deno.readTextFile(`${ROOT}${file}`), "if (import.meta.main)", how);
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
