/** The page's window: it puts the parts together. */
/// <reference lib="dom" />
import "../browser/newer.ts";
import { count } from "../../analysis/words.ts";
import { OPERATIONS } from "../../run/operations.ts";
import { specHash } from "../../run/spec.ts";
import { duration } from "../../train/meter.ts";
import { reason } from "../browser/files.ts";
import { sharesMemory } from "../browser/machine.ts";
import { Announcer } from "../announcer.ts";
import { Controls } from "../controls.ts";
import { Curves } from "../curves.ts";
import { found, made, write } from "../elements.ts";
import { commandFor, curvesFile, settingFile, weightsAt } from "../exports.ts";
import { Inside } from "../inside.ts";
import type { EngineWish } from "../protocol.ts";
import { FIRST, fragmentOf, type Settings, settingsIn, specsOf } from "../settings.ts";
import { goTo, Tour } from "../tour.ts";
import { type Change, Training } from "../training.ts";
import { isolate } from "../isolate.ts";

/** Says what is wrong, with ways on. */
function notice(text: string, ways: Readonly<Record<string, () => void>>): void {
  const close = () => found("notice").hidden = true;
  write(found("notice-text"), text);
  found("notice-ways").replaceChildren(
    ...Object.entries(ways).map(([name, go]) =>
      made("button", {
        type: "button",
        onclick: () => {
          close();
          go();
        },
      }, name)
    ),
  );
  found("notice").hidden = false;
}

const training = new Training(changed), curves = new Curves(training), announcer = new Announcer(found("heard"));
const inside = new Inside(training, (message) => notice(message, { "Go on": () => {} }), showCommand);
/** The setting that is trained, or would be. */
let current: Settings = FIRST;
/** What was asked to train it. */
let asked: EngineWish = "auto";

const controls = new Controls(() => {
  const { wrong, usable } = controls;
  if (wrong === null) history.replaceState(null, "", fragmentOf(usable));
  if (wrong === null && startsAnew() && training.runs.every(({ metrics }) => metrics.length === 0)) return prepare(usable);
  showTransport();
  showPending();
});

/** Whether Start would begin with the setting that the controls show. */
const startsAnew = () => training.phase === "idle" || training.phase === "ended" || training.phase === "failed";

/** Takes a setting that can be trained as the one that this page is about. */
function take(settings: Settings): void {
  current = settings;
  document.title = `Grokbook: ${OPERATIONS[settings.operation].formula} modulo ${settings.prime}`;
  showPending();
}

/** Shows a setting before anything is trained. */
function prepare(settings: Settings): void {
  take(settings);
  training.reset(specsOf(settings));
}

function train(settings: Settings, paused = false): void {
  if (!sharesMemory()) return lacking();
  take(settings);
  found("notice").hidden = true;
  asked = controls.engine;
  training.start(specsOf(settings), asked, paused);
  showPending();
  inside.reset();
}

/** Says below the controls where they show another setting, or engine, than that which trains. */
function showPending(): void {
  const pending = found("pending");
  pending.hidden = fragmentOf(controls.settings) === fragmentOf(current) && (training.phase === "idle" || controls.engine === asked);
  write(
    pending,
    controls.wrong === null ? "The change counts from the next start." : "This setting can't be trained: the reason is below Start.",
  );
}

const lacking = () =>
  notice(
    "Cannot train here: this browser must have WebAssembly with threads and SIMD, it has not. A current Chrome, Edge or Firefox has them.",
    { "Read the tour without training": () => found("take-tour").click() },
  );

const start = found<HTMLButtonElement>("start"), step = found<HTMLButtonElement>("step"), reset = found<HTMLButtonElement>("reset");
start.addEventListener("click", () => {
  if (training.phase === "training" || training.phase === "starting") training.pause();
  else if (training.phase === "paused") training.resume();
  else train(controls.settings);
});
found("begin").addEventListener("click", () => {
  if (training.phase !== "training" && training.phase !== "starting") start.click();
  goTo("train");
});
step.addEventListener("click", () => {
  if (training.phase === "training") training.pause();
  if (training.phase === "paused") training.step();
  else train(controls.settings, true);
});
reset.addEventListener("click", () => prepare(controls.usable));

function changed(change: Change): void {
  if (change === "state") return inside.update();
  if (change === "engine") return showEngine();
  showTransport();
  curves.draw();
  inside.words();
  if (training.phase === "idle" || training.phase === "starting") announcer.reset();
  announcer.tell(training.runs);
  if (change === "phase" && training.phase === "idle") inside.reset();
  if (training.failure !== null && training.phase === "failed") notice(training.failure, waysOn());
}

/** What can be done after a failure. */
function waysOn(): Readonly<Record<string, () => void>> {
  const again = () => train(current), { engine } = controls;
  const onCard = engine === "webgpu" || (engine === "auto" && training.engine?.info.engine === "webgpu");
  if (!onCard) return { "Try again": again, "Use the first setting": () => controls.set(FIRST) };
  const onProcessor = () => {
    controls.engine = "cpu";
    again();
  };
  return { "Train on the processor": onProcessor, "Try again": again };
}

