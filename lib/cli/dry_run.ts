/** What a sweep would take, on this adapter: `deno task sweep --dry-run`. */
import type { Experiment } from "../lab/experiment.ts";
import { type Forecast, forecast, type Left, type Speed, speeds } from "../lab/forecast.ts";
import { diskForecast } from "../lab/watch.ts";
import type { Engine, Watched } from "../engine/engine.ts";
import { duration, figure, plural } from "./progress.ts";
import { table } from "./table.ts";
import { printable, say, tell } from "./terminal.ts";
import { swept } from "../run/grid.ts";

/** Prints runs, shapes, memory, disk and time of what is left to do; trains one or two shapes for a moment to see. */
export async function dryRun(experiment: Experiment, todo: readonly Left[], engine: Engine): Promise<void> {
  const { watch = {} } = experiment, watched: Watched = watch.attention ? { attention: watch.attention } : {};
  const groups = forecast(todo, engine, watched);
  const { engine: name, adapter, driver } = engine.info;
  const differ = [...swept(experiment.runs)].map(([field, values]) => `${field} ${listed(values)}`);
  tell(printable(`${experiment.name}: ${experiment.question ?? ""}`.replace(/: $/, "")));
  for (const line of differ) tell(`  ${line}`);
  tell(`${plural(experiment.runs.length, "run")}, ${todo.length} of them to do, on ${name}, ${adapter}, ${driver}\n`);
  if (groups.length === 0) return;
  say("measuring the speed …");
  const expected = await speeds(groups, engine, watched);
  const mebi = (bytes: number) => `${figure(bytes / 2 ** 20)} MiB`;
  const time = ({ flop }: Forecast, speed: Speed | null) =>
    speed === null ? "–" : `${speed.measured ? "" : "~ "}${duration(flop / speed.flops)}`;
  const rows = groups.map((group, i) => [
    String(group.runs),
    group.parameters.toLocaleString("en"),
    String(group.rows),
    mebi(group.bytes),
    group.updates.toLocaleString("en"),
    time(group, expected[i]),
    group.shape,
  ]);
  tell(table([["runs", "parameters", "at once", "memory", "updates", "time", "shape"], ...rows], [6]));
  const total = groups.reduce((sum, { flop }, i) => sum + (expected[i] === null ? 0 : flop / expected[i].flops), 0);
  const most = (experiment.margin ?? null) === null ? "About" : "At most about";
  const refused = groups.filter((_, i) => expected[i] === null), runs = refused.reduce((sum, group) => sum + group.runs, 0);
  const without = runs > 0 ? `, without ${plural(runs, "run")} that can't be trained here` : "";
  tell(`\n${most} ${duration(total)} in all, compiling not included${without}.`);
  for (const { shape, refusal } of refused) tell(`–: ${shape} can't be trained here: ${refusal ?? "the engine refused it"}.`);
  const { checkpoints, weights, attention } = diskForecast(todo, experiment);
  const disk = [
    ...watch.weights ? [`weights ${mebi(weights)}`] : [],
    ...watch.attention ? [`attention about ${mebi(attention)}`] : [],
  ];
  if (disk.length > 0) tell(`On disk: checkpoints ${mebi(checkpoints)}, ${disk.join(", ")}.`);
  if (expected.some((speed) => speed?.measured === false)) tell("~: from its operations, at the speed of what was measured.");
}

/** Values in a line: of many, the first and the last, and how many there are. */
const listed = (values: readonly unknown[]): string =>
  values.length <= 20
    ? values.join(", ")
    : `${values.slice(0, 5).join(", ")}, … ${values.at(-1)} (${values.length.toLocaleString("en")} values)`;
