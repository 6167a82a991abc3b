/** Stands in for `engine/machine.ts` on the page: the same functions, of a browser. */
/// <reference lib="dom" />
import { type Answer, type Message, reply } from "../../engine/cpu/jobs.ts";
import type { Thread } from "../../engine/machine.ts";
import { browserName } from "./name.ts";

/** Bytes that a page may take: half of what the browser says the device has, or 2 GiB where it doesn't say. */
export const freeMemory = (): number => ((navigator as { deviceMemory?: number }).deviceMemory ?? 4) / 2 * 2 ** 30;

/** The browser with what speed depends on besides. */
export const processorName = (threads: string): string => `${browserName()}, ${threads}`;

/** The kernels of the processor engine, compiled. */
export async function kernels(): Promise<WebAssembly.Module> {
  const answer = await fetch(new URL("./kernels.wasm", import.meta.url));
  if (!answer.ok) throw new Error(`Cannot load the kernels: the server must have kernels.wasm, it answers ${answer.status}`);
  return await WebAssembly.compile(await answer.arrayBuffer());
}

/** Whether memory can be shared. A page that isn't isolated can't hand it to another thread, but can use it in its own. */
export function sharesMemory(): boolean {
  try {
    return !(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer instanceof ArrayBuffer);
  } catch {
    return false;
  }
}

/** A browser chooses the pages of its memory by itself. */
export const useLargePages = (): boolean => false;

/** A thread of the processor engine; where the page isn't isolated, the calling thread stands in, and there can be one. */
export const startThread = (): Thread => globalThis.crossOriginIsolated ? workerThread() : ownThread();

function workerThread(): Thread {
  const worker = new Worker(new URL("./thread.js", import.meta.url), { type: "module" });
  return {
    listen: (answered, failed) => {
      worker.onmessage = ({ data }: MessageEvent<Answer>) => answered(data);
      worker.onerror = ({ message }) => failed(message || "its script can't be loaded");
    },
    post: (message) => worker.postMessage(message),
    hold: () => {}, // a page stays as long as it is open
    end: () => Promise.resolve(worker.terminate()),
  };
}

function ownThread(): Thread {
  let tell: (answer: Answer) => void = () => {}, ended = false;
  return {
    listen: (answered) => tell = answered,
    // In a task of its own, so that messages to this thread are heard between two jobs.
    post: (message: Message) => void setTimeout(() => ended || tell(reply(message))),
    hold: () => {},
    end: () => Promise.resolve(ended = true),
  };
}

/** Blocks are measured where a card trains large models; the page takes those that are good everywhere, and keeps none. */
export const BLOCKS_FILE = "";

/** A browser finds its drivers by itself. */
export const prepareDrivers = (): void => {};

/** Browsers don't tell the driver; what they make of it changes with their version. */
export const graphicsDriver = (): Promise<string> => Promise.resolve(browserName());
