/**
 * Waits until what a cell displayed has left the kernel. Deno's kernel passes it to another thread, and may report the cell as done before
 * that thread has sent all of it; front ends drop what comes later. So the cell subscribes to the kernel's output as a front end does,
 * sends a mark after everything else, and waits until it receives that mark.
 */

/** ms until the mark is sent again, since the kernel may not have registered this subscriber yet; each time twice as long. */
const AGAIN = 10;
/** ms to wait where the kernel can't be reached: on two busy cores, 60 were sometimes too few. */
const BLIND = 250;

/** The type of `Deno.jupyter.broadcast`. */
type Broadcast = (type: string, content: Record<string, unknown>) => Promise<void>;

/** The address at which a kernel publishes its output (Jupyter's IOPub socket). */
export interface Publisher {
  readonly hostname: string;
  readonly port: number;
}

/**
 * Waits until everything displayed before the call has been sent to the front ends, or for a quarter of a second where that can't be found
 * out.
 * @param from the kernel; by default this process's own.
 * @param patience ms after which a kernel that sends nothing counts as one that can't be reached.
 * @returns whether the mark was received.
 */
export async function delivered(broadcast: Broadcast, from?: Publisher, patience = 10_000): Promise<boolean> {
  try {
    using connection = await Deno.connect(from ?? await thisKernel());
    // The mark updates a display that no front end has, so they ignore it.
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

/** Reads until the mark comes. @throws Error if the kernel closes the connection first. */
async function received(connection: Deno.Conn, mark: string): Promise<true> {
  const chunk = new Uint8Array(1 << 16), decoder = new TextDecoder();
  for (let text = "", n = await connection.read(chunk); n !== null; n = await connection.read(chunk)) {
    text = text.slice(-mark.length) + decoder.decode(chunk.subarray(0, n), { stream: true });
    if (text.includes(mark)) return true;
  }
  throw new Error("Cannot read from the kernel: its connection must stay open, current value is closed");
}

/** The first bytes from a ZMTP 3.0 client (rfc.zeromq.org/spec/23) without security that subscribes to everything. */
const HELLO = (() => {
  const text = (word: string) => [...new TextEncoder().encode(word)], short = (word: string) => [word.length, ...text(word)];
  const greeting = [0xff, ...Array(8).fill(0), 0x7f, 3, 0, ...text("NULL")], command = 4, message = 0;
  const ready = [...short("READY"), ...short("Socket-Type"), 0, 0, 0, ...short("SUB")];
  return Uint8Array.from([...greeting, ...Array(64 - greeting.length).fill(0), command, ready.length, ...ready, message, 1, 1]);
})();

/** The publisher named in the connection file that Jupyter started this kernel with. @throws Error where there is none. */
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
