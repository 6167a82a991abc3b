/** The losses in doubles, beside what TensorFlow.js makes of the same logits; and what guessing gives. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import * as tf from "@tensorflow/tfjs";
import { select, startBackend } from "../../lib/reference/backend.ts";
import { losses } from "../../lib/reference/model.ts";
import { FIELDS } from "../../lib/run/fields.ts";
import { exampleLoss, guessing } from "../../lib/run/losses.ts";
import { type RunSpec, runSpec } from "../../lib/run/spec.ts";

const optimOf = (loss: RunSpec["optim"]["loss"], temperature = 1) => runSpec({ optim: { loss, temperature } }).optim;
const KINDS = FIELDS.optim.loss.kind.words as readonly RunSpec["optim"]["loss"][];

Deno.test("losses: each in doubles is the reference's, with and without a temperature", async () => {
  select((await startBackend("cpu")).backend);
  const rows = [[0.5, -1.25, 3, 0], [-4, 2, 2, -0.5], [12, -12, 0.125, 1]];
  for (const kind of KINDS) {
    for (const temperature of [1, 2.5, 0.4]) {
      const expected = tf.tidy(() => losses(kind, tf.tensor2d(rows), tf.tensor1d([3, 0, 1], "int32"), temperature).arraySync());
      rows.forEach((z, i) => {
        const loss = exampleLoss(optimOf(kind, temperature), z, [3, 0, 1][i]);
        assertAlmostEquals(expected[i], loss, 2e-6 * Math.max(1, loss), `${kind}, ${temperature}`); // fp32
      });
    }
  }
});

Deno.test("losses: guessing is what equal logits give, or the best constant answer", () => {
  for (const kind of KINDS) {
    const { value } = guessing(optimOf(kind), 7);
    if (kind !== "mse") assertAlmostEquals(exampleLoss(optimOf(kind), Array(7).fill(0.3), 2), value, 1e-12);
    else {
      const constant = (x: number) => exampleLoss(optimOf(kind), Array(7).fill(x), 2);
      assertAlmostEquals(constant(1 / 7), value, 1e-12);
      assert(constant(1 / 7 + 0.01) > value && constant(1 / 7 - 0.01) > value);
    }
  }
  assertEquals(guessing(optimOf("torch"), 97).text, "ln 97");
});