/** `1 network`, `5 networks`. */
const some = (n: number, what: string) => `${count(n)} ${what}${n === 1 ? "" : "s"}`;

function showTransport(): void {
  const { phase, progress: { done, all } } = training, speed = training.speed, refused = startsAnew() && controls.wrong !== null;
  const names = { idle: "Start", starting: "Pause", training: "Pause", paused: "Go on", ended: "Start again", failed: "Start again" };
  write(start, names[phase]);
  start.disabled = refused;
  step.disabled = refused || phase === "starting";
  const bar = found<HTMLProgressElement>("bar");
  [bar.max, bar.value] = [Math.max(1, all), phase === "ended" ? Math.max(1, all) : done];
  const steps = `Step ${count(done)} of ${count(all)}`;
  const words = {
    idle: refused ? "This setting can't be trained" : `${some(current.networks, "network")}, ${some(all, "step")} at most`,
    starting: "Starting the engine…",
    training: speed ? `${steps} · ${some(Math.round(speed.steps), "step")} a second · at most ${duration(speed.left)} left` : steps,
    paused: `${steps}, paused`,
    ended: `Done at step ${count(done)}`,
    failed: steps,
  };
  write(found("speed"), words[phase]);
}

function showEngine(): void {
  const { info, threads, why } = training.engine!,
    text = info.engine === "webgpu" ? `WebGPU: ${info.adapter.trim()}` : `WebAssembly, ${some(threads, "thread")}`;
  write(found("engine"), text);
  found("engine").title = `Trains on ${text}, because ${why}.`;
}

/** The name of a file of the network that is looked at. */
const nameOf = (kind: string, ending: string) => {
  const { run, state } = inside, { operation, prime } = current;
  return `grokbook-${operation}-${prime}${run && state ? `-seed-${run.spec.seed}-step-${state.step}` : ""}-${kind}.${ending}`;
};

function save(name: string, content: string | Uint8Array, type: string): void {
  const link = made("a", { href: URL.createObjectURL(new Blob([content as BlobPart], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  write(found("kept"), `${name} is among your downloads.`);
}

/** The run that is looked at, or would be. */
const specLookedAt = () => inside.run?.spec ?? specsOf(current)[0];

/** Does something with the network that is looked at. */
const withNetwork = (use: (run: NonNullable<typeof inside.run>, state: NonNullable<typeof inside.state>) => void) => () => {
  const { run, state } = inside;
  if (run && state) use(run, state);
  else write(found("kept"), "There is no network yet: press Start first.");
};

found("copy-link").addEventListener("click", async () => {
  if (controls.wrong !== null) return write(found("kept"), "There is no link to this setting: it can't be trained.");
  const link = `${location.origin}${location.pathname}${fragmentOf(controls.settings)}`;
  const copied = await navigator.clipboard?.writeText(link).then(() => true, () => false);
  write(found("kept"), copied ? "The link is in the clipboard." : link);
});
found("save-setting").addEventListener("click", () => {
  const { state } = inside, spec = specLookedAt();
  save(nameOf("setting", "json"), settingFile(spec, state?.step ?? spec.schedule.steps), "application/json");
});
found("save-curves").addEventListener("click", withNetwork(() => save(nameOf("curves", "csv"), curvesFile(training.runs), "text/csv")));
found("save-weights").addEventListener(
  "click",
  withNetwork((run, state) => {
    save(nameOf("weights", "safetensors"), weightsAt(run.spec, state), "application/octet-stream");
  }),
);

function showCommand(): void {
  const other = inside.state && training.engine?.info.engine === "webgpu"
    ? "\n# trained on WebGPU here: a processor's bits differ from a graphics card's"
    : "";
  write(found("command"), `${commandFor(nameOf("setting", "json"))}\n# run ${specHash(specLookedAt())}${other}`);
}

/** Whether a fragment is the id of a part of the page, and no setting. */
const namesPart = (fragment: string) => document.getElementById(fragment.slice(1)) !== null;

/** Takes the setting that the link holds. */
function fromLink(): void {
  try {
    controls.set((namesPart(location.hash) ? null : settingsIn(location.hash)) ?? FIRST);
  } catch (error) {
    controls.set(FIRST);
    notice(reason(error), { "Use the first setting": () => {} });
  }
}

new Tour((settings) => {
  controls.set(settings);
  train(settings);
  goTo("train");
});
globalThis.addEventListener("hashchange", ({ oldURL }) => {
  // The browser has gone to the part; the address holds the setting again.
  if (namesPart(location.hash)) history.replaceState(null, "", new URL(oldURL).hash);
  else fromLink();
});
fromLink();
if (!sharesMemory()) lacking();
await isolate();
if (sharesMemory()) training.prepare("auto");
else write(found("engine"), "No engine");
