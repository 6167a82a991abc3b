/** What is worth knowing about a graphics adapter, as plain data. */
import { graphicsDriver } from "../machine.ts";

export interface AdapterInfo {
  /** e.g. `llvmpipe (LLVM 15.0.6, 256 bits)` */
  readonly name: string;
  /** The maker's name where known, else the PCI number. */
  readonly vendor: string;
  /** e.g. `Mesa 22.3.6`; `unknown` where the system doesn't tell. */
  readonly driver: string;
  /** True where the "GPU" is a program on the processor. */
  readonly software: boolean;
  readonly limits: AdapterLimits;
  /**
   * Features that a device can be requested with. Some drivers have `subgroups` and `shader-f16` without listing them, so these are tried.
   */
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

/** An adapter's description. Requests devices from it, to find features that it doesn't list. */
export async function describe(adapter: GPUAdapter): Promise<AdapterInfo> {
  const { info, limits } = adapter;
  const features = new Set<string>(adapter.features);
  for (const feature of UNLISTED) {
    if (!features.has(feature) && await accepts(adapter, feature)) features.add(feature);
  }
  const vendor = VENDORS[Number(info.vendor)] ?? info.vendor;
  return {
    name: info.description || `${vendor} ${info.device}`,
    vendor,
    driver: await graphicsDriver(),
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
