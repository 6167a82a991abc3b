/** What a live figure says above its title: that it gets ready, how far and how fast it is, what is left, and that it was stopped. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { COMPILING, Pace } from "../../lib/notebook/pace.ts";
import { compose, withStatus } from "../../lib/figures/theme.ts";
import { firstGrok } from "../../lib/studies/lessons/mod.ts";
import type { Run } from "../../lib/train/train.ts";
import { onClock } from "../clock.ts";

type Seen = Pick<Run, "spec" | "status" | "step">;
/** A run keeps its spec from one look to the next: by it a meter knows the run again. */
const SPECS = [0, 1, 2].map((seed) => firstGrok({ seed, schedule: { steps: 3000, evalEvery: 20 } }));
const runs = (...all: [status: Seen["status"], step: number][]): Seen[] =>
  all.map(([status, step], seed) => ({ spec: SPECS[seed], status, step }));

/** A pace that has seen runs come from step 0 to these steps, at 10 steps per second. */
function paced(options: Partial<ConstructorParameters<typeof Pace>[0]>, ...looks: readonly Seen[][]): Pace {
  const pace = new Pace({ mayEndEarly: false, goesOn: false, ...options });
  return onClock((clock) => {
    for (const look of looks) {
      clock.now = 100 * Math.max(...look.map(({ step }) => step));
      pace.look(look);
    }
    return pace;
  });
}

Deno.test("before the first step it compiles; then it says step, rate and the time left, at most where runs may end early", () => {
  const begun = runs(["training", 0], ["training", 0]), going = runs(["training", 60], ["training", 60]);
  assertEquals(paced({}, begun).training(begun), COMPILING);
  // 2 × 2,940 updates left, at 20 a second.
  assertEquals(paced({}, begun, going).training(going), "Training: step 60 of 3,000 · 10 steps per second · 4:54 left");
  const early = paced({ mayEndEarly: true }, begun, going);
  assertEquals(early.training(going), "Training: step 60 of 3,000 · 10 steps per second · at most 4:54 left");
  // Of three networks, one has ended, one waits: its 3,000 updates, too, are left.
  const some = runs(["training", 60], ["grokked", 40], ["waiting", 0]);
  assertMatch(
    paced({}, runs(["training", 0], ["training", 0], ["waiting", 0]), some).training(some),
    /^Training: step 60 .*1 of 3 networks done · /,
  );
});

Deno.test("work counts, not steps, where networks differ in size", () => {
  const wide = firstGrok({ seed: 0, model: { dModel: 64 }, schedule: { steps: 3000, evalEvery: 20 } });
  const [narrow] = runs(["training", 0]), all = (step: number): Seen[] => [{ ...narrow, step }, { spec: wide, status: "waiting", step: 0 }];
  const work = ({ model }: Seen["spec"]) => (model.dModel === 64 ? 5 : 1);
  // 10 units of work a second; 2,900 + 15,000 are left.
  assertMatch(paced({ work }, all(0), all(100)).training(all(100)), / · 29:50 left$/);
});

Deno.test("stopped, it says where and what another call does; ended, it says nothing", () => {
  const stopped = runs(["grokked", 900], ["stopped", 340], ["stopped", 340]), pace = (goesOn: boolean) => paced({ goesOn }, stopped);
  assertEquals(
    pace(true).ended(stopped),
    "Stopped at step 340 of 3,000; 1 of 3 networks done. Run the cell again, and it goes on from here",
  );
  assertEquals(
    pace(false).ended(runs(["stopped", 340])),
    "Stopped at step 340 of 3,000. Run the cell again, and it starts anew",
  );
  assertEquals(pace(true).ended(runs(["grokked", 900], ["finished", 3000], ["failed", 20])), undefined);
});

Deno.test("the line stands above a figure, which keeps its title and all that it draws", () => {
  const figure = compose({ title: "A finding", subtitle: "", panels: [] }), shown = withStatus(figure, "Stopped at step 3 <of> 9");
  assertEquals([shown.title, shown.width, shown.height > figure.height], [figure.title, figure.width, true]);
  assert(shown.svg.includes("Stopped at step 3 &lt;of&gt; 9") && shown.svg.includes(`width="${shown.width}" height="${shown.height}"`));
  assert(shown.svg.includes(figure.svg.slice(figure.svg.indexOf("<title>"), -"</svg>".length)), "the figure itself has changed");
});
