/** A folder for what tests write and throw away: in memory where there is room, so that no test waits for a disk. */
import { statfsSync } from "node:fs";

/** Linux's folder in memory, and what must be free there and of the memory itself, in bytes: tests are not to run short of either. */
const MEMORY = "/dev/shm", ROOM = 2 ** 30;

/** Whether a table of mounts, as of /proc/self/mounts, has a folder in memory in which programs may run. */
export const runsPrograms = (mounts: string, folder: string = MEMORY): boolean =>
  mounts.split("\n").map((line) => line.split(" ")).some(([, at, type, options]) =>
    at === folder && type === "tmpfs" && !options.split(",").includes("noexec") && options.split(",").includes("rw")
  );

/**
 * Makes a folder of its own in memory. A database there is stored without a wait, and as safe from a process that is killed.
 * @returns its path, which whoever called removes; `null` where there is no room in memory, TMPDIR is set, or this isn't Linux.
 */
export function scratchFolder(): string | null {
  if (Deno.build.os !== "linux" || Deno.env.get("TMPDIR")) return null;
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    if (bavail * bsize < ROOM || Deno.systemMemoryInfo().available < ROOM) return null;
    if (!runsPrograms(Deno.readTextFileSync("/proc/self/mounts"))) return null;
    const folder = Deno.makeTempDirSync({ dir: MEMORY, prefix: "grokbook-" });
    // Daemons of other users look into it.
    Deno.chmodSync(folder, 0o755);
    return folder;
  } catch {
    return null;
  }
}
