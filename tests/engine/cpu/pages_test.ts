/** The pages of the memory of runs. */
import { assert } from "@std/assert";
import { CpuQueue } from "../../../lib/engine/cpu/queue.ts";
import { Threads } from "../../../lib/engine/cpu/threads.ts";

/** Whether this system knows pages of 2 MiB. */
function knows(): boolean {
  try {
    return Deno.build.os === "linux" && Deno.statSync("/sys/kernel/mm/transparent_hugepage/enabled").isFile;
  } catch {
    return false;
  }
}

/** KiB of this process's memory for which pages of 2 MiB have been asked for. */
function advised(): number {
  const parts = Deno.readTextFileSync("/proc/self/smaps").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  return parts.filter((part) => /^VmFlags:.* hg( |$)/m.test(part)).reduce((sum, part) => sum + Number(part.match(/^Size: +(\d+)/m)![1]), 0);
}

Deno.test({
  name: "queue: Linux is asked for pages of 2 MiB for the memory of runs",
  ignore: !knows(),
  fn: async () => {
    const threads = await Threads.start(1), MiB = 8, before = advised();
    try {
      const queue = (await CpuQueue.open({ buffers: new Map([["x", MiB * 2 ** 18]]), lists: {} }, 1, threads))!;
      assert(advised() - before >= 1024 * MiB, `${before} KiB before, ${advised()} KiB after`);
      queue.dispose();
      await queue.read([]).catch(() => {});
    } finally {
      await threads.close();
    }
  },
});
