/**
 * A cell waits for what it displayed: against a kernel that is late, mute or not there, and in the real one with more than it sends at
 * once.
 */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { execute, joined, type Notebook, pictures } from "../../lib/cli/notebooks.ts";
import { ROOT } from "../../lib/cli/process.ts";
import { delivered, type Publisher } from "../../lib/notebook/delivery.ts";
import { book } from "./notebook_checks.ts";

/** The bytes that a subscriber says at once: a greeting, a READY of 27 bytes and a subscription of 3. */
const HELLO = 64 + 27 + 3;

/** A kernel whose sending thread is slow: it sends what was displayed one after the other, and only to those who listen by then. */
async function slowKernel(use: (kernel: Kernel) => Promise<void>) {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { hostname, port } = listener.addr as Deno.NetAddr, sent: string[] = [], asked: string[] = [];
  let subscriber: Deno.Conn | undefined, sending = Promise.resolve();
  const greeted = (async () => {
    const connection = await listener.accept(), hello = new Uint8Array(HELLO);
    let n = 0;
    while (n < HELLO) n += await connection.read(hello.subarray(n)) ?? HELLO;
    subscriber = connection;
    return hello;
  })();
  const display = (thing: string) => {
    asked.push(thing);
    return sending = sending.then(async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      sent.push(thing);
      await subscriber?.write(new TextEncoder().encode(thing)).catch(() => {}); // it may have heard enough
    });
  };
  const close = () => {
    subscriber?.close();
    subscriber = undefined;
  };
  await use({ at: { hostname, port }, asked, sent, greeted, display, close });
  await sending;
  close();
}

interface Kernel {
  readonly at: Publisher;
  /** What was displayed, and what of it has gone out. */
  readonly asked: readonly string[];
  readonly sent: readonly string[];
  readonly greeted: Promise<Uint8Array>;
  readonly display: (thing: string) => Promise<void>;
  readonly close: () => void;
}

/** As the kernel's own: it comes back at once. */
const broadcastOf = ({ display }: Kernel) => (type: string, content: Record<string, unknown>) => {
  void display(JSON.stringify({ type, content }));
  return Promise.resolve();
};

Deno.test("a cell ends when all that it displayed has gone out, and not before", async () => {
  await slowKernel(async (kernel) => {
    for (const figure of ["one", "two", "three"]) void kernel.display(figure);
    assertEquals(kernel.sent, []);
    assert(await delivered(broadcastOf(kernel), kernel.at));
    assertEquals(kernel.sent.slice(0, 3), ["one", "two", "three"]);
    const words = kernel.asked.slice(3).map((word) => JSON.parse(word));
    for (const { type, content } of words) {
      assertEquals([type, content.data], ["update_display_data", {}]);
      assertEquals(content.transient, words[0].content.transient);
    }
    const hello = await kernel.greeted;
    assertEquals([hello[0], hello[9], new TextDecoder().decode(hello.subarray(12, 16))], [0xff, 0x7f, "NULL"]);
    assertEquals([...hello.subarray(64, 66), ...hello.subarray(-3)], [4, 25, 0, 1, 1]);
  });
});

Deno.test("where the kernel goes away, says nothing, or isn't there, a cell ends all the same", async () => {
  await slowKernel(async (kernel) => {
    void kernel.greeted.then(kernel.close);
    assertEquals(await delivered(() => Promise.resolve(), kernel.at), false);
  });
  await slowKernel(async (kernel) => assertEquals(await delivered(() => Promise.resolve(), kernel.at, 50), false));
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 }), { port } = listener.addr as Deno.NetAddr;
  listener.close();
  assertEquals(await delivered(() => Promise.resolve(), { hostname: "127.0.0.1", port }), false);
  assertEquals(await delivered(() => Promise.resolve()), false, "this is no kernel");
});

Deno.test("the real kernel is heard, and loses nothing of many large figures at once", async () => {
  const folder = await Deno.makeTempDir({ dir: ROOT, prefix: ".notebooks-" });
  try {
    const many = 'await show(...Array.from({ length: 40 }, (_, i) => `${i} ` + "x".repeat(100_000)));';
    const notebook = book(
      'import { show } from "../lib/mod.ts";\nimport { delivered } from "../lib/notebook/delivery.ts";',
      ...[many, many, many],
      "console.log(await delivered(Deno.jupyter.broadcast));\nawait show();",
    );
    await Deno.writeTextFile(join(folder, "many.ipynb"), JSON.stringify(notebook));
    const { cells }: Notebook = JSON.parse(await execute("many.ipynb", { folder }));
    const numbers = Array.from({ length: 40 }, (_, i) => String(i));
    for (const { outputs } of cells.slice(1, 4)) {
      assertEquals(pictures(outputs).map(({ data }) => joined(data!["text/plain"] as string).split(" ")[0]), numbers);
    }
    assertEquals(cells[4].outputs?.map(({ text }) => joined(text)), ["true\n"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
