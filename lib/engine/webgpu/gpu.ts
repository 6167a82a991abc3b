/**
 * The device: the only file that requests adapters, allocates, compiles, records commands and reads back. Everything else about the GPU is
 * plain data. Run as a program, it prints the adapter as JSON: a driver that was installed a moment ago is only found by a new process.
 */
import { prepareDrivers } from "../machine.ts";
import { type AdapterInfo, describe } from "./adapter.ts";
import { type Constants, type Kernel, source } from "./kernels/kernel.ts";

/** The fastest adapter, or `null`. */
export async function requestGpuAdapter(): Promise<GPUAdapter | null> {
  prepareDrivers();
  return await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
}

/** What `requestGpuAdapter` finds, as plain data, or `null`. */
export async function describeAdapter(): Promise<AdapterInfo | null> {
  const adapter = await requestGpuAdapter();
  return adapter && await describe(adapter);
}

/** A kernel with its pipeline and buffers: what a pass replays. */
export interface Dispatch {
  readonly kernel: Kernel;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
}

/** What a kernel took, in milliseconds, over all rows. */
export interface Timing {
  readonly kernel: Kernel;
  readonly milliseconds: number;
}

export class Gpu {
  readonly device: GPUDevice;
  readonly adapter: AdapterInfo;
  /** The first error that no error scope has caught: the device was lost, or a command was refused. */
  #fault: string | null = null;
  #pipelines = new Map<string, { pipeline: GPUComputePipeline; layout: GPUBindGroupLayout }>();

