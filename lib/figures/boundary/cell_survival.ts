import { MOST_GROUPS, survivalCurves, type SurvivalOptions } from "../survival.ts";
import type { Figure } from "../theme.ts";
import { taskOf } from "./heat_map.ts";
import type { BoardRun } from "../../analysis/runs/run.ts";
import { DECAY, RATIO, type SurfaceAxes, surfaceOf, valueAlong } from "../../analysis/boundary/surface.ts";
import { timesTo } from "../../analysis/runs/times.ts";
import { capital } from "../../analysis/words.ts";

/**
 * One panel per value of x, with one curve per value of y; the other way round where y has more than `MOST_GROUPS` values. Cells without a
 * started run have no curve.
 * @throws Error where `surfaceOf` does, and where both settings have more than `MOST_GROUPS` values.
 */
export function survivalByCell(
  runs: readonly BoardRun[],
  { x = RATIO, y = DECAY, ...options }: Omit<SurvivalOptions, "x"> & Omit<SurfaceAxes, "map"> = {},
): Figure {
  const { xs, ys, names, say } = surfaceOf(runs, { x, y }), across = ys.length <= MOST_GROUPS;
  const timesAt = (u: number, v: number) =>
    timesTo("grokked", runs.filter(({ spec }) => valueAlong(spec, x) === u && valueAlong(spec, y) === v));
  const [panels, groups] = across ? [xs, ys] : [ys, xs], [sayPanel, sayGroup] = across ? [say.x, say.y] : [say.y, say.x];
  const [panelName, groupName] = across ? [names.x, names.y] : [names.y, names.x];
  return survivalCurves(
    panels.map((p) => ({
      name: `${capital(panelName)} ${sayPanel(p)}`,
      groups: groups.map((g) => ({ name: `${short(groupName)} ${sayGroup(g)}`, times: across ? timesAt(p, g) : timesAt(g, p) }))
        .filter(({ times }) => times.length > 0),
    })).filter(({ groups }) => groups.length > 0),
    { task: taskOf(runs), ...options },
  );
}

/** A short name for the margin: the last word, `decay`; a ratio keeps both sides, `d / p`. */
const short = (name: string) => name.includes(" / ") ? name.replace("d_model", "d") : name.split(" ").at(-1);
