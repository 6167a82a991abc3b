/** Training on the page, without a browser: one at a time, stopped when it should be, and told of. */
/// <reference lib="dom" />
import { assertEquals } from "@std/assert";
import { DOMParser } from "linkedom";
import { Announcer } from "../../lib/page/announcer.ts";
import type { Gate } from "../../lib/page/gate.ts";
import { OneAtATime } from "../../lib/page/one_at_a_time.ts";
import type { TrainMessage, TrainNews } from "../../lib/page/protocol.ts";
import { FIRST, specsOf } from "../../lib/page/settings.ts";
import { Training } from "../../lib/page/training.ts";

/** Puts something in place of a global while `use` works. */
async function withGlobal(name: string, value: unknown, use: () => void | Promise<void>): Promise<void> {
  const before = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  try {
    await use();
  } finally {
    if (before) Object.defineProperty(globalThis, name, before);
    else delete (globalThis as Record<string, unknown>)[name];
  }
}

const turn = () => new Promise((resolve) => setTimeout(resolve));

/** Work that passes its gate until it is to end, and how often each has passed. */
function works() {
  const log: string[] = [], passed: number[] = [];
  const work = (name: number) => async (signal: AbortSignal, gate: Gate) => {
    log.push(`${name} begins`);
    while (!signal.aborted) {
      await gate.pass();
      passed[name] = (passed[name] ?? 0) + 1;
      await turn();
    }
    await turn(); // ending takes time
    log.push(`${name} ends`);
  };
  return { log, passed, work };
}

Deno.test("page: of trainings that are started while one is still ending, the last alone begins, and a stop ends it", async () => {
  const { log, work } = works(), trainings = new OneAtATime();
  trainings.start(work(1));
  await turn();
  trainings.start(work(2));
  trainings.start(work(3));
  for (let i = 0; i < 5; i++) await turn();
  assertEquals(log, ["1 begins", "1 ends", "3 begins"]);
  trainings.stop();
  for (let i = 0; i < 5; i++) await turn();
  assertEquals(log, ["1 begins", "1 ends", "3 begins", "3 ends"]);

  trainings.start(work(4));
  await turn();
  trainings.start(work(5));
  trainings.stop();
  for (let i = 0; i < 5; i++) await turn();
  assertEquals(log.slice(4), ["4 begins", "4 ends"], "what is stopped before its turn never begins");
});

Deno.test("page: a pause that comes while an older training ends doesn't hold that one up, and counts for the new one", async () => {
  const { log, passed, work } = works(), trainings = new OneAtATime();
  trainings.start(work(1), true);
  await turn();
  trainings.start(work(2));
  trainings.gate.close();
  for (let i = 0; i < 5; i++) await turn();
  assertEquals([log, passed[2]], [["1 begins", "1 ends", "2 begins"], undefined]);
  trainings.gate.once();
  for (let i = 0; i < 5; i++) await turn();
  assertEquals(passed[2], 1);
  trainings.stop();
  for (let i = 0; i < 5; i++) await turn();
  assertEquals(log.at(-1), "2 ends");
});

/** What the worker's own script tells, run in this process: here the test alone decides between which messages it gets a turn. */
Deno.test("page: the worker never begins a training that another has replaced", async () => {
  const heard: (TrainNews & { id: number })[] = [], waiting = new Map<string, () => void>();
  const until = (news: string) => new Promise<void>((resolve) => waiting.set(news, resolve));
  const hear = (news: TrainNews & { id: number }) => {
    heard.push(news);
    waiting.get(`${news.id} ${news.tells}`)?.();
  };
  const train = (id: number, steps: number) => {
    const specs = specsOf({ ...FIRST, operation: "random", prime: 7, width: 8, networks: 1, steps });
    const data: TrainMessage = { does: "train", id, specs, engine: "cpu", paused: false };
    globalThis.dispatchEvent(new MessageEvent("message", { data }));
  };
  await withGlobal("postMessage", hear, async () => {
    await import("../../lib/page/entry/train.ts");
    const begun = until("1 progress"), ended = until("3 ended");
    train(1, 10_000_000);
    await begun;
    train(2, 10_000_000);
    train(3, 20);
    await ended;
  });
  assertEquals([...new Set(heard.map(({ id }) => id))], [1, 3]);
});

