/** What `deno task sweep` says of runs that its lab has already. */
import { takenOver, unasked } from "../lab/already.ts";
import type { Experiment } from "../lab/experiment.ts";
import type { Lab } from "../lab/store.ts";
import { plural } from "./progress.ts";

/** A line where the lab's experiment has runs that aren't asked for. @param whole the experiment with the runs of all parts. */
export function moreRuns(lab: Lab, whole: Experiment): string[] {
  const more = unasked(lab, whole);
  return more === 0 ? [] : [`The lab has ${plural(more, "more run")} of this experiment that this grid doesn't ask for.`];
}

/** A line where runs go on with another engine than the one that began them. */
export function otherEngines(lab: Lab, experiment: Experiment, engine: string): string[] {
  const { runs, engines } = takenOver(lab, experiment, engine);
  if (runs === 0) return [];
  const keeps = engines.map((name) => `--engine ${name}`).join(" or ");
  return [
    `${plural(runs, "run")} of those that are left would go on with ${engine} from a state that ${
      engines.join(" or ")
    } trained, and no engine ` +
    `alone gives such bits again; ${keeps} goes on with the same one.`,
  ];
}
