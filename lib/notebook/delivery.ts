/**
 * Whether what a cell displayed has left the kernel. Deno's kernel passes it to another thread, and may report the cell as done before that
 * thread has sent all of it; front ends drop what comes later. So the cell connects as a front end does, sends a mark after everything
 * else, and waits until it receives that mark.
 */

/** ms until the mark is sent again, since the kernel may not have registered this subscriber yet; each time twice as long. */
const AGAIN = 10;
/** ms to wait where the kernel can't be reached: 60 were too few at times, on two busy cores. */
const BLIND = 250;

/** What `Deno.jupyter.broadcast` does. */
type Broadcast = (type: string, content: Record<string, unknown>) => Promise<void>;

/** Where a kernel publishes what it displays. */
export interface Publisher {
  readonly hostname: string;
  readonly port: number;
}

/**
 * Waits until the front ends have been sent all that was displayed before the call, or for a quarter of a second where that can't be known.
 * @param from by default this process's own kernel.
 * @param patience ms after which a kernel that sends nothing counts as one that can't be reached.
 * @returns whether it is known.
 */
export async function delivered(broadcast: Broadcast, from?: Publisher, patience = 10_000): Promise<boolean> {
  try {
    using connection = await Deno.connect(from ?? await thisKernel());
    // It updates a figure that no front end has, so they ignore it.
    const mark = crypto.randomUUID();
    let next: ReturnType<typeof setTimeout> | undefined;
    const send = (pause: number) => {
      void broadcast("update_display_data", { data: {}, metadata: {}, transient: { display_id: mark } });
      next = setTimeout(send, pause, 2 * pause);
    };
    const giveUp = setTimeout(() => connection.close(), patience);
    try {
      await connection.write(HELLO);
      send(AGAIN);
      return await received(connection, mark);
    } finally {
      clearTimeout(next);
      clearTimeout(giveUp);
    }
  } catch {
    await new Promise((resolve) => setTimeout(resolve, BLIND));
    return false;
  }
}

/** Reads until the mark comes. @throws Error if the other side ends before. */
async function received(connection: Deno.Conn, mark: string): Promise<true> {
  const chunk = new Uint8Array(1 << 16), decoder = new TextDecoder();
  for (let text = "", n = await connection.read(chunk); n !== null; n = await connection.read(chunk)) {
    text = text.slice(-mark.length) + decoder.decode(chunk.subarray(0, n), { stream: true });
    if (text.includes(mark)) return true;
  }
  throw new Error("Cannot read from the kernel: its connection must stay open, current value is closed");
}

/** Sent first by a client of ZMTP 3.0 (rfc.zeromq.org/spec/23), without security, that subscribes to everything. */
const HELLO = (() => {
  const text = (word: string) => [...new TextEncoder().encode(word)], short = (word: string) => [word.length, ...text(word)];
  const greeting = [0xff, ...Array(8).fill(0), 0x7f, 3, 0, ...text("NULL")], command = 4, message = 0;
  const ready = [...short("READY"), ...short("Socket-Type"), 0, 0, 0, ...short("SUB")];
  return Uint8Array.from([...greeting, ...Array(64 - greeting.length).fill(0), command, ready.length, ...ready, message, 1, 1]);
})();

/** Read off the connection file that Jupyter started this kernel with. @throws Error where there is none. */
async function thisKernel(): Promise<Publisher> {
  const file = (await commandLine()).match(/--conn[\0 =](.+?\.json)/)?.[1];
  if (!file) throw new Error("Cannot find this kernel's connection: its command line must have --conn, current value has none");
  const { ip: hostname, iopub_port: port } = JSON.parse(await Deno.readTextFile(file));
  return { hostname, port };
}

async function commandLine(): Promise<string> {
  try {
    return await Deno.readTextFile("/proc/self/cmdline");
  } catch { // not Linux
    const { stdout } = await new Deno.Command("ps", { args: ["-ww", "-o", "args=", "-p", String(Deno.pid)] }).output();
    return new TextDecoder().decode(stdout);
  }
}
