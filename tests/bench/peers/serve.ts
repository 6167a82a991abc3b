/**
 * What the TypeScript peers share: the protocol that the harness speaks, and the clock. `peer.py` is the same for Python and says how
 * it goes.
 */
import type { Ready, Request, Work } from "../protocol.ts";

/** Trains by at least so many steps and waits for the device; `loss` is the state's, asked for outside of the clock. */
export interface Session {
  /** Steps done. */
  advance(steps: number): Promise<number>;
  loss(): Promise<number>;
  dispose(): void;
}

export async function serve(ready: () => Promise<Ready>, open: (work: Work, rows: number) => Session | Promise<Session>): Promise<void> {
  // Libraries print as they please: the protocol keeps standard output for itself.
  console.log = console.info = console.debug = console.error;
  const answer = (message: object) => Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(message) + "\n"));
  try {
    answer({ ready: await ready() });
  } catch (error) {
    return void answer({ absent: oneLine(error) });
  }
  let opened = "", session: Session | null = null, firstSteps = NaN, firstLoss = NaN, warmUp = NaN;
  const close = () => {
    session?.dispose();
    [opened, session] = ["", null];
  };
  for await (const line of lines(Deno.stdin.readable)) {
    const { work, rows, steps } = JSON.parse(line) as Request;
    const key = JSON.stringify([work, rows]);
    try {
      if (key !== opened) {
        close();
        const start = performance.now();
        session = await open(work, rows);
        firstSteps = await session.advance(2);
        warmUp = (performance.now() - start) / 1000;
        firstLoss = await session.loss();
        opened = key;
      }
      if (steps === 0) {
        answer({ steps: 0, seconds: 0, loss: await session!.loss(), firstLoss, firstSteps, warmUp });
        continue;
      }
      const start = performance.now();
      const done = await session!.advance(steps);
      answer({ steps: done, seconds: (performance.now() - start) / 1000, firstLoss, firstSteps, warmUp });
    } catch (error) {
      close();
      answer({ error: oneLine(error) });
    }
  }
  Deno.exit(0);
}

/** The lines of a stream, without their ends. */
export async function* lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    for (const line of parts) if (line.trim()) yield line;
  }
  if (rest.trim()) yield rest;
}

const oneLine = (error: unknown) => String((error as Error)?.message ?? error).split("\n")[0].slice(0, 240);
