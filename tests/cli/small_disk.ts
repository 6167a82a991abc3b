/** A small disk of its own for a shell script, to be filled or made read-only. */
import { scratch } from "../lab/lab_files.ts";
import { type Ended, ended, ENGINE } from "./command.ts";
import { ROOT } from "../../lib/cli/process.ts";

/** Runs a shell script where it may mount a small disk of its own on DISK; `null` where that isn't allowed. */
export async function withDisk(disk: string, script: string): Promise<Ended | null> {
  const sweep = [Deno.execPath(), "run -A lib/cli/sweep.ts --engine", ENGINE].join(" ");
  const output = await new Deno.Command("unshare", {
    args: ["--map-root-user", "--mount", "sh", "-c", `mount -t tmpfs -o size=1m tmpfs "$DISK" || exit 99\n${script}`],
    cwd: ROOT,
    env: { NO_COLOR: "1", DISK: disk, SWEEP: sweep },
  }).output().catch(() => null);
  const result = output && ended(output);
  return result && (result.code === 99 || /unshare/.test(result.stderr)) ? null : result;
}
/** Whether it may. */
export const MOUNTS = await scratch((path) => withDisk(path(""), "exit 0")) !== null;
