import { assert, assertEquals, assertThrows } from "@std/assert";
import { groupOf, GROUPS, groupsIn, groupsKind, groupsOf } from "../../lib/run/groups.ts";
import { layout } from "../../lib/run/layout.ts";
import { grid } from "../../lib/run/grid.ts";
import { type RunInput, runSpec } from "../../lib/run/spec.ts";

Deno.test("every tensor of a layout has one group, and all tensors of a block the same", () => {
  const { tensors, blocks } = layout(runSpec());
  const starts = [...blocks.values()].map(({ offset }) => offset);
  const byBlock = new Map<number, Set<string>>();
  for (const { name, offset } of tensors) {
    byBlock.getOrInsertComputed(starts.findLast((start) => start <= offset)!, () => new Set<string>()).add(groupOf(name));
  }
  assert(byBlock.values().every(({ size }) => size === 1));
  assertEquals(new Set(tensors.map(({ name }) => groupOf(name))), new Set(GROUPS));
  assertEquals(groupOf("blocks.1.attn.W_O"), "attn");
  assertEquals(groupOf("blocks.1.attn.b_O"), "biases");
  assertEquals(groupOf("blocks.0.ln2.b"), "norms");
  assertEquals(groupOf("unembed.b_U"), "biases");
  assertThrows(() => groupOf("blocks.0.gate.W_X"), Error, "current value is blocks.0.gate.W_X");
});

Deno.test("a choice of groups has one spelling", () => {
  const { refuse } = groupsKind();
  for (const good of ["all", "none", "embed", "embed+unembed", "attn+mlp+biases"]) assertEquals(refuse(good), undefined);
  for (const bad of ["", "mlp+attn", "embed+embed", "embed+", "embed,pos", "heads", GROUPS.join("+"), 3, null]) assert(refuse(bad));
  assertEquals(groupsIn("attn+norms"), ["attn", "norms"]);
  assertEquals([groupsIn("all"), groupsIn("none")], [GROUPS, []]);
});

Deno.test("a model's groups are those of its tensors, and freezing all of them is refused, in a grid too", () => {
  const models: NonNullable<RunInput["model"]>[] = [{}, { norm: "none", biases: false }, { tied: true }, { mixer: "none" }, {
    mixer: "uniform",
  }];
  for (const model of models) {
    const spec = runSpec({ model }), own = new Set(layout(spec).tensors.map(({ name }) => groupOf(name)));
    assertEquals(groupsOf(spec.model), GROUPS.filter((group) => own.has(group)), JSON.stringify(model));
  }
  const frozen = "embed+pos+attn+mlp+unembed";
  for (const make of [runSpec, grid]) {
    assertThrows(() => make({ preset: "one-layer", optim: { frozen } }), Error, "frozen must be without some of this model's groups");
    make({ preset: "ai-scientist", optim: { frozen } }); // norms and biases are left
  }
});
