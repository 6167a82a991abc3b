/**
 * What a command needs of the machine, installed where it is missing: Jupyter, this Deno as its kernel, and, for the tests alone, a Vulkan
 * driver for WebGPU, a browser and Slurm.
 * `look` describes the machine, `plan` decides (it is pure), `ensure` acts.
 */
import { dirname, join } from "node:path";
import { homedir, tmpdir } from "node:os";
import { flagged, knowsFlags } from "../engine/cpu/flags.ts";
import type { AdapterInfo } from "../engine/webgpu/adapter.ts";
import { chooseEngine } from "../train/engines.ts";
import { type Drivers, vulkanDrivers, whyNoAdapter } from "./drivers.ts";
import { reason, writeWhole } from "../run/files.ts";
import { output } from "./process.ts";

export type Need = "vulkan" | "jupyter" | "kernel" | "browser" | "slurm";

/** What decides what there is to install and whether it can be. */
export interface Machine {
  /** May install system packages: as root, with a sudo that asks nothing, or not. */
  readonly rights: "root" | "sudo" | "none";
  /** Has apt-get. */
  readonly apt: boolean;
  readonly adapter: AdapterInfo | null;
  /** Vulkan's drivers, looked up where there is no adapter. */
  readonly drivers: Drivers | null;
  /** The Jupyter programs that are on PATH. */
  readonly jupyter: readonly string[];
  /** Jupyter's kernel `deno` starts this very Deno, with all that it needs in its environment. */
  readonly kernel: boolean;
  /** Chromium or Chrome: the path of its program. */
  readonly browser: string | null;
  /** Slurm's programs, and munge, by which they know each other. */
  readonly slurm: boolean;
}

export interface Plan {
  /** Debian's packages to install, each with the reason. */
  readonly packages: readonly { readonly name: string; readonly need: Need; readonly why: string }[];
  /** Write the kernel's description. */
  readonly kernel: boolean;
  /** What has to be done by hand, and how. */
  readonly byHand: readonly { readonly need: Need; readonly how: string }[];
}

const JUPYTER = ["jupyter-nbconvert", "jupyter-notebook"] as const;
const PACKAGES: Readonly<Record<string, { readonly need: Need; readonly why: string }>> = {
  "mesa-vulkan-drivers": { need: "vulkan", why: "WebGPU finds no adapter; with this driver the tests run its kernels on the processor" },
  "jupyter-nbconvert": { need: "jupyter", why: "runs the notebooks from the command line" },
  "jupyter-notebook": { need: "jupyter", why: "opens the notebooks in the browser" },
  "chromium": { need: "browser", why: "the tests open a notebook in it" },
  "slurm-wlm": { need: "slurm", why: "the tests submit sweeps to a cluster of one machine" },
  "munge": { need: "slurm", why: "Slurm's programs know each other by it" },
};
/** Under these names, systems have a browser that can be driven. */
const BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"] as const;
/** The programs of Slurm that a cluster of one machine takes. */
const SLURM = ["sbatch", "slurmctld", "slurmd", "munged"] as const;
/** What to do where there is no apt-get. */
const BY_HAND: Readonly<Record<Exclude<Need, "kernel">, string>> = {
  vulkan: "a Vulkan driver, for example Mesa's lavapipe, from the system's package manager",
  jupyter: "pip install notebook nbconvert",
  browser: `Chromium or Chrome, on PATH as ${BROWSERS.join(", ")}`,
  slurm: `Slurm and munge, on PATH as ${SLURM.join(", ")}`,
};
/** What is missing where a need is unmet, as a sentence without its full stop. */
export const lack = (need: Need, machine: Machine): string => need === "vulkan" && hidden(machine)?.what || LACK[need];
const LACK: Readonly<Record<Need, string>> = {
  vulkan: "WebGPU finds no adapter",
  jupyter: "Jupyter is not installed",
  kernel: "Jupyter doesn't know this Deno",
  browser: "There is no Chromium or Chrome to drive",
  slurm: "Slurm is not installed",
};

/** Why drivers that are there give no adapter: then installing one is no help. */
const hidden = ({ adapter, drivers }: Machine) => adapter || !drivers ? null : whyNoAdapter(drivers);

