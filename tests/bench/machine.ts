/** Where a measurement was made: nothing that names a person's machine, all that explains a figure. */
import os from "node:os";
import type { AdapterInfo } from "../../lib/engine/webgpu/adapter.ts";
import { describeAdapter } from "../../lib/engine/webgpu/gpu.ts";
import { commit } from "../../lib/lab/environment.ts";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  /** GiB. */
  readonly memory: number;
  readonly system: string;
  readonly deno: string;
  /** What WebGPU computes on; `null` where there is none. */
  readonly adapter: Pick<AdapterInfo, "name" | "driver" | "software"> | null;
  /** NVIDIA's card and its driver, as its own tool names them. */
  readonly nvidia: string | null;
  /** As `commit` of the lab says. */
  readonly commit: string;
}

export async function machine(): Promise<Machine> {
  const adapter = await describeAdapter();
  return {
    processor: os.cpus()[0]?.model.trim() ?? "unknown",
    cores: navigator.hardwareConcurrency,
    memory: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    deno: Deno.version.deno,
    adapter: adapter && { name: adapter.name, driver: adapter.driver, software: adapter.software },
    nvidia: await output("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"),
    commit: await commit(),
  };
}

/** What a program prints; `null` where it isn't there or fails. */
async function output(program: string, ...args: string[]): Promise<string | null> {
  try {
    const { success, stdout } = await new Deno.Command(program, { args, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() || null : null;
  } catch {
    return null;
  }
}
