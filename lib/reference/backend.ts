/** TensorFlow.js and its backends. The backend is a global setting, so every computation selects its own first. */
import * as tf from "@tensorflow/tfjs";
import { describeAdapter, requestGpuAdapter } from "../engine/webgpu/gpu.ts";
import type { EngineInfo } from "../engine/engine.ts";

export type Backend = "webgpu" | "wasm" | "cpu";

// Spares the terminal a banner about another package; checks of shapes stay.
tf.enableProdMode();

/**
 * Starts a backend, by default the first that works of webgpu, wasm and cpu. A software WebGPU adapter is used only where it is requested:
 * wasm is faster there.
 * @throws Error where the requested backend can't start here.
 */
export async function startBackend(wanted?: Backend): Promise<{ backend: Backend; info: EngineInfo }> {
  for (const backend of wanted ? [wanted] : ["webgpu", "wasm", "cpu"] as const) {
    if (!wanted && backend === "webgpu" && ((await requestGpuAdapter())?.info.isFallbackAdapter ?? true)) continue;
    if (await start(backend)) return { backend, info: await describe(backend) };
  }
  throw new Error(`Cannot start TensorFlow.js: its backend must be one that works on this machine, current value is ${wanted}`);
}

/** Selects a backend that has started; takes effect at once. */
export function select(backend: Backend): void {
  if (tf.getBackend() !== backend) void tf.setBackend(backend);
}

async function start(backend: Backend): Promise<boolean> {
  if (tf.engine().registry[backend]) return true;
  try {
    if (backend === "webgpu") await import("@tensorflow/tfjs-backend-webgpu");
    if (backend === "wasm") {
      await import("@tensorflow/tfjs-backend-wasm");
      transposeBeforeProducts();
    }
    return await tf.setBackend(backend);
  } catch {
    return false;
  }
}

async function describe(backend: Backend): Promise<EngineInfo> {
  const version = `TensorFlow.js ${tf.version["tfjs-core"]}`;
  const processor = { name: backend === "wasm" ? "processor (WebAssembly)" : "processor (JavaScript)", driver: backend, software: true };
  const { name, driver, software } = (backend === "webgpu" ? await describeAdapter() : null) ?? processor;
  return { engine: "tfjs", adapter: name, driver: `${driver}, ${version}`, software };
}

/**
 * The wasm backend gives a product to its fast library only where no operand is to be transposed, and every gradient of a product has one:
 * its own loop for those takes 12 times as long. So transpose first.
 */
function transposeBeforeProducts(): void {
  const [product, transpose] = ["BatchMatMul", "Transpose"].map((name) => tf.getKernel(name, "wasm"));
  tf.unregisterKernel("BatchMatMul", "wasm");
  tf.registerKernel({
    ...product,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const flags = attrs as { transposeA: boolean; transposeB: boolean };
      const made: tf.TensorInfo[] = [];
      const ready = (x: tf.TensorInfo, flag: boolean) => {
        if (!flag || x.shape.length !== 2) return x;
        made.push(transpose.kernelFunc({ inputs: { x }, backend, attrs: { perm: [1, 0] } }) as tf.TensorInfo);
        return made.at(-1)!;
      };
      const [a, b] = [ready(inputs.a!, flags.transposeA), ready(inputs.b!, flags.transposeB)];
      const attributes = { transposeA: flags.transposeA && a === inputs.a, transposeB: flags.transposeB && b === inputs.b };
      const result = product.kernelFunc({ inputs: { a, b }, backend, attrs: attributes });
      for (const { dataId } of made) (backend as tf.KernelBackend).disposeData(dataId);
      return result;
    },
  });
}
