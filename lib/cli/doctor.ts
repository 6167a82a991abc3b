/** `deno task doctor [--json]`: what this machine offers the lab, what is missing, and the command that gets it. */
import { statfs } from "node:fs/promises";
import config from "../../deno.json" with { type: "json" };
import { cpuEngine } from "../engine/cpu/engine.ts";
import { hasFlags, knowsFlags, V8_FLAGS } from "../engine/cpu/flags.ts";
import type { AdapterInfo } from "../engine/webgpu/adapter.ts";
import { forecast, speeds } from "../lab/forecast.ts";
import { reason } from "../run/files.ts";
import { runSpec } from "../run/spec.ts";
import { type Choice, chooseEngine } from "../train/engines.ts";
import { output, ROOT } from "./process.ts";
import { restartWithFlags } from "./restart.ts";
import { installCommand, lack, look, type Machine, type Need, plan, unmet } from "./setup.ts";
import { say, tell } from "./terminal.ts";

const HELP = `deno task doctor [--json]

Says which engine trains here and why, how fast the processor engine is, what the graphics adapter offers, the versions in
use, Jupyter and its kernel, and what is missing and how to get it. Trains for a moment to measure. Exit code 0 when the
webgpu or the cpu engine can train; 1 when only TensorFlow.js, which is slow.`;

const NEEDS: readonly Need[] = ["vulkan", "jupyter", "kernel"];

export interface Report {
  /** An engine of this project trains, not TensorFlow.js. */
  readonly ready: boolean;
  /** Which engine trains unless another is named, and why. */
  readonly engine: Choice;
  /** The processor engine, or why it can't run. */
  readonly cpu: CpuReport | { readonly refusal: string };
  readonly adapter: AdapterInfo | null;
  /** Threads and bytes of memory, which are what a software adapter has. */
  readonly processor: { readonly threads: number; readonly memory: number };
  readonly versions: { readonly deno: string; readonly v8: string; readonly typescript: string };
  /** The pinned packages: name to version. */
  readonly packages: Readonly<Record<string, string>>;
  /** The Jupyter programs found, and whether Jupyter's kernel starts this Deno. */
  readonly jupyter: { readonly programs: readonly string[]; readonly kernel: boolean };
  /** The browser that the tests drive, where there is one: the path of its program. */
  readonly browser: string | null;
  /** Python packages that fixtures and benchmark peers use where they are: name to version. */
  readonly python: Readonly<Record<string, string>>;
  /** Bytes free where the project lies. */
  readonly diskFree: number;
  /** What is missing, and the command that gets it. */
  readonly missing: readonly { readonly need: Need; readonly what: string; readonly command: string }[];
}

export interface CpuReport {
  readonly threads: number;
  /** Whether a product and a sum are rounded once. */
  readonly fused: boolean;
  /** Whether this process has V8's flags for wider vectors; where not, what is to be known about them. */
  readonly flags: boolean;
  readonly whyNoFlags?: string;
  /** Billions of floating-point operations a second while it trains. */
  readonly gflops: number;
}

/** Starts the processor engine and trains on all its threads for a moment. */
async function processorEngine(): Promise<Report["cpu"]> {
  try {
    const engine = await cpuEngine(), { threads } = engine.executor;
    const runs = Array.from({ length: threads.count }, (_, seed) => ({ spec: runSpec({ preset: "ai-scientist", seed }), updates: 1000 }));
    const [speed] = await speeds(forecast(runs, engine), engine);
    await engine.close();
    return {
      threads: threads.count,
      fused: threads.measured.fused,
      flags: hasFlags(),
      ...!hasFlags() && { whyNoFlags: await whyNoFlags() },
      gflops: speed!.flops / 1e9,
    };
  } catch (error) {
    return { refusal: reason(error) };
  }
}

async function whyNoFlags(): Promise<string> {
  if (Deno.build.arch !== "x86_64") return `they are for x86-64, this is ${Deno.build.arch}`;
  if (Deno.env.get("GROKBOOK_V8_FLAGS") === "off") return "GROKBOOK_V8_FLAGS is off";
  if (!await knowsFlags()) return "this V8 doesn't know them";
  if (Deno.build.os !== "linux") return `commands set them on Linux; here, set DENO_V8_FLAGS=${V8_FLAGS.join(",")}`;
  return "commands that train on the processor start with them";
}

export async function examine(): Promise<Report> {
  const engine = await chooseEngine(), cpu = await processorEngine();
  const [machine, python, disk] = await Promise.all([look([...NEEDS, "browser"]), pythonPackages(), statfs(ROOT)]);
  const { deno, v8, typescript } = Deno.version;
  return {
    ready: engine.engine !== "tfjs",
    engine,
    cpu,
    adapter: machine.adapter,
    processor: { threads: navigator.hardwareConcurrency, memory: Deno.systemMemoryInfo().total },
    versions: { deno, v8, typescript },
    packages: pinned(config.imports),
    jupyter: { programs: machine.jupyter, kernel: machine.kernel },
    browser: machine.browser,
    python,
    diskFree: disk.bavail * disk.bsize,
    missing: remedies(machine),
  };
}

/** What `machine` lacks, and the command that gets it. */
export function remedies(machine: Machine): Report["missing"] {
  const { packages, byHand } = plan(NEEDS, machine);
  return unmet(NEEDS, machine).map((need) => {
    const names = packages.filter((entry) => entry.need === need).map(({ name }) => name);
    const hand = byHand.find((entry) => entry.need === need);
    const command = need === "kernel" ? "deno task lab" : hand ? hand.how : installCommand(names, machine.rights);
    return { need, what: `${lack(need, machine)}${need === "vulkan" ? ", which only the tests need" : ""}`, command };
  });
}