  private constructor(device: GPUDevice, adapter: AdapterInfo) {
    this.device = device;
    this.adapter = adapter;
    device.lost.then(({ message, reason }) => this.#fault ??= `the device was lost: ${message || reason}`);
    device.addEventListener("uncapturederror", (event) => this.#fault ??= (event as GPUUncapturedErrorEvent).error.message);
  }

  /**
   * Opens the fastest adapter with its own limits and the features that kernels use.
   * @throws Error where there is no adapter, with how to get one.
   */
  static async open(): Promise<Gpu> {
    const adapter = await requestGpuAdapter();
    if (!adapter) {
      throw new Error(
        "Cannot open a GPU: no adapter was found, one with a Vulkan driver is needed (Mesa's software driver will do: deno task doctor)",
      );
    }
    const info = await describe(adapter);
    const requiredLimits: Record<string, number> = {};
    for (const limit of LIMITS) requiredLimits[limit] = adapter.limits[limit];
    const requiredFeatures = FEATURES.filter((feature) => info.features.includes(feature));
    return new Gpu(await adapter.requestDevice({ requiredLimits, requiredFeatures }), info);
  }

  /**
   * Allocates zeroed buffers.
   * @param sizes bytes by name.
   * @returns the buffers, or `null` where the driver refuses one of them; then none is kept.
   */
  async allocate(sizes: ReadonlyMap<string, number>): Promise<Map<string, GPUBuffer> | null> {
    this.device.pushErrorScope("out-of-memory");
    this.device.pushErrorScope("validation");
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffers = new Map<string, GPUBuffer>();
    let refused = false;
    try {
      for (const [label, size] of sizes) buffers.set(label, this.device.createBuffer({ label, size, usage }));
    } catch {
      refused = true;
    }
    const errors = [await this.device.popErrorScope(), await this.device.popErrorScope()];
    if (!refused && errors.every((error) => error === null)) return buffers;
    for (const buffer of buffers.values()) buffer.destroy();
    return null;
  }

  /**
   * Compiles kernels, each distinct code once, and binds them to buffers by name.
   * @throws Error with the kernel's label where its code doesn't compile or it names a buffer that isn't there.
   */
  async prepare(kernels: readonly Kernel[], buffers: ReadonlyMap<string, GPUBuffer>): Promise<Dispatch[]> {
    const dispatches: Dispatch[] = [];
    for (const kernel of kernels) {
      const { pipeline, layout } = await this.#pipeline(kernel);
      const bindGroup = this.device.createBindGroup({
        label: kernel.label,
        layout,
        entries: kernel.bindings.map(({ buffer }, binding) => {
          const bound = buffers.get(buffer);
          if (!bound) throw new Error(`Cannot bind ${kernel.label}: the plan has no buffer ${buffer}`);
          return { binding, resource: { buffer: bound } as GPUBindingResource };
        }).concat(kernel.constants ? [{ binding: kernel.bindings.length, resource: { buffer: this.#uniforms(kernel.constants) } }] : []),
      });
      dispatches.push({ kernel, pipeline, bindGroup });
    }
    return dispatches;
  }

  async #pipeline(kernel: Kernel) {
    const code = source(kernel);
    const known = this.#pipelines.get(code);
    if (known) return known;
    this.device.pushErrorScope("validation");
    const layout = this.device.createBindGroupLayout({
      entries: [...kernel.bindings.map(({ access }) => access), ...(kernel.constants ? ["uniform" as const] : [])].map((
        access,
        binding,
      ) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: ({ read: "read-only-storage", read_write: "storage", uniform: "uniform" } as const)[access] },
      })),
    });
    const pipeline = this.device.createComputePipeline({
      label: kernel.label,
      layout: this.device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: this.device.createShaderModule({ label: kernel.label, code }), entryPoint: "main" },
    });
    const error = await this.device.popErrorScope();
    if (error) throw new Error(`Cannot compile ${kernel.label}: ${error.message}`);
    this.#pipelines.set(code, { pipeline, layout });
    return { pipeline, layout };
  }

  #uniforms(constants: Constants): GPUBuffer {
    const values = Uint32Array.from(Object.values(constants));
    const buffer = this.device.createBuffer({
      size: 16 * Math.ceil(values.length / 4),
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    this.write(buffer, 0, values);
    return buffer;
  }

  /** Begins a list of commands, which the device gets with `submit`. */
  record(): Recording {
    return new Recording(this.device);
  }

  /** @throws Error where the device has failed. */
  check(): void {
    if (this.#fault !== null) {
      throw new Error(`Cannot go on with ${this.adapter.name}: a working device is needed, current state is ${this.#fault.trim()}`);
    }
  }

  /** Writes into a buffer, at a byte offset. */
  write(buffer: GPUBuffer, offset: number, data: ArrayBuffer | Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>): void {
    this.device.queue.writeBuffer(buffer, offset, data);
  }

  /** A copy of part of a buffer, made when everything submitted before is done. */
  async read(buffer: GPUBuffer, offset: number, bytes: number): Promise<ArrayBuffer> {
    const recording = this.record(), staging = recording.copy([{ buffer, offset, bytes }]);
    recording.submit();
    return await this.take(staging);
  }

  /**
   * What a recording has copied into a staging buffer, which is then freed. Blocks until the device is idle.
   * @throws Error where the device has failed.
   */
  async take(staging: GPUBuffer): Promise<ArrayBuffer> {
    try {
      await staging.mapAsync(GPUMapMode.READ);
    } catch (error) {
      this.#fault ??= (error as Error).message;
    }
    this.check();
    const copy = staging.getMappedRange().slice(0);
    staging.unmap();
    staging.destroy();
    return copy;
  }

  /**
   * Waits for all that was submitted.
   * @throws Error where the device has failed.
   */
  async done(): Promise<void> {
    await this.device.queue.onSubmittedWorkDone();
    this.check();
  }

  /** Runs each dispatch alone between two timestamps, `times` times, and gives the medians; `null` where the adapter has no timestamps. */
  async time(dispatches: readonly Dispatch[], rows: number, times: number): Promise<Timing[] | null> {
    if (!this.device.features.has("timestamp-query")) return null;
    const count = 2 * dispatches.length;
    const querySet = this.device.createQuerySet({ type: "timestamp", count });
    const resolved = this.device.createBuffer({ size: 8 * count, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
    const samples: number[][] = dispatches.map(() => []);
    for (let round = 0; round < times; round++) {
      const encoder = this.device.createCommandEncoder();
      dispatches.forEach((dispatch, i) => {
        const pass = encoder.beginComputePass({
          timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
        });
        encode(pass, dispatch, rows);
        pass.end();
      });
      encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
      this.device.queue.submit([encoder.finish()]);
      const stamps = new BigUint64Array(await this.read(resolved, 0, 8 * count));
      samples.forEach((sample, i) => sample.push(Number(stamps[2 * i + 1] - stamps[2 * i]) / 1e6));
    }
    querySet.destroy();
    resolved.destroy();
    return dispatches.map(({ kernel }, i) => ({ kernel, milliseconds: samples[i].sort((a, b) => a - b)[times >> 1] }));
  }
}

/** Bytes of a buffer. */
export interface Stretch {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly bytes: number;
}

/** A list of commands that is being put together. */
export class Recording {
  readonly #device: GPUDevice;
  readonly #encoder: GPUCommandEncoder;
  /** The pass that dispatches are recorded into; copies end it. */
  #pass: GPUComputePassEncoder | null = null;
  /** Buffers that are freed once the commands are submitted. */
  #spare: GPUBuffer[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#encoder = device.createCommandEncoder();
  }

  /** Dispatches for so many rows, in order, so many times. */
  run(dispatches: readonly Dispatch[], times: number, rows: number): void {
    const pass = this.#pass ??= this.#encoder.beginComputePass();
    for (let time = 0; time < times; time++) {
      for (const dispatch of dispatches) encode(pass, dispatch, rows);
    }
  }

  /** Copies stretches into one new buffer, one after the other, for `Gpu.take`. */
  copy(stretches: readonly Stretch[]): GPUBuffer {
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST, size = stretches.reduce((sum, { bytes }) => sum + bytes, 0);
    const staging = this.#device.createBuffer({ size, usage });
    this.#endPass();
    let at = 0;
    for (const { buffer, offset, bytes } of stretches) {
      this.#encoder.copyBufferToBuffer(buffer, offset, staging, at, bytes);
      at += bytes;
    }
    return staging;
  }

  /** Moves bytes within a buffer, through another one: WebGPU copies no buffer onto itself. */
  move({ buffer, offset, bytes }: Stretch, target: number): void {
    const between = this.#device.createBuffer({ size: bytes, usage: GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
    this.#endPass();
    this.#encoder.copyBufferToBuffer(buffer, offset, between, 0, bytes);
    this.#encoder.copyBufferToBuffer(between, 0, buffer, target, bytes);
    this.#spare.push(between);
  }

  /** Submits the commands to the device. */
  submit(): void {
    this.#endPass();
    this.#device.queue.submit([this.#encoder.finish()]);
    for (const buffer of this.#spare.splice(0)) buffer.destroy();
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = null;
  }
}

function encode(pass: GPUComputePassEncoder, { kernel: { grid }, pipeline, bindGroup }: Dispatch, rows: number): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(grid[0], grid[1], grid[2] * rows);
}

/** What the kernels need more of than WebGPU promises everywhere. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
] as const;
const FEATURES: readonly GPUFeatureName[] = ["timestamp-query"];

if (import.meta.main) console.log(JSON.stringify(await describeAdapter()));
