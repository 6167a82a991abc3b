/** Names of flags: a run's fields make theirs themselves, and every command has its own beside them. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { FLAGS as db } from "../../lib/cli/db.ts";
import { FLAGS as demo } from "../../lib/cli/demo.ts";
import { FIELD_FLAGS, FIELDS } from "../../lib/cli/flags.ts";
import { FLAGS as notebooks } from "../../lib/cli/notebooks.ts";
import { FLAGS as probe } from "../../lib/cli/probe.ts";
import { OWN_FLAGS as train, readRequest } from "../../lib/cli/request.ts";
import { FLAGS as sweep } from "../../lib/cli/sweep.ts";
import { LAB } from "../../lib/cli/process.ts";
import { MOMENTS } from "../../lib/engine/op/update.ts";
import { ENTRIES, type Entry } from "../../lib/run/fields.ts";
import { withL2, without } from "../../lib/run/optimisers.ts";
import { report } from "../../lib/cli/sweep.ts";
import { Lab } from "../../lib/lab/store.ts";
import { small } from "../lab/small_lab.ts";

/** The flags of a command that set a field under its own name. */
const MEANT: Readonly<Record<string, readonly string[]>> = { sweep: ["steps"] };

Deno.test("no flag of a command has the name of a field's flag: one would hide the other", () => {
  for (const [command, flags] of Object.entries({ train, sweep, db, probe, demo, notebooks })) {
    assertEquals(Object.keys(flags).filter((name) => Object.hasOwn(FIELD_FLAGS, name)), MEANT[command] ?? [], command);
  }
});

Deno.test("flags that are short for those of fields hide none of these", () => {
  for (const [name, { field: { help } }] of FIELDS) assertEquals(FIELD_FLAGS[name].help, help, name);
});

Deno.test("help that holds for some values of another field names these", () => {
  const rulesWith = (moment: string) => Object.entries(MOMENTS).flatMap(([rule, kept]) => kept.some((one) => one === moment) ? [rule] : []);
  const cases = {
    "weight-decay": [...withL2, "L2"],
    ...{ "beta1": ["lion", ...without("beta1")], "beta2": ["lion", ...without("beta2")], "eps": [...rulesWith("v"), "muon"] },
    ...{
      "layers": ["--mixer none"],
      "d-mlp": ["--mixer none"],
      "position-sigma": ["pytorch", "linear"],
      "label-noise": ["--noise-labels"],
    },
    ...{ "d-model": ["unless given", "--from", "--config"], "tokens": ["--context", "unless given"], "prime": ["permutations"] },
  };
  for (const [flag, words] of Object.entries(cases)) {
    for (const word of words) assertMatch(FIELD_FLAGS[flag].help, new RegExp(`(?<!\\w)${word}(?!\\w)`), flag);
  }
});

/** Whether a text has a word that is no part of another. */
const says = (text: string, word: string) => new RegExp(`(?<![\\w-])${RegExp.escape(word)}(?![\\w-])`).test(text);

Deno.test("help of a field of some words names each of them", () => {
  for (const { path, field: { kind, help } } of ENTRIES) {
    for (const word of kind.words ?? []) assertEquals(says(help, word), true, `help of ${path} must name ${word}: ${help}`);
  }
});

Deno.test("help that names choices of the field that decides whether a number is read names those that read it, and no others", () => {
  for (const { path, part, field: { readBy, help } } of ENTRIES) {
    if (!readBy) continue;
    const { kind: { words } } = ENTRIES.find((other): other is Entry => other.part === part && other.name === readBy.field)!.field;
    const named = words!.filter((word) => says(help, word)), choices = words!.filter((word) => Object.hasOwn(readBy.choices, word));
    assertEquals(named, choices, `help of ${path} must name ${choices} and no other ${readBy.field}: ${help}`);
  }
});

Deno.test("two flags that say different things of one field, and several seeds for one, are refused", async () => {
  const cases = [
    ["--no-biases --biases true", "Cannot use --no-biases and --biases together: must be one of them"],
    ["--beta2 0.5 --betas 0.9,0.98", "Cannot use --betas and --beta2 together: must be one of them"],
    ["--seed 1,2", 'Cannot read --seed: must be one seed, current value is "1,2"'],
    ["--seed x", 'Cannot read --seed: must be like 0,1,2 or 0..9, current value is "x"'],
  ];
  for (const [line, says] of cases) {
    const { message } = await assertRejects(() => readRequest(line.split(" ")), Error);
    assertEquals(message, says);
  }
});

Deno.test("the command that a sweep prints at its end can be pasted, whatever the database is called", () => {
  using lab = Lab.scratch();
  const command = (db: string) => report(lab, small(), [], db).split("\n").at(-1)!.split(" query ")[0];
  assertEquals(command("/x/it's a b/lab.db"), `deno task db --db '/x/it'\\''s a b/lab.db'`);
  assertEquals(command(LAB), "deno task db");
});
