/**
 * The graphics adapter that the native engine runs on, and what is worth knowing about it as plain data. Run as a program, it prints
 * that as JSON: an adapter that was installed a moment ago is only seen by a process that has not looked before.
 */

export interface AdapterInfo {
  /** e.g. `llvmpipe (LLVM 15.0.6, 256 bits)` */
  readonly name: string;
  /** Who made it, by name where known, else the PCI number. */
  readonly vendor: string;
  /** e.g. `Mesa 22.3.6`; `unknown` where the system doesn't tell. */
  readonly driver: string;
  /** True where the "GPU" is a program on the processor. */
  readonly software: boolean;
  readonly limits: AdapterLimits;
  /** What a device can be made with; some drivers have `subgroups` and `shader-f16` without listing them, so these are asked for. */
  readonly features: readonly string[];
  /** Lanes of a subgroup: fewest and most. */
  readonly subgroup: readonly [number, number];
}

/** The limits that decide how many runs fit and which kernels run; bytes where they are sizes. */
export interface AdapterLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
  readonly maxStorageBuffersPerShaderStage: number;
  readonly maxComputeWorkgroupStorageSize: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxComputeWorkgroupsPerDimension: number;
}

const VENDORS: Readonly<Record<number, string>> = {
  0x1002: "AMD",
  0x106b: "Apple",
  0x10de: "NVIDIA",
  0x13b5: "ARM",
  0x5143: "Qualcomm",
  0x8086: "Intel",
  0x10005: "Mesa",
};

/** Features that drivers may have without listing them, and that kernels may use. */
const UNLISTED = ["subgroups", "shader-f16"] as const;

/**
 * The fastest adapter, or `null`. On Linux only Vulkan counts: OpenGL, which would be the next best, lacks what the kernels need. Also
 * keeps the Vulkan loader from printing an error where XDG_RUNTIME_DIR isn't set, and Mesa's software driver from idling.
 */
export async function requestGpuAdapter(): Promise<GPUAdapter | null> {
  if (Deno.build.os === "linux") {
    if (!Deno.env.get("DENO_WEBGPU_BACKEND")) Deno.env.set("DENO_WEBGPU_BACKEND", "vulkan");
    if (!Deno.env.get("XDG_RUNTIME_DIR")) Deno.env.set("XDG_RUNTIME_DIR", "/tmp");
    // Mesa's software driver cuts a dispatch into one piece a thread, and waits for the last; two threads a core even that out.
    if (!Deno.env.get("LP_NUM_THREADS")) Deno.env.set("LP_NUM_THREADS", String(Math.min(32, 2 * navigator.hardwareConcurrency)));
  }
  return await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
}

/** What `requestGpuAdapter` finds, as plain data, or `null`. */
export async function describeAdapter(): Promise<AdapterInfo | null> {
  const adapter = await requestGpuAdapter();
  if (!adapter) return null;
  const { info, limits } = adapter;
  const features = new Set<string>(adapter.features);
  for (const feature of UNLISTED) {
    if (!features.has(feature) && await accepts(adapter, feature)) features.add(feature);
  }
  const vendor = VENDORS[Number(info.vendor)] ?? info.vendor;
  return {
    name: info.description || `${vendor} ${info.device}`,
    vendor,
    driver: await driver(),
    software: info.isFallbackAdapter,
    limits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
    },
    features: [...features].sort(),
    subgroup: [info.subgroupMinSize, info.subgroupMaxSize],
  };
}

async function accepts(adapter: GPUAdapter, feature: GPUFeatureName): Promise<boolean> {
  try {
    const device = await adapter.requestDevice({ requiredFeatures: [feature] });
    const has = device.features.has(feature);
    device.destroy();
    return has;
  } catch {
    return false;
  }
}

/** WebGPU doesn't say which driver it is; the system does. */
async function driver(): Promise<string> {
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

if (import.meta.main) console.log(JSON.stringify(await describeAdapter()));
