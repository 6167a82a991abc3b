/** A thread of the processor engine, in a browser. */
import { type Message, reply } from "../../engine/cpu/jobs.ts";

globalThis.addEventListener("message", ({ data }: MessageEvent<Message>) => globalThis.postMessage(reply(data)));
