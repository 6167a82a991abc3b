/** Choices on the page, in headless Chromium: settings that are refused, every width, links to its parts, engines, looking inside. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Browser } from "playwright-core";
import { FIRST, fragmentOf } from "../../lib/page/settings.ts";
import { canBrowse, launch } from "../chromium.ts";
import { files, ISOLATED, LONG, LONGER, open, saved, says, serve, SMALL } from "./browser.ts";

const steps: { readonly name: string; readonly fn: (chrome: Browser) => Promise<void> }[] = [];
/** What is to be tested in the one browser that is started. */
const test = (name: string, fn: (chrome: Browser) => Promise<void>) => void steps.push({ name, fn });

test("a setting that is refused: Start and Step wait and say why beside them, Reset works, and so does what is trained", async (chrome) => {
  await using server = serve(await files(), ISOLATED);
  const { page, errors } = await open(chrome, server.address + fragmentOf({ ...LONGER, operation: "x_div_y" }));
  const next = async () => [await page.innerText("#start"), ...await Promise.all(["#start", "#step"].map((id) => page.isDisabled(id)))];
  await page.locator("#prime").press("ArrowRight");
  assertEquals(await next(), ["Start", true, true]);
  assertEquals(await page.innerText("#speed"), "This setting can't be trained");
  assertMatch(await page.innerText(".stage [role=alert]"), /prime must be a prime number for x_div_y, current value is 24\./);
  assertEquals(await page.getAttribute("#start", "aria-describedby"), "refused");
  await page.click("#copy-link");
  assertEquals(await page.innerText("#kept"), "There is no link to this setting: it can't be trained.");
  await page.click("#begin");
  assertEquals(await next(), ["Start", true, true]);

  await page.locator("#prime").press("ArrowLeft");
  await page.click("#step");
  await says(page, "speed", /paused$/, LONG);
  await page.locator("#prime").press("ArrowRight");
  await says(page, "pending", /^This setting can't be trained: the reason is below Start\.$/);
  assertEquals(await next(), ["Go on", false, false]);
  await page.click("#reset");
  assertEquals(await next(), ["Start", true, true]);
  await page.getByRole("button", { name: "Use 23" }).click();
  assertEquals(await next(), ["Start", false, false]);
  assertEquals(await page.innerText("#speed"), "1 network, 20,000 steps at most");
  assertEquals(errors, []);
});

test("no width hides a control, lets one out of its card or makes the page scroll sideways; widening opens all", async (chrome) => {
  await using server = serve(await files(), ISOLATED);
  const { page } = await open(chrome, server.address, { viewport: { width: 360, height: 900 } });
  assert(await page.locator("#operation").isHidden());
  await page.setViewportSize({ width: 1000, height: 900 });
  await page.locator("#operation").waitFor();
  for (const width of [320, 360, 720, 980, 981, 1000, 1280, 1440]) {
    await page.setViewportSize({ width, height: 900 });
    assert(await page.locator("#operation").isVisible(), `${width}`);
    const beyond = await page.evaluate(`(() => {
      const right = (id) => document.querySelector(id).getBoundingClientRect().right;
      return [document.documentElement.scrollWidth - innerWidth, ...["#operation", "#engine-wish"].map((id) => right(id) - right("#controls"))];
    })()`) as number[];
    assert(beyond.every((pixels) => pixels <= 0), `${width}: ${beyond}`);
  }
});

test("a link to a part of the page leads there and is no setting; the tour leads to what isn't drawn yet", async (chrome) => {
  await using server = serve(await files(), ISOLATED);
  const { page, errors } = await open(chrome, server.address + fragmentOf({ ...FIRST, prime: 31 })), address = page.url();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.locator("#train:focus").waitFor();
  await page.evaluate("new Promise((resolve) => setTimeout(resolve))");
  assertEquals([page.url(), await page.getAttribute("#prime", "aria-valuetext")], [address, "31: 961 pairs"]);
  assert(await page.locator("#notice").isHidden());

  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.getByRole("button", { name: "Step 8: Waves" }).click();
  await page.getByRole("button", { name: "Look at the neurons" }).click();
  assert(await page.evaluate<number>(`document.querySelector("#inside").getBoundingClientRect().top`) < 450);
  assertEquals(errors, []);
});

test("without a graphics card the page says so and trains on the processor; its words are those of what is trained", async (chrome) => {
  await using server = serve(await files(), ISOLATED);
  const { page } = await open(chrome, server.address + fragmentOf({ ...SMALL, steps: 20 }));
  const run = async () => (await page.innerText("#command")).match(/--config (\S+) [^]*# run ([0-9a-f]{16})$/)!.slice(1);
  await says(page, "which", /Seed 0\s*not started/);
  const [, first] = await run();
  await page.selectOption("#operation", "x_div_y");
  assertEquals(await page.title(), "Grokbook: x / y modulo 23");
  const [name, hash] = await run();
  assertEquals(name, (await saved(page, "#save-setting")).name);
  assert(hash !== first);

  await page.selectOption("#engine-wish", "webgpu");
  await page.click("#start");
  await says(
    page,
    "notice-text",
    /^Cannot train on the graphics card: this browser('s WebGPU must offer one, it offers none| must have WebGPU, it has not)$/,
  );
  await page.getByRole("button", { name: "Train on the processor" }).click();
  assertEquals([await page.inputValue("#engine-wish"), await page.locator("#notice").isHidden()], ["cpu", true]);
  await says(page, "speed", /^Done at step 20$/, LONG);
  await says(page, "which", /Seed 0\s*not memorised/);
  assertMatch((await run())[0], /seed-0-step-\d+-setting\.json$/);
  await page.locator("#seed").press("ArrowRight");
  await page.locator("#pending").waitFor();
  await page.locator("#seed").press("ArrowLeft");
  assert(await page.locator("#pending").isHidden(), "the change has been taken back");
  await page.selectOption("#engine-wish", "auto");
  await says(page, "pending", /^The change counts from the next start\.$/);
  await page.selectOption("#engine-wish", "cpu");
  assert(await page.locator("#pending").isHidden(), "the engine is again the one that trained");
  await page.locator("#seed").press("ArrowRight");
  await page.click("#reset");
  const [reset, other] = await run();
  assertEquals(reset, name);
  assert(other !== hash);
});

test("a browser whose memory can't be shared is told what it lacks, and led to the tour", async (chrome) => {
  await using server = serve(await files(), ISOLATED);
  const old = "WebAssembly.Memory = class { constructor() { throw new TypeError(); } };";
  const { page, errors } = await open(chrome, server.address, {}, old);
  await page.click("#start");
  await says(page, "notice-text", /^Cannot train here: this browser must have WebAssembly with threads and SIMD, it has not\./);
  await page.getByRole("button", { name: "Read the tour without training" }).click();
  assert(await page.locator("#notice").isHidden());
  await page.getByRole("heading", { name: "A clock with 47 hours" }).waitFor();
  assertEquals(errors, []);
});

/** Counts the questions to the worker that looks into networks, and in an attribute those that it hasn't answered yet. */
const COUNTED = `asked = unanswered = 0;
  {
    const count = (by) => document.documentElement.dataset.unanswered = unanswered += by;
    Worker = class extends Worker {
      #looks;
      constructor(url, options) {
        super(url, options);
        this.#looks = String(url).endsWith("look.js");
        if (this.#looks) this.addEventListener("message", () => count(-1));
      }
      postMessage(message) {
        super.postMessage(message);
        if (!this.#looks) return;
        asked++;
        count(1);
      }
    };
  }`;

test("what is seen inside is the network and the step that are chosen, whatever was chosen in between", async (chrome) => {
  await using server = serve(await files(), ISOLATED);
  const { page } = await open(chrome, server.address + fragmentOf({ ...SMALL, networks: 2, steps: 100 }), {}, COUNTED);
  await page.click("#start");
  await says(page, "speed", /^Done/, LONG);
  await page.locator("#views:not([hidden])").waitFor();
  const answered = () => page.locator('html[data-unanswered="0"]').waitFor({ state: "attached" });
  /** Chooses in turn, before the worker can answer: how many questions were new to it, and what is said once it has answered. */
  const chosen = async (...acts: string[]) => {
    await answered();
    const before = await page.evaluate<number>("asked");
    await page.evaluate(`{
      const seed = (i) => document.querySelectorAll("#which input")[i].click();
      const step = (at) => {
        document.querySelector("#when").value = at;
        document.querySelector("#when").dispatchEvent(new Event("input"));
      };
      ${acts.join("; ")}
    }`);
    await answered();
    const says = `${await page.innerText("#when-words")}: ${await page.innerText("#answers-words")}`;
    return { asked: await page.evaluate<number>("asked") - before, says };
  };
  const { says: first } = await chosen("step(0)");
  assertMatch(first, /^step 0 of 100: .* answers \d{1,2} of/);
  assertEquals(await chosen("seed(1)", "seed(0)"), { asked: 1, says: first });
  const second = await chosen("seed(1)");
  assertEquals(second.asked, 0, "it was kept");
  assert(second.says !== first, "it is another network");
  assertEquals(await chosen("step(3)", "step(0)"), { asked: 1, says: second.says });
});

Deno.test({
  name: "page: choices, in Chromium",
  ignore: !canBrowse,
  fn: async (t) => {
    await using chrome = await launch();
    for (const { name, fn } of steps) await t.step(name, () => fn(chrome));
  },
});
