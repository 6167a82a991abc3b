/** A graphics card as tests of machines make it up. */
import type { AdapterInfo } from "../../lib/engine/webgpu/adapter.ts";

export const ADAPTER: AdapterInfo = {
  name: "An adapter",
  vendor: "NVIDIA",
  driver: "NVIDIA 550.1",
  software: false,
  limits: {
    maxBufferSize: 2 ** 31 - 1,
    maxStorageBufferBindingSize: 2 ** 27,
    maxStorageBuffersPerShaderStage: 16,
    maxComputeWorkgroupStorageSize: 49152,
    maxComputeInvocationsPerWorkgroup: 1024,
    maxComputeWorkgroupsPerDimension: 65535,
  },
  features: ["subgroups"],
  subgroup: [32, 32],
};
