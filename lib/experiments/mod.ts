/** Every experiment that `deno task sweep --experiment NAME` knows. */
import type { Experiment } from "../lab/experiment.ts";
import { ATTENTIONS } from "./attention.ts";
import { BOUNDARIES, EXP1_JUMP } from "./boundaries.ts";
import { BOUNDARIES_IN_SMALL } from "./boundaries_in_small.ts";
import { CAPACITIES } from "./capacity.ts";
import { KNOBS } from "./knobs.ts";
import { REPRESENTATIONS } from "./representations.ts";
import { TINY_LIVE, TINY_LIVE_TIPS } from "./tiny_live.ts";

export const EXPERIMENTS: readonly Experiment[] = [
  ...BOUNDARIES_IN_SMALL,
  ...KNOBS,
  TINY_LIVE,
  TINY_LIVE_TIPS,
  ...CAPACITIES,
  ...ATTENTIONS,
  ...BOUNDARIES,
  EXP1_JUMP,
  REPRESENTATIONS,
];
