/** What an adapter can do at most, measured: multiply-adds a second, and bytes a second through its memory. The roof of a roofline. */
import type { Gpu } from "../../lib/engine/webgpu/gpu.ts";
import { elementwise, type Kernel, read, write } from "../../lib/engine/webgpu/kernels/kernel.ts";

export interface Peak {
  /** fp32 operations a second, a multiply-add counting as two. */
  readonly flops: number;
  /** Bytes read and written a second. */
  readonly bytes: number;
}

/** Measured so long, in ms, at least: a card's clock needs some to rise. */
const ENOUGH = 20, TURNS = 5;
/** Eight sums that don't wait for each other, of four floats each, so many multiply-adds long. */
const SUMS = 8, STEPS = 16, ROUNDS = 64;

const multiplyAdds = (threads: number): Kernel => {
  const sums = Array.from({ length: SUMS }, (_, i) => `c${i}`);
  return elementwise({
    label: "multiply-adds alone",
    count: threads,
    bindings: [write.vec4f("out", "[threads]")],
    body: `  let x = vec4f(f32(i) * 1e-9); var ${sums.map((sum, s) => `${sum} = vec4f(${s}.0)`).join("; var ")};
  for (var round = 0u; round < ${ROUNDS}u; round++) {
${`    ${sums.map((sum) => `${sum} = fma(${sum}, x, x);`).join(" ")}\n`.repeat(STEPS)}  }
  out[i] = ${sums.join(" + ")};`,
    flop: threads * ROUNDS * STEPS * SUMS * 4 * 2,
  });
};

const copy = (vectors: number): Kernel =>
  elementwise({
    label: "copying alone",
    count: vectors,
    bindings: [read.vec4f("source", "[vectors]"), write.vec4f("out", "[vectors]")],
    body: "  out[i] = source[i];",
    bytes: 32 * vectors,
  });

/** The best of some turns of either. @throws Error where the adapter has no timestamps or too little memory. */
export async function peakOf(gpu: Gpu): Promise<Peak> {
  const { software, limits } = gpu.adapter;
  // Past a card's cache.
  const vectors = Math.min(limits.maxStorageBufferBindingSize, software ? 2 ** 26 : 2 ** 28) / 16;
  const buffers = await gpu.allocate(new Map([["source", 16 * vectors], ["out", 16 * vectors]]));
  if (!buffers) {
    throw new Error(`Cannot measure the peak of ${gpu.adapter.name}: ${(32 * vectors) / 2 ** 20} MiB are needed, the driver refused`);
  }
  const soonest = async (kernel: Kernel) => {
    const dispatches = Array.from({ length: TURNS }, () => kernel);
    const timings = await gpu.time(await gpu.prepare(dispatches, buffers), 1, 3);
    if (!timings) throw new Error(`Cannot measure the peak of ${gpu.adapter.name}: it needs timestamp-query, the adapter has none`);
    return Math.min(...timings.map(({ milliseconds }) => milliseconds));
  };
  try {
    let threads = 2 ** 12, kernel = multiplyAdds(threads), milliseconds = await soonest(kernel);
    while (milliseconds < ENOUGH && 4 * threads <= vectors) {
      kernel = multiplyAdds(threads *= 4);
      milliseconds = await soonest(kernel);
    }
    const copying = copy(vectors);
    return { flops: 1e3 * kernel.flop / milliseconds, bytes: 1e3 * copying.bytes / await soonest(copying) };
  } finally {
    for (const buffer of buffers.values()) buffer.destroy();
  }
}
