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

const controls = new Controls((settings) => {
  const fresh = training.phase === "idle" || training.phase === "ended" || training.phase === "failed";
  history.replaceState(null, "", fragmentOf(settings));
  found("pending").hidden = fresh && training.runs.every(({ metrics }) => metrics.length === 0);
  if (fresh && training.runs.every(({ metrics }) => metrics.length === 0)) prepare(settings);
});

/** Shows a setting before anything is trained. */
function prepare(settings: Settings): void {
  current = settings;
  training.reset(specsOf(settings));
}

function train(settings: Settings, paused = false): void {
  if (!sharesMemory()) return lacking();
  current = settings;
  found("pending").hidden = true;
  training.start(specsOf(settings), controls.engine, paused);
  inside.reset();
}

const lacking = () =>
  notice(
    "Cannot train here: this browser must have WebAssembly with threads and SIMD, it has not. A current Chrome, Edge or Firefox has them.",
    { "Read the tour without training": () => goTo("tour") },
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
reset.addEventListener("click", () => {
  prepare(controls.settings);
  inside.reset();
  found("pending").hidden = true;
});

function changed(change: Change): void {
  if (change === "state") return inside.update();
  if (change === "engine") return showEngine();
  showTransport();
  curves.draw();
  inside.words();
  if (training.phase === "idle" || training.phase === "starting") announcer.reset();
  announcer.tell(training.runs);
  if (change === "phase" && training.phase === "idle") inside.reset();
  if (training.failure !== null && training.phase === "failed") {
    notice(training.failure, { "Try again": () => train(current), "Use the first setting": () => controls.set(FIRST) });
  }
}

function showTransport(): void {
  const { phase, progress: { done, all } } = training, speed = training.speed;
  const names = { idle: "Start", starting: "Pause", training: "Pause", paused: "Go on", ended: "Start again", failed: "Start again" };
  write(start, names[phase]);
  step.disabled = phase === "starting";
  const bar = found<HTMLProgressElement>("bar");
  [bar.max, bar.value] = [Math.max(1, all), phase === "ended" ? Math.max(1, all) : done];
  const steps = `Step ${count(done)} of ${count(all)}`;
  const words = {
    idle: `${specsOf(current).length} networks, ${count(all)} steps at most`,
    starting: "Starting the engine…",
    training: speed ? `${steps} · ${count(speed.steps)} steps a second · at most ${duration(speed.left)} left` : steps,
    paused: `${steps}, paused`,
    ended: `Done at step ${count(done)}`,
    failed: steps,
  };
  write(found("speed"), words[phase]);
}

function showEngine(): void {
  const { info, threads, why } = training.engine!,
    text = info.engine === "webgpu" ? `WebGPU: ${info.adapter.trim()}` : `WebAssembly, ${threads} ${threads === 1 ? "thread" : "threads"}`;
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

/** Does something with the network that is looked at. */
const withNetwork = (use: (run: NonNullable<typeof inside.run>, state: NonNullable<typeof inside.state>) => void) => () => {
  const { run, state } = inside;
  if (run && state) use(run, state);
  else write(found("kept"), "There is no network yet: press Start first.");
};

found("copy-link").addEventListener("click", async () => {
  const link = `${location.origin}${location.pathname}${fragmentOf(controls.settings)}`;
  const copied = await navigator.clipboard?.writeText(link).then(() => true, () => false);
  write(found("kept"), copied ? "The link is in the clipboard." : link);
});
found("save-setting").addEventListener("click", () => {
  const { run, state } = inside, spec = run?.spec ?? specsOf(current)[0];
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
  const { run, state } = inside;
  if (!run || !state) return;
  const other = training.engine?.info.engine === "webgpu"
    ? "\n# trained on WebGPU here: a processor's bits differ from a graphics card's"
    : "";
  write(found("command"), `${commandFor(nameOf("setting", "json"))}\n# run ${specHash(run.spec)}${other}`);
}

/** Takes the setting that the link holds. */
function fromLink(): void {
  try {
    const settings = settingsIn(location.hash);
    controls.set(settings ?? FIRST);
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
globalThis.addEventListener("hashchange", fromLink);
fromLink();
write(found("command"), commandFor(nameOf("setting", "json")));
document.title = `Grokbook: ${OPERATIONS[current.operation].formula} modulo ${current.prime}`;
if (!sharesMemory()) lacking();
await isolate();
if (sharesMemory()) training.prepare("auto");
else write(found("engine"), "No engine");
