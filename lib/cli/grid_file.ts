/** An experiment of one's own, from the file that `--grid` names. */
import { basename } from "node:path";
import * as v from "valibot";
import { checkExperiment, type Experiment, type Grid, grid, type NamedRule } from "../lab/experiment.ts";
import { checked, fields, isPlain, value } from "../run/check.ts";
import { type RuleName, RULES } from "../run/grokking.ts";
import { readJson } from "./files.ts";
import { seedsOf } from "./flags.ts";

const GRID = value<Readonly<Record<string, unknown>>>("its grid", (grid) => isPlain(grid) ? undefined : "an object, or a list of such");

/** What such a file looks like. The example is JSON as it stands, to be copied. */
export const GRID_HELP = `A file of --grid, for example:
  {
    "question": "Does weight decay shorten the wait?",
    "rule": "first",
    "margin": 300,
    "grid": {
      "preset": "one-layer", "data": {"prime": 31, "trainFraction": 0.6}, "model": {"dModel": [32, 48]},
      "optim": {"lr": 0.005, "weightDecay": [0.5, 1, 2]}, "schedule": {"steps": 1500, "evalEvery": 20}, "seed": "0..4"
    }
  }
  grid    every field of a run may be a list, which stands for all combinations; several grids in a list follow each other
  rule    what counts as grokked: first (above 99 % once) or sustained (ten times at 95 % or more) [first]
  margin  a run ends so many updates after it has grokked; without it, all do all their steps
  keep    checkpoint or nothing: whether the last state of every run is kept [checkpoint]
  watch   {"attention": {}, "weights": {}} stores these too while runs train: attention logs, weights on the way`;

const LIKE = `${Object.keys(RULES).join(", ")}, or like ` +
  '{"name": "loose", "accuracy": 0.9, "inclusive": true, "times": 3, "memorised": 0.99}';

/** A rule of one's own; whether its numbers can be so, `checkExperiment` says. */
const RULE = v.strictObject({
  name: v.string(),
  accuracy: v.number(),
  inclusive: v.boolean(),
  times: v.number(),
  memorised: v.optional(v.number()),
});

/** What a file of --grid may hold. Name, margin and what is watched are checked with the experiment. */
const FILE = fields("the file", {
  name: v.exactOptional(v.unknown()),
  question: v.exactOptional(value<string>("question", (text) => typeof text === "string" ? undefined : "a text")),
  rule: v.exactOptional(value<RuleName | NamedRule>("rule", (rule) => typeof rule === "string" || v.is(RULE, rule) ? undefined : LIKE)),
  margin: v.exactOptional(v.unknown()),
  keep: v.exactOptional(
    value<"checkpoint" | "nothing">("keep", (kept) => kept === "checkpoint" || kept === "nothing" ? undefined : "checkpoint or nothing"),
  ),
  watch: v.exactOptional(v.unknown()),
  grid: v.exactOptional(v.lazy((grids) => Array.isArray(grids) ? v.array(GRID) : GRID)),
}, { other: (names) => `its fields must be among ${names}` });

/** What an experiment is called that doesn't say so. @throws Error in one line where the path is a pipe's. */
async function nameOf(path: string, action: string): Promise<string> {
  if ((await Deno.stat(path)).isFile) return basename(path).replace(/\.json$/, "");
  // Else all that comes through one would be the same experiment.
  throw new Error(`${action}: it must have a name, as what is no file gives it none`);
}

/** @throws Error in one line where there is no such file, or it holds something else. */
export async function gridFile(path: string): Promise<Experiment> {
  const action = `Cannot read --grid ${path}`;
  const { name = await nameOf(path, action), grid: grids, keep = "checkpoint", ...rest } = checked(
    FILE,
    await readJson("--grid", path),
    action,
  );
  if (grids === undefined) checked(GRID, grids, action);
  // As on the command line, seeds may be written "0..4".
  const list = [grids ?? []].flat().map((each) =>
    typeof each.seed === "string" ? { ...each, seed: seedsOf(each.seed, `--grid ${path}: seed`) } : each
  );
  // What the file holds besides is checked here.
  const experiment = { name, keep, ...rest, runs: grid(...list as Grid[]) } as Experiment;
  checkExperiment(experiment);
  return experiment;
}
