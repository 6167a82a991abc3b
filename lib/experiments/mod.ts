/** Every experiment that `deno task sweep --experiment NAME` knows. */
import type { Experiment } from "../lab/experiment.ts";
import { ATTENTIONS } from "./attention.ts";
import { BOUNDARIES } from "./boundaries.ts";
import { CAPACITIES } from "./capacity.ts";
import { KNOBS } from "./knobs.ts";
import { SMALL_MAP } from "./small_map.ts";
import { TINY_LIVE, TINY_LIVE_TIPS } from "./tiny_live.ts";

export const EXPERIMENTS: readonly Experiment[] = [
  SMALL_MAP,
  ...KNOBS,
  TINY_LIVE,
  TINY_LIVE_TIPS,
  ...CAPACITIES,
  ...ATTENTIONS,
  ...BOUNDARIES,
];