/** The command that installs these packages, as a person types it. */
export const installCommand = (packages: readonly string[], rights: Machine["rights"]) => {
  const sudo = rights === "root" ? "" : "sudo ";
  return `${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends ${packages.join(" ")}`;
};

/** The needs that `machine` doesn't meet. */
export const unmet = (needs: readonly Need[], machine: Machine): Need[] =>
  needs.filter((need) => (need === "jupyter" ? machine.jupyter.length < JUPYTER.length : !machine[need === "vulkan" ? "adapter" : need]));

/** What has to be done on `machine` for `needs`; nothing is looked up. */
export function plan(needs: readonly Need[], machine: Machine): Plan {
  const lacking = unmet(needs, machine), why = lacking.includes("vulkan") ? hidden(machine) : null;
  const missing = Object.entries(PACKAGES)
    .filter(([name, { need }]) => lacking.includes(need) && !(need === "vulkan" && why) && !machine.jupyter.includes(name))
    .map(([name, entry]) => ({ name, ...entry }));
  const kernel = lacking.includes("kernel");
  const look = why ? [{ need: "vulkan" as const, how: why.how }] : [];
  if (machine.apt && machine.rights !== "none") return { packages: missing, kernel, byHand: look };
  const rest = (["vulkan", "jupyter", "browser", "slurm"] as const).filter((need) => lacking.includes(need) && !(need === "vulkan" && why));
  const byHand = rest.map((need) => {
    const packages = missing.filter((entry) => entry.need === need).map(({ name }) => name);
    return { need, how: machine.apt ? installCommand(packages, machine.rights) : BY_HAND[need] };
  });
  return { packages: [], kernel, byHand: [...look, ...byHand] };
}

/** The environment of programs that use WebGPU or Jupyter: Deno's folder on PATH, and a variable that the Vulkan loader needs. */
export function environment(): Record<string, string> {
  const here = dirname(Deno.execPath());
  const path = Deno.env.get("PATH") ?? "";
  return {
    PATH: path.split(":").includes(here) ? path : `${here}:${path}`,
    XDG_RUNTIME_DIR: Deno.env.get("XDG_RUNTIME_DIR") || "/tmp",
  };
}

/** Describes the machine; only what `needs` names is looked at, the rest counts as missing. */
export async function look(needs: readonly Need[]): Promise<Machine> {
  const apt = onPath("apt-get"), adapter = needs.includes("vulkan") ? await probeAdapter() : null;
  return {
    rights: !apt
      ? "none"
      : Deno.uid() === 0
      ? "root"
      : onPath("sudo") && await output("sudo", ["-n", "echo", "yes"]) === "yes"
      ? "sudo"
      : "none",
    apt,
    adapter,
    drivers: needs.includes("vulkan") && !adapter ? vulkanDrivers() : null,
    jupyter: JUPYTER.filter(onPath),
    kernel: needs.includes("kernel") && await kernelIsOurs(),
    browser: needs.includes("browser") ? await browser() : null,
    slurm: SLURM.every(onPath),
  };
}

/** A browser's path. It must tell its version: some systems put a script in its place that tells how to get it. */
export async function browser(): Promise<string | null> {
  for (const path of BROWSERS.map(find)) if (path && await output(path, ["--version"])) return path;
  return null;
}

/**
 * Installs what is missing and says so, one line each; quick and silent where all is there. Returns the needs that are still unmet
 * (each was explained in a line), so that a program can go on without.
 */
export async function ensure(needs: readonly Need[], say: (line: string) => void = console.error): Promise<Need[]> {
  for (const [name, value] of Object.entries(environment())) Deno.env.set(name, value);
  if (unmet(needs, await look(needs)).length === 0) return [];

  using lock = await Deno.open(join(tmpdir(), `grokbook-setup-${Deno.uid()}.lock`), { create: true, write: true });
  await lock.lock(true);
  const machine = await look(needs); // someone else may have installed it while this waited
  const { packages, kernel, byHand } = plan(needs, machine);
  for (const { name, why } of packages) say(`Installing ${name}: ${why}.`);
  const installed = packages.length === 0 || await install(packages.map(({ name }) => name), machine.rights, say);
  if (kernel) await writeKernel(say);
  for (const { need, how } of byHand) say(`${lack(need, machine)}. To get it: ${how}`);

  const left = unmet(needs, await look(needs));
  const explained = [...byHand, ...(installed ? [] : packages)].map(({ need }) => need);
  for (const need of left.filter((need) => !explained.includes(need))) {
    say(`${lack(need, machine)}, still. \`deno task doctor\` tells more.`);
  }
  return left;
}