/** Name to version, from specifiers such as `npm:danfojs@1.1.2`; a module of a package that is there already has none of its own. */
export const pinned = (imports: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(imports).map(([name, specifier]) => [name, specifier.slice(specifier.lastIndexOf("@") + 1)])
      .filter(([, version]) => !version.includes("/")),
  );

async function pythonPackages(): Promise<Record<string, string>> {
  const script = `
import importlib.metadata as m
for name in ("torch", "jax"):
  try: print(name, m.version(name))
  except m.PackageNotFoundError: pass`;
  // Debian's packages belong to its own Python, which need not be the first on PATH
  for (const python of ["python3", "/usr/bin/python3"]) {
    const found = await output(python, ["-c", script]);
    if (found) return Object.fromEntries(found.split("\n").map((line) => line.split(" ") as [string, string]));
  }
  return {};
}

/** Bytes as people read them, e.g. `128 MiB`. */
export function size(bytes: number): string {
  const power = Math.min(3, Math.floor(Math.log2(Math.max(1, bytes)) / 10 + 1e-9));
  return `${Number((bytes / 1024 ** power).toPrecision(3))} ${["B", "KiB", "MiB", "GiB"][power]}`;
}

/** The report as a page of plain text. */
export function page(report: Report): string {
  const { engine, cpu, adapter, processor, versions, packages, jupyter, python, missing } = report;
  const line = (ok: boolean | null, name: string, ...text: string[]) =>
    text.map((part, i) => `  ${i > 0 ? " " : ok === null ? "·" : ok ? "✓" : "✗"} ${(i > 0 ? "" : name).padEnd(10)} ${part}`).join("\n");
  const has = (feature: string) => adapter?.features.includes(feature) ? "yes" : "no";
  const list = (names: Readonly<Record<string, string>>) => Object.entries(names).map(([name, version]) => `${name} ${version}`);

  const gpu = adapter
    ? [
      line(true, "Adapter", adapter.name),
      line(
        null,
        "Kind",
        adapter.software ? `software, on ${processor.threads} threads with ${size(processor.memory)}` : `GPU by ${adapter.vendor}`,
      ),
      line(null, "Driver", adapter.driver),
      line(
        null,
        "Limits",
        `a buffer ${size(adapter.limits.maxBufferSize)}, a binding ${size(adapter.limits.maxStorageBufferBindingSize)}`,
        `${adapter.limits.maxStorageBuffersPerShaderStage} storage buffers a stage`,
        `workgroup memory ${
          size(adapter.limits.maxComputeWorkgroupStorageSize)
        }, ${adapter.limits.maxComputeInvocationsPerWorkgroup} invocations`,
      ),
      line(
        null,
        "Features",
        `subgroups ${has("subgroups")}${
          adapter.features.includes("subgroups") ? ` (${[...new Set(adapter.subgroup)].join("–")} lanes)` : ""
        }`,
        `shader-f16 ${has("shader-f16")}`,
        `timestamp-query ${has("timestamp-query")}`,
      ),
    ]
    : [line(null, "Adapter", "none")];
  const speed = "refusal" in cpu ? [line(false, "Processor", cpu.refusal)] : [line(
    true,
    "Processor",
    `${cpu.threads} ${cpu.threads === 1 ? "thread" : "threads"}, sums ${cpu.fused ? "" : "not "}fused, ${Math.round(cpu.gflops)} GFLOP/s`,
    cpu.flags ? "with V8's flags for wider vectors" : `without V8's flags for wider vectors: ${cpu.whyNoFlags}`,
  )];
  const remedy = missing.flatMap(({ what, command }) => [`  ${what}. To get it:`, `      ${command}`]);
  return [
    "Training",
    line(report.ready, "Engine", `${engine.engine}: ${engine.why}`),
    ...speed,
    "",
    "Graphics",
    ...gpu,
    "",
    "Software",
    line(null, "Deno", `${versions.deno}, V8 ${versions.v8}, TypeScript ${versions.typescript}`),
    line(null, "Packages", ...list(packages)),
    line(!missing.some(({ need }) => need === "jupyter"), "Jupyter", jupyter.programs.join(", ") || "none"),
    line(jupyter.kernel, "Kernel", jupyter.kernel ? "starts this Deno" : "does not start this Deno"),
    line(null, "Browser", report.browser ?? "no Chromium, no Chrome (optional: deno task test opens a notebook in it)"),
    line(null, "Python", list(python).join(", ") || "no torch, no jax (optional: fixtures and benchmark peers)"),
    line(null, "Disk", `${size(report.diskFree)} free`),
    "",
    ...(remedy.length > 0 ? ["Missing (test and lab install what they need where they can)", ...remedy, ""] : []),
    report.ready ? "Ready: deno task demo" : "Only TensorFlow.js can train here, slowly: deno task demo",
  ].join("\n");
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) {
    tell(HELP);
    Deno.exit(0);
  }
  const unknown = Deno.args.find((arg) => arg !== "--json");
  if (unknown !== undefined) {
    say(`Cannot examine the machine: unknown argument, current value is ${unknown}, must be --json or --help`);
    Deno.exit(2);
  }
  await restartWithFlags();
  const report = await examine();
  tell(Deno.args.includes("--json") ? JSON.stringify(report, null, 2) : page(report));
  Deno.exit(report.ready ? 0 : 1);
}
