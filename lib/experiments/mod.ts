/** Every experiment that `deno task sweep --experiment NAME` knows. */
import type { Experiment } from "../lab/experiment.ts";
import { BOUNDARIES } from "./boundaries.ts";

export const EXPERIMENTS: readonly Experiment[] = [...BOUNDARIES];
