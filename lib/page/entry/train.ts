/** The worker that trains, so that the window stays free: it tells of every evaluation, and of the networks at the steps that are kept. */
/// <reference lib="dom" />
import "../browser/newer.ts";
import type { Engine } from "../../engine/engine.ts";
import { requireFeatures } from "../../engine/cpu/threads.ts";
import { requestGpuAdapter } from "../../engine/webgpu/gpu.ts";
import { type Run, train } from "../../train/train.ts";
import { runSpec } from "../../run/spec.ts";
import { reason } from "../browser/files.ts";
import type { EngineWish, RunState, TrainMessage, TrainNews } from "../protocol.ts";
import { keptSteps } from "../settings.ts";
import type { Gate } from "../gate.ts";
import { OneAtATime } from "../one_at_a_time.ts";

/** Networks go on for so many updates after they have grokked, so that it is seen whether they stay there. */
const MARGIN = 200;

/** A thread for each processor but one, which draws; of two, both train. */
const threadsHere = () =>
  globalThis.crossOriginIsolated ? Math.max(Math.min(2, navigator.hardwareConcurrency), navigator.hardwareConcurrency - 1) : 1;

interface Opened {
  readonly engine: Engine;
  readonly threads: number;
  readonly why: string;
}
const opened = new Map<"cpu" | "webgpu", Promise<Opened>>();

/** The engine that is wished for. */
async function open(wish: EngineWish): Promise<Opened> {
  const adapter = wish === "cpu" || !navigator.gpu ? null : await requestGpuAdapter().catch(() => null);
  if (wish === "webgpu") {
    if (!navigator.gpu) throw new Error("Cannot train on the graphics card: this browser must have WebGPU, it has not");
    if (!adapter) throw new Error("Cannot train on the graphics card: this browser's WebGPU must offer one, it offers none");
    return await once("webgpu", webgpu);
  }
  if (adapter && !adapter.info.isFallbackAdapter) {
    const engine = await once("webgpu", webgpu).catch(() => null);
    if (engine) return engine;
  }
  return await once("cpu", cpu);
}

/** Opens an engine, unless it is open. One that couldn't be opened is tried again next time. */
function once(name: "cpu" | "webgpu", make: () => Promise<Opened>): Promise<Opened> {
  const known = opened.get(name) ?? make();
  opened.set(name, known);
  known.catch(() => opened.delete(name));
  return known;
}

async function webgpu(): Promise<Opened> {
  const [{ webgpuEngine }, { GPU_TILE }] = await Promise.all([
    import("../../engine/webgpu/engine.ts"),
    import("../../engine/webgpu/kernels/gemm.ts"),
  ]);
  return { engine: await webgpuEngine(GPU_TILE), threads: 0, why: "there is an adapter for it" };
}

async function cpu(): Promise<Opened> {
  requireFeatures();
  const { cpuEngine } = await import("../../engine/cpu/engine.ts"), threads = threadsHere();
  const why = globalThis.crossOriginIsolated
    ? "the page is isolated, so threads can share memory"
    : "the page isn't isolated, so one thread trains";
  return { engine: await cpuEngine(threads), threads, why };
}

const trainings = new OneAtATime();

const stateOf = ({ index, status, step, memorisationStep, grokkingStep, error }: Run): RunState => {
  return { index, status, step, memorisationStep, grokkingStep, ...error !== undefined && { error } };
};

/** This worker, which tells the window. */
const scope = globalThis as unknown as { postMessage(news: TrainNews & { id: number }, transfer: Transferable[]): void };
type Tell = (news: TrainNews, transfer?: Transferable[]) => void;
/** Tells news of one training. */
const telling = (id: number): Tell => (news, transfer = []) => scope.postMessage({ id, ...news }, transfer);

/** Opens the engine and tells which it is. */
async function prepare(wish: EngineWish, tell: Tell): Promise<Opened> {
  const { engine, threads, why } = await open(wish);
  tell({ tells: "engine", info: engine.info, threads, why });
  return { engine, threads, why };
}

async function work({ id, specs: given, engine: wish }: TrainMessage & { does: "train" }, signal: AbortSignal, gate: Gate): Promise<void> {
  const tell = telling(id);
  try {
    const specs = given.map((spec) => runSpec(spec)), { engine } = await prepare(wish, tell);
    if (signal.aborted) return;
    const keep = (run: Run, params: Float32Array<ArrayBuffer>, step: number) => {
      const copy = params.slice();
      tell({ tells: "state", state: { index: run.index, step, params: copy } }, [copy.buffer]);
    };
    const runs = await train(specs, {
      ...{ engine, signal, untilGrokked: true, margin: MARGIN, stops: keptSteps },
      onStop: (run, { params, step }) => keep(run, params, step),
      onEnd: (run) => run.snapshot && keep(run, run.snapshot.params, run.snapshot.step),
      onProgress: async (news, runs) => {
        tell({ tells: "progress", metrics: news.map(({ run, metrics }) => ({ index: run.index, metrics })), runs: runs.map(stateOf) });
        if (news.length > 0) await gate.pass();
      },
    });
    if (!signal.aborted) tell({ tells: "ended", runs: runs.map(stateOf) });
  } catch (error) {
    opened.clear(); // a device may be lost
    if (!signal.aborted) tell({ tells: "failed", message: reason(error) });
  }
}

globalThis.addEventListener("message", ({ data }: MessageEvent<TrainMessage>) => {
  if (data.does === "train") trainings.start((signal, gate) => work(data, signal, gate), data.paused);
  else if (data.does === "prepare") void prepare(data.engine, telling(data.id)).catch(() => {}); // whoever starts is told why
  else if (data.does === "pause") trainings.gate.close();
  else if (data.does === "resume") trainings.gate.open();
  else if (data.does === "step") trainings.gate.once();
  else trainings.stop();
});