/** Returns whether it could; says how it went in a line. */
async function install(packages: readonly string[], rights: Machine["rights"], say: (line: string) => void): Promise<boolean> {
  const started = performance.now();
  const apt = async (...args: string[]) => {
    const command = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=600", ...args];
    // sudo drops the environment, so `env` sets it on the other side
    const [program, ...rest] = [...(rights === "sudo" ? ["sudo", "-n"] : []), "env", "DEBIAN_FRONTEND=noninteractive", ...command];
    return await new Deno.Command(program, { args: rest, stdin: "null" }).output();
  };
  await apt("update"); // where it fails, the lists that are there may still do
  const { success, stderr } = await apt("install", "--no-install-recommends", ...packages);
  if (success) {
    say(`Installed in ${Math.round((performance.now() - started) / 1000)} s.`);
    return true;
  }
  const error = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
  say(`Cannot install ${packages.join(", ")}: ${error || "apt-get failed"}. Try: ${installCommand(packages, rights)}`);
  return false;
}

/** Looks in a process of its own: this one would not see a driver that is installed later, and a broken driver can't end it. */
async function probeAdapter(): Promise<AdapterInfo | null> {
  const probe = new URL("../engine/webgpu/gpu.ts", import.meta.url);
  const text = await output(Deno.execPath(), ["run", "--allow-all", "--no-check", probe.href], environment());
  return text ? JSON.parse(text) : null;
}

/** Where Jupyter looks for a user's kernels. */
function kernelFile(): string {
  const data = Deno.env.get("JUPYTER_DATA_DIR") ??
    (Deno.build.os === "darwin"
      ? join(homedir(), "Library", "Jupyter")
      : join(Deno.env.get("XDG_DATA_HOME") ?? join(homedir(), ".local", "share"), "jupyter"));
  return join(data, "kernels", "deno", "kernel.json");
}

async function kernelIsOurs(): Promise<boolean> {
  try {
    const { argv, env } = JSON.parse(await Deno.readTextFile(kernelFile()));
    if (await Deno.realPath(argv[0]) !== await Deno.realPath(Deno.execPath())) return false;
    const { DENO_V8_FLAGS } = await kernelEnvironment();
    return Boolean(env?.XDG_RUNTIME_DIR) && env.DENO_V8_FLAGS === DENO_V8_FLAGS;
  } catch {
    return false;
  }
}

/**
 * What the kernel is started with: what WebGPU needs, and V8's flags where notebooks train on the processor, whatever flags this process
 * has.
 */
async function kernelEnvironment(): Promise<Record<string, string>> {
  const wanted = Deno.env.get("GROKBOOK_V8_FLAGS"), flags = flagged(wanted === undefined ? {} : { GROKBOOK_V8_FLAGS: wanted });
  const { XDG_RUNTIME_DIR } = environment();
  return { XDG_RUNTIME_DIR, ...flags && (await chooseEngine()).engine === "cpu" && await knowsFlags() && flags };
}

async function writeKernel(say: (line: string) => void): Promise<void> {
  const file = kernelFile();
  const kernel = {
    argv: [Deno.execPath(), "jupyter", "--kernel", "--conn", "{connection_file}"],
    display_name: "Deno",
    language: "typescript",
    env: await kernelEnvironment(),
  };
  try {
    await writeWhole(file, JSON.stringify(kernel, null, 2) + "\n");
    say(`Jupyter's kernel "Deno" now starts Deno ${Deno.version.deno}.`);
  } catch (error) {
    say(`${reason(error)}. It must be writable for Jupyter to find this Deno.`);
  }
}

/** Where a program is, looked up in PATH, and where Debian has programs that only root has on PATH. */
export function find(program: string): string | undefined {
  const paths = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin"].filter((folder) => folder !== "").map((folder) =>
    join(folder, program)
  );
  return paths.find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

const onPath = (program: string) => find(program) !== undefined;
