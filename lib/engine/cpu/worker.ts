/** A worker thread, started by `machine.ts`. */
import { parentPort } from "node:worker_threads";
import { type Message, reply } from "./jobs.ts";

parentPort?.on("message", (message: Message) => parentPort!.postMessage(reply(message)));
