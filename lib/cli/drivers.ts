/** Vulkan drivers as the loader finds them: which are installed, and whether the environment points it elsewhere. */
import { basename, join } from "node:path";
import { homedir } from "node:os";

export interface Drivers {
  /** The manifests of installed drivers, as paths. */
  readonly installed: readonly string[];
  /** The variables that name drivers in place of the installed ones, with what they name; none of it need exist. */
  readonly named: Readonly<Record<string, readonly string[]>>;
}

/** Both name drivers; the second is the older one, which the loader still obeys. */
const VARIABLES = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];

/** How the name of Mesa's driver that runs on the processor begins. */
const SOFTWARE = "lvp_icd";

/** Looks where the loader looks (https://github.com/KhronosGroup/Vulkan-Loader, LoaderDriverInterface.md), on Linux. */
export function vulkanDrivers(): Drivers {
  const data = (Deno.env.get("XDG_DATA_DIRS") || "/usr/local/share:/usr/share").split(":");
  const own = Deno.env.get("XDG_DATA_HOME") || join(homedir(), ".local", "share");
  const folders = [...new Set(["/etc", "/usr/local/etc", own, ...data])].map((folder) => join(folder, "vulkan", "icd.d"));
  const named = VARIABLES.flatMap((name) => {
    const value = Deno.env.get(name);
    return value ? [[name, value.split(":")] as const] : [];
  });
  return { installed: folders.flatMap(manifests), named: Object.fromEntries(named) };
}

function manifests(folder: string): string[] {
  try {
    return Deno.readDirSync(folder).toArray().map(({ name }) => name).filter((name) => name.endsWith(".json")).sort()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** Why there may be no adapter although there are drivers, and what to do; `null` where installing one may help. */
export function whyNoAdapter({ installed, named }: Drivers): { readonly what: string; readonly how: string } | null {
  const variables = Object.keys(named), names = installed.map((path) => basename(path)).join(", ");
  if (variables.length > 0) {
    const values = [...new Set(Object.values(named).flat())].join(", "),
      has = installed.length > 0 ? `, and not at those installed: ${names}` : "";
    return {
      what: `WebGPU finds no adapter: ${variables.join(" and ")} ${
        variables.length > 1 ? "point" : "points"
      } the Vulkan loader at ${values}${has}`,
      how: `unset ${variables.join(" ")}`,
    };
  }
  // Drivers of cards that aren't there are no reason not to install the one that needs none.
  if (!installed.some((path) => basename(path).startsWith(SOFTWARE))) return null;
  return {
    what: `WebGPU finds no adapter, though Vulkan drivers are installed: ${names}`,
    how: "VK_LOADER_DEBUG=error,warn deno run -A lib/engine/webgpu/gpu.ts, which says what is wrong with them",
  };
}
