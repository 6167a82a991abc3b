/** Attention logs and weights on the way, from the engine that users have. */
import { assert, assertEquals } from "@std/assert";
import { attentionRun } from "../../lib/lab/attention.ts";
import { type Experiment, grid } from "../../lib/lab/experiment.ts";
import { findRun } from "../../lib/lab/probe.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep } from "../../lib/lab/sweep.ts";
import { verify } from "../../lib/lab/verify.ts";
import { attentionOf } from "../../lib/reference/attention.ts";
import { openEngine } from "../../lib/train/engines.ts";
import { content, scratch } from "./lab_files.ts";

/** The engines' attention weights differ by no more: tests/engine/attention_test.ts says why. */
const WEIGHT = 5e-6;

const watched: Experiment = {
  name: "watched",
  runs: grid({
    model: { layers: 2, heads: 2, dModel: 8, dMlp: 12 },
    data: { prime: 7, batch: 16 },
    optim: { lr: 0.02 },
    schedule: { steps: 120, evalEvery: 4 },
    seed: [1, 2],
  }),
  watch: { attention: { pairs: 9, full: 9 }, weights: {} },
};

Deno.test({
  name: "a sweep that was stopped leaves the files of one that wasn't; stored attention is that of the stored weights",
  fn: () =>
    scratch(async (path) => {
      const engine = await openEngine();
      {
        using lab = Lab.open(path("whole.db"));
        await sweep(watched, { lab, engine });
      }
      for (const stop of [3, 20]) {
        using lab = Lab.open(path("a.db"));
        const controller = new AbortController();
        let seen = 0;
        const onProgress = (news: readonly object[]) => void ((seen += news.length) > stop && controller.abort());
        const [{ status }] = await sweep(watched, { lab, engine, signal: controller.signal, onProgress });
        assertEquals(status, "stopped");
      }
      using lab = Lab.open(path("a.db"));
      await sweep(watched, { lab, engine });
      assertEquals(content(path("a.db")), content(path("whole.db")));
      assertEquals((await verify(lab)).findings, []);
      const { readings, spec } = await attentionRun(lab, 1), { checkpoints } = findRun(lab, 1);
      assert(checkpoints.length > 8);
      const both = checkpoints.flatMap((state) =>
        readings.filter(({ step }) => step === state.step).map((stored) => ({ ...state, stored }))
      );
      assert(both.length > 5);
      for (const { step, load, stored } of both) {
        const { mean } = await attentionOf({ spec, step, params: await load() }, { pairs: 9, full: 9, backend: "wasm" });
        assert(stored.mean.every((value, i) => Math.abs(value - mean[i]) < WEIGHT), `step ${step}`);
      }
    }),
  // The device and its pipelines live as long as the engine.
  sanitizeResources: false,
  sanitizeOps: false,
});
