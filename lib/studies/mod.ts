/** Every experiment that `deno task sweep --experiment NAME` knows. */
import type { Experiment } from "../lab/experiment.ts";
import { ATTENTIONS } from "./attention/experiments.ts";
import { ATTENTION_START, BOUNDARIES, EXP1_JUMP, RATIO_P31 } from "./boundaries/experiments.ts";
import { BOUNDARIES_IN_SMALL } from "./boundaries/in_small.ts";
import { CAPACITIES } from "./capacity/experiments.ts";
import { KNOBS } from "./lessons/knobs.ts";
import { NORMS } from "./norms/experiments.ts";
import { NANDA, REPRESENTATIONS } from "./representations/mod.ts";
import { SHORTCUTS, SHORTCUTS_MORE, SHORTCUTS_TUNING, SHORTCUTS_WAITING } from "./shortcuts/experiments.ts";
import { TINY_LIVE, TINY_LIVE_LONG, TINY_LIVE_TIPS } from "./lessons/tiny_live.ts";

export const EXPERIMENTS: readonly Experiment[] = [
  ...BOUNDARIES_IN_SMALL,
  ...KNOBS,
  TINY_LIVE,
  TINY_LIVE_LONG,
  TINY_LIVE_TIPS,
  ...CAPACITIES,
  ...ATTENTIONS,
  ...BOUNDARIES,
  RATIO_P31,
  ATTENTION_START,
  EXP1_JUMP,
  REPRESENTATIONS,
  NANDA,
  SHORTCUTS_TUNING,
  SHORTCUTS,
  SHORTCUTS_MORE,
  SHORTCUTS_WAITING,
  ...NORMS,
];
