/** An experiment of one's own, from the file that `--grid` names. */
import { basename } from "node:path";
import { RULES } from "../run/grokking.ts";
import { checkExperiment, type Experiment, type Grid, grid, type NamedRule } from "../lab/experiment.ts";
import { readJson } from "./files.ts";
import { seedsOf } from "./flags.ts";

/** What such a file looks like. The example is JSON as it stands, to be copied. */
export const GRID_HELP = `A file of --grid, for example:
  {
    "question": "Does weight decay shorten the wait?",
    "rule": "first",
    "margin": 300,
    "grid": {
      "preset": "nanda", "data": {"prime": 31, "trainFraction": 0.6}, "model": {"dModel": [32, 48]},
      "optim": {"lr": 0.005, "weightDecay": [0.5, 1, 2]}, "schedule": {"steps": 1500, "evalEvery": 20}, "seed": "0..4"
    }
  }
  grid    every field of a run may be a list, which stands for all combinations; several grids in a list follow each other
  rule    what counts as grokked: first (above 99 % once) or sustained (ten times at 95 % or more) [first]
  margin  a run ends once it has stayed grokked for so many updates; without it, all do all their steps
  keep    checkpoint or nothing: whether the last state of every run is kept [checkpoint]
  watch   {"attention": {}, "weights": {}} stores these too while runs train: attention logs, weights on the way`;

/** What a file of --grid may hold. */
interface GridFile extends Omit<Experiment, "name" | "runs"> {
  readonly name?: string;
  readonly grid: Grid | readonly Grid[];
}
const GRID_FIELDS = ["name", "question", "rule", "margin", "keep", "watch", "grid"];

/** @throws Error in one line where there is no such file, or it holds something else. */
export async function gridFile(path: string): Promise<Experiment> {
  const file = await readJson("--grid", path) as GridFile;
  const fail = (what: string, requirement: string, value: unknown): never => {
    throw new Error(`Cannot read --grid ${path}: ${what} must be ${requirement}, current value is ${JSON.stringify(value) ?? "none"}`);
  };
  for (const field of Object.keys(file)) if (!GRID_FIELDS.includes(field)) fail("its fields", `among ${GRID_FIELDS.join(", ")}`, field);
  const { name = basename(path).replace(/\.json$/, ""), grid: grids, keep = "checkpoint", ...rest } = file;
  if (typeof grids !== "object" || grids === null) fail("its grid", "an object, or a list of such", grids);
  if (!["checkpoint", "nothing"].includes(keep)) fail("keep", "checkpoint or nothing", keep);
  const { rule } = rest;
  if (rule !== undefined && typeof rule !== "string") checkRule(rule, fail);
  const list = (Array.isArray(grids) ? grids : [grids]) as Grid[];
  // As on the command line, seeds may be written "0..4".
  const runs = grid(...list.map((each) => typeof each.seed === "string" ? { ...each, seed: seedsOf(each.seed) } : each));
  const experiment: Experiment = { name, keep, ...rest, runs };
  checkExperiment(experiment);
  return experiment;
}

function checkRule(rule: NamedRule, fail: (what: string, requirement: string, value: unknown) => never): void {
  const { name, accuracy, inclusive, times, memorised = 0.99, ...more } = rule;
  const ok = typeof name === "string" && typeof inclusive === "boolean" && Object.keys(more).length === 0 &&
    [accuracy, times, memorised].every((value) => typeof value === "number");
  if (!ok) {
    fail(
      "rule",
      `${Object.keys(RULES).join(", ")}, or like {"name": "loose", "accuracy": 0.9, "inclusive": true, "times": 3, "memorised": 0.99}`,
      rule,
    );
  }
}
