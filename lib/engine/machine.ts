/**
 * What engines need of the machine: its processor, its memory, its graphics driver, threads, and a few files. All that is Deno's in them is
 * here. `lib/page/browser/machine.ts` has the same functions for browsers, and takes this module's place where the page is built.
 */
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { hasFlags } from "./cpu/flags.ts";
import type { Answer, Message } from "./cpu/jobs.ts";

/** A thread that answers messages, in order. */
export interface Thread {
  /** Who is told its answers, and who is told why it ended. */
  listen(answered: (answer: Answer) => void, failed: (reason: string) => void): void;
  post(message: Message): void;
  /** Whether the process must stay alive for it. */
  hold(needed: boolean): void;
  end(): Promise<unknown>;
}

/** Bytes of memory that are free. */
export const freeMemory = (): number => Deno.systemMemoryInfo().available;

/** The processor with what speed depends on besides. */
export const processorName = (threads: string): string =>
  `${cpus()[0]?.model.trim() ?? "processor"}, ${threads}, ${hasFlags() ? "with" : "without"} V8's flags`;

/** The kernels of the processor engine, compiled. */
export const kernels = async (): Promise<WebAssembly.Module> =>
  await WebAssembly.compile(await Deno.readFile(new URL("./cpu/kernels.wasm", import.meta.url)));

/** Whether threads can share memory here. */
export const sharesMemory = (): boolean => typeof SharedArrayBuffer === "function";

/** Linux's advice to back memory with pages of 2 MiB, from <sys/mman.h>. */
const MADV_HUGEPAGE = 14;

/**
 * Asks Linux for pages of 2 MiB, which it gives by itself in few distributions: with pages of 4 KiB a processor often has to look up where
 * one lies. No bit depends on it, and where it can't be had, nothing changes.
 * @returns Whether Linux took the advice.
 */
export function useLargePages(memory: WebAssembly.Memory): boolean {
  if (Deno.build.os !== "linux" || Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return false;
  try {
    const library = Deno.dlopen("libc.so.6", { madvise: { parameters: ["buffer", "usize", "i32"], result: "i32" } });
    try {
      const bytes = new Uint8Array(memory.buffer);
      return library.symbols.madvise(bytes, BigInt(bytes.length), MADV_HUGEPAGE) === 0;
    } finally {
      library.close();
    }
  } catch {
    return false; // a system with another C library
  }
}

/** Starts a thread of the processor engine. */
export function startThread(): Thread {
  const worker = new Worker(new URL("./cpu/worker.ts", import.meta.url));
  return {
    listen: (answered, failed) => {
      worker.on("message", answered);
      worker.on("error", (error: unknown) => failed(error instanceof Error ? error.message : String(error)));
      worker.on("exit", (code: number) => failed(`it ended with exit code ${code}`));
    },
    post: (message) => worker.postMessage(message),
    hold: (needed) => needed ? worker.ref() : worker.unref(),
    end: () => worker.terminate(),
  };
}

/** The file of measured blocks. */
export const BLOCKS_FILE = fileURLToPath(new URL("../../data/out/blocks.json", import.meta.url));

/**
 * Sets what the system's drivers read: on Linux only Vulkan counts, because OpenGL, which would be the next best, lacks what the kernels
 * need. Also keeps the Vulkan loader from printing an error where XDG_RUNTIME_DIR isn't set, and Mesa's software driver from idling.
 */
export function prepareDrivers(): void {
  if (Deno.build.os !== "linux") return;
  if (!Deno.env.get("DENO_WEBGPU_BACKEND")) Deno.env.set("DENO_WEBGPU_BACKEND", "vulkan");
  if (!Deno.env.get("XDG_RUNTIME_DIR")) Deno.env.set("XDG_RUNTIME_DIR", "/tmp");
  // Mesa's software driver cuts a dispatch into one piece per thread and waits for the last; with two threads per core it waits less.
  if (!Deno.env.get("LP_NUM_THREADS")) Deno.env.set("LP_NUM_THREADS", String(Math.min(32, 2 * navigator.hardwareConcurrency)));
}

/** The graphics driver's name and version, from the operating system: WebGPU doesn't tell. */
export async function graphicsDriver(): Promise<string> {
  if (Deno.build.os === "darwin") return "Metal";
  if (Deno.build.os === "windows") return "unknown";
  try {
    const nvidia = (await Deno.readTextFile("/proc/driver/nvidia/version")).match(/\d+\.\d+(\.\d+)?/);
    if (nvidia) return `NVIDIA ${nvidia[0]}`;
  } catch { /* no such driver */ }
  try {
    const { success, stdout } = await new Deno.Command("dpkg-query", {
      args: ["-W", "-f", "${Version}", "mesa-vulkan-drivers"],
      stderr: "null",
    }).output();
    if (success) return `Mesa ${new TextDecoder().decode(stdout).split("-")[0]}`;
  } catch { /* not a Debian */ }
  return "unknown";
}