/** Stands in for a worker: the last one that was made. */
class FakeWorker {
  static last: FakeWorker;
  onmessage: (event: { readonly data: TrainNews & { id: number } }) => void = () => {};
  onerror: (event: { readonly message: string }) => void = () => {};
  readonly told: TrainMessage[] = [];
  ended = false;
  constructor() {
    FakeWorker.last = this;
  }
  postMessage(message: TrainMessage): void {
    this.told.push(message);
  }
  terminate(): void {
    this.ended = true;
  }
}

const engineNews = (id: number, threads: number) =>
  ({ id, tells: "engine", info: { engine: "cpu" }, threads, why: "" }) as unknown as TrainNews & { id: number };

Deno.test("page: the engine that was opened beforehand is known, whatever has been set meanwhile", () =>
  withGlobal("Worker", FakeWorker, () => {
    const changes: string[] = [], training = new Training((change) => changes.push(change));
    training.reset(specsOf(FIRST));
    training.prepare("auto");
    training.reset(specsOf({ ...FIRST, prime: 31 }));
    FakeWorker.last.onmessage({ data: engineNews(1, 2) });
    assertEquals([training.engine?.threads, training.phase, changes.at(-1)], [2, "idle", "engine"]);

    // A training's own engine takes its place; one that was opened before it doesn't come back, and starts nothing.
    training.start(specsOf(FIRST), "cpu");
    FakeWorker.last.onmessage({ data: engineNews(1, 3) });
    assertEquals([training.engine?.threads, training.phase], [2, "starting"]);
    FakeWorker.last.onmessage({ data: engineNews(3, 4) });
    FakeWorker.last.onmessage({ data: engineNews(1, 3) });
    assertEquals([training.engine?.threads, training.phase], [4, "training"]);
  }));

Deno.test("page: a worker that fails is ended before another takes its place", () =>
  withGlobal("Worker", FakeWorker, () => {
    const training = new Training(() => {});
    training.start(specsOf(FIRST), "cpu");
    const first = FakeWorker.last;
    first.onerror({ message: "it failed" });
    assertEquals([training.phase, training.failure, first.ended], ["failed", "it failed", true]);
    training.start(specsOf(FIRST), "cpu");
    assertEquals(FakeWorker.last === first, false);
  }));

Deno.test("page: screen readers are told of every network once, of several that memorise together too", () => {
  const document = new DOMParser().parseFromString("<p></p>", "text/html") as unknown as Document;
  return withGlobal("document", document, () => {
    const announcer = new Announcer(document.querySelector("p")!);
    const runs = [0, 1, 2].map((seed) => ({ spec: { seed }, memorisationStep: 60, grokkingStep: seed === 1 ? 80 : null }));
    const heard = () => Array.from(announcer.log.children, ({ textContent }) => textContent!.trim());
    const memorised = (seed: number) => `Seed ${seed} has memorised at step 60.`;
    announcer.tell(runs.map((run) => ({ ...run, grokkingStep: null })));
    assertEquals(heard(), [0, 1, 2].map(memorised));
    announcer.tell(runs);
    announcer.tell([{ spec: { seed: 0 }, memorisationStep: null, grokkingStep: null, error: "Cannot go on with seed 0" }]);
    const all = [...[0, 1, 2].map(memorised), "Seed 1 has grokked at step 80.", "Cannot go on with seed 0"];
    assertEquals(heard(), all);
    announcer.reset();
    assertEquals(heard(), []);
    announcer.tell([runs[0]]);
    assertEquals(heard(), [memorised(0)]);
  });
});
