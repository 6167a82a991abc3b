/** The device: the only file that allocates, compiles, dispatches and reads back. Everything else about the GPU is plain data. */
import { type AdapterInfo, describeAdapter, requestGpuAdapter } from "./adapter.ts";
import { type Constants, type Kernel, source } from "./kernels/kernel.ts";

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
  /** What went wrong, once something did that no scope has caught: the device was lost, or a command was refused. */
  #fault: string | null = null;
  #pipelines = new Map<string, { pipeline: GPUComputePipeline; layout: GPUBindGroupLayout }>();

  private constructor(device: GPUDevice, adapter: AdapterInfo) {
    this.device = device;
    this.adapter = adapter;
    device.lost.then(({ message, reason }) => this.#fault ??= `the device was lost: ${message || reason}`);
    device.addEventListener("uncapturederror", (event) => this.#fault ??= (event as GPUUncapturedErrorEvent).error.message);
  }

  /** Opens the best adapter with all that it can do. @throws Error where there is none, with how to get one. */
  static async open(): Promise<Gpu> {
    const adapter = await requestGpuAdapter();
    const info = await describeAdapter();
    if (!adapter || !info) {
      throw new Error(
        "Cannot open a GPU: no adapter was found, one with a Vulkan driver is needed (Mesa's software driver will do: deno task doctor)",
      );
    }
    const requiredLimits: Record<string, number> = {};
    for (const limit of LIMITS) requiredLimits[limit] = adapter.limits[limit];
    const requiredFeatures = FEATURES.filter((feature) => info.features.includes(feature));
    return new Gpu(await adapter.requestDevice({ requiredLimits, requiredFeatures }), info);
  }

  /**
   * Buffers of the given sizes in bytes, zeroed; or `null`, with nothing kept, where the driver refuses.
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

  /** Compiles kernels, each distinct code once, and binds them to buffers by name. @throws Error with the kernel's label. */
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

  /** Records dispatches for so many rows. */
  encode(pass: GPUComputePassEncoder, dispatches: readonly Dispatch[], rows: number): void {
    for (const { kernel: { grid }, pipeline, bindGroup } of dispatches) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(grid[0], grid[1], grid[2] * rows);
    }
  }

  /** @throws Error where something has gone wrong on the device. */
  check(): void {
    if (this.#fault !== null) {
      throw new Error(`Cannot go on with ${this.adapter.name}: a working device is needed, current state is ${this.#fault.trim()}`);
    }
  }

  /** Moves bytes within a buffer, which WebGPU doesn't copy onto itself. */
  move(buffer: GPUBuffer, source: number, target: number, bytes: number): void {
    const between = this.device.createBuffer({ size: bytes, usage: GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, source, between, 0, bytes);
    encoder.copyBufferToBuffer(between, 0, buffer, target, bytes);
    this.device.queue.submit([encoder.finish()]);
    between.destroy();
  }

  /** Writes into a buffer, at a byte offset. */
  write(buffer: GPUBuffer, offset: number, data: ArrayBuffer | Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>): void {
    this.device.queue.writeBuffer(buffer, offset, data);
  }

  /** A copy of part of a buffer, made when everything submitted before is done. */
  async read(buffer: GPUBuffer, offset: number, bytes: number): Promise<ArrayBuffer> {
    const staging = this.stage(bytes);
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, offset, staging, 0, bytes);
    this.device.queue.submit([encoder.finish()]);
    return await this.take(staging);
  }

  /** A buffer to copy results into; `take` hands them out and frees it. */
  stage(bytes: number): GPUBuffer {
    return this.device.createBuffer({ size: bytes, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  }

  /** @throws Error where something went wrong on the way. */
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
        this.encode(pass, [dispatch], rows);
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
