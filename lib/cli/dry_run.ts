/** What a sweep would take, on this adapter: `deno task sweep --dry-run`. */
import type { Experiment } from "../lab/experiment.ts";
import { type Forecast, forecast, type Left, speedOf } from "../lab/forecast.ts";
import { diskForecast } from "../lab/watch.ts";
import type { Engine, Watched } from "../engine/engine.ts";
import { reason } from "../run/files.ts";
import { duration, figure, plural } from "./progress.ts";
import { table } from "./table.ts";
import { swept } from "../analysis/runs/settings.ts";

/** Prints runs, shapes, memory, disk and time of what is left to do; trains for a moment to see. */
export async function dryRun(experiment: Experiment, todo: readonly Left[], engine: Engine): Promise<void> {
  const { watch = {} } = experiment, watched: Watched = watch.attention ? { attention: watch.attention } : {};
  const groups = forecast(todo, engine, watched);
  const { engine: name, adapter, driver } = engine.info;
  const differ = [...swept(experiment.runs)].map(([field, values]) => `${field} ${values.join(", ")}`);
  console.log(`${experiment.name}: ${experiment.question ?? ""}`.replace(/: $/, ""));
  for (const line of differ) console.log(`  ${line}`);
  console.log(`${plural(experiment.runs.length, "run")}, ${todo.length} of them to do, on ${name}, ${adapter}, ${driver}\n`);
  if (groups.length === 0) return;
  console.error("measuring the speed …");
  const speeds = await measured(groups, engine, watched);
  const mebi = (bytes: number) => `${figure(bytes / 2 ** 20)} MiB`;
  const rows = groups.map(({ shape, runs, parameters, rows, bytes, updates, flop }, i) => [
    String(runs),
    parameters.toLocaleString("en"),
    String(rows),
    mebi(bytes),
    updates.toLocaleString("en"),
    `${speeds[i].tried ? "" : "~ "}${duration(flop / speeds[i].flops)}`,
    shape,
  ]);
  console.log(table([["runs", "parameters", "at once", "memory", "updates", "time", "shape"], ...rows], [6]));
  const total = groups.reduce((sum, { flop }, i) => sum + flop / speeds[i].flops, 0);
  const most = (experiment.margin ?? null) === null ? "About" : "At most about";
  console.log(`\n${most} ${duration(total)} in all, compiling not included.`);
  const { checkpoints, weights, attention } = diskForecast(todo, experiment);
  const disk = [
    ...watch.weights ? [`weights ${mebi(weights)}`] : [],
    ...watch.attention ? [`attention about ${mebi(attention)}`] : [],
  ];
  if (disk.length > 0) console.log(`On disk: checkpoints ${mebi(checkpoints)}, ${disk.join(", ")}.`);
  if (speeds.some(({ tried }) => !tried)) console.log("~: not tried; like the shape nearest in size that was.");
}

/** For so long, in ms, shapes are tried, those with the most work first. */
const TRIES = 30_000;

/** Operations per second of every shape; of those that there was no time to try, that of the one nearest in size. */
async function measured(groups: readonly Forecast[], engine: Engine, watched: Watched): Promise<{ flops: number; tried: boolean }[]> {
  const began = performance.now();
  const tried = new Map<Forecast, number>();
  for (const group of groups.toSorted((a, b) => b.flop - a.flop)) {
    if (performance.now() - began > TRIES && tried.size > 0) break;
    try {
      tried.set(group, await speedOf(group, engine, watched));
    } catch (error) {
      console.error(`${group.shape}: ${reason(error)}`);
    }
  }
  if (tried.size === 0) throw new Error("Cannot estimate the time: must have a shape that can be trained here, there is none");
  const size = ({ flop, updates, rows }: Forecast) => Math.log(flop / updates * rows);
  return groups.map((group) => {
    const apart = (other: Forecast) => Math.abs(size(other) - size(group));
    const nearest = [...tried.keys()].reduce((a, b) => (apart(a) <= apart(b) ? a : b));
    return { flops: tried.get(nearest)!, tried: tried.has(group) };
  });
}
