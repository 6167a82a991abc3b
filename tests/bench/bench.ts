/** `deno task bench`: every peer that is installed, on the same work, on this machine, in one run. */
import { prepareFile } from "../../lib/cli/files.ts";
import { writeWhole } from "../../lib/run/files.ts";
import { runTraining } from "../../lib/cli/restart.ts";
import { type Machine, machine } from "./machine.ts";
import { Contest } from "./contest.ts";
import { HELP, options } from "./options.ts";
import { OURS, unset } from "./peers.ts";
import { profile } from "./profile.ts";
import { type Ready, workOf } from "./protocol.ts";
import { scaling, scalingTable } from "./scaling.ts";
import { isMissing, reference, type Result, summarise, table } from "./table.ts";

/** What is measured in place of the comparison, by flag. Imported there: what it needs of npm isn't on every machine that is measured. */
const INSTEAD = {
  lab: async (rounds: number, say: (line: string) => void) => {
    const { labFigures, labTable } = await import("./lab.ts"), figures = await labFigures(rounds, say);
    return { text: labTable(figures), figures };
  },
  attention: async (rounds: number, say: (line: string) => void) => {
    const { attentionFigures, attentionTable } = await import("./attention.ts"), figures = await attentionFigures(rounds, say);
    return { text: attentionTable(figures), figures: { figures } };
  },
  lesson: async (rounds: number, say: (line: string) => void) => {
    const { lessonFigures, lessonTable } = await import("./lesson.ts"), figures = await lessonFigures(rounds, say);
    return { text: lessonTable(figures), figures };
  },
};

await runTraining(async (args) => {
  const chosen = options(args);
  if (chosen === "help") {
    console.log(HELP);
    return 0;
  }
  if (chosen.json) await prepareFile("--json", chosen.json);
  const here = await machine();
  console.log(heading(here));
  const card = here.adapter !== null && !here.adapter.software, ours = card ? OURS.card : OURS.processor;
  const engine = chosen.engine ?? (card ? "webgpu" : "cpu");
  const record: object[] = [];
  const keep = async (finished: object, peers: Readonly<Record<string, Ready>> = {}) => {
    record.push(finished);
    if (!chosen.json) return;
    const document = {
      date: new Date().toISOString(),
      command: ["deno", "task", "bench", ...args].join(" "),
      machine: here,
      // Set on this machine, and unset for the peers.
      unset: unset(),
      peers,
      results: record,
    };
    await writeWhole(chosen.json, JSON.stringify(document, null, 2) + "\n");
  };

  for (const [work, measure] of Object.entries(INSTEAD)) {
    if (!chosen[work as keyof typeof INSTEAD]) continue;
    const { text, figures } = await measure(chosen.rounds, (line) => console.error(line));
    console.log(`\n${text}`);
    await keep({ work, ...figures });
    return 0;
  }
  if (chosen.scaling) {
    const points = await scaling(engine, chosen.rounds, chosen.seconds, (line) => console.error(line));
    console.log(`\n${scalingTable(points)}`);
    await keep({ work: "scaling", engine, points });
    return 0;
  }
  if (chosen.profile) {
    for (const preset of chosen.work) {
      for (const rows of chosen.rows) {
        const { text, kernels, peak } = await profile(preset, rows, engine);
        console.log(`\n${preset}, R = ${rows}: where a step's time goes\n${text}`);
        await keep({ work: preset, rows, engine, kernels, peak });
      }
    }
    return 0;
  }

  const contest = await Contest.open(chosen.peers(card), chosen, (line) => console.error(line));
  try {
    for (const preset of chosen.work) {
      const work = workOf(preset);
      for (const rows of chosen.rows) {
        const results = await contest.measure(work, rows);
        console.log(
          `\n${preset}, R = ${rows}: a step is ${work.examples} examples a run, forward, backward and AdamW, fp32\n${table(results, ours)}`,
        );
        await keep({ work, rows, results: results.map(withSummary(results, ours)) }, contest.peers);
      }
    }
    const dropped = Object.entries(unset()).map(([name, value]) => `${name}=${value}`).join(" ");
    console.log(`\n${[...notes(contest.peers), ...dropped ? [`unset for the peers: ${dropped}`] : []].join("\n")}`);
  } finally {
    await contest.close();
  }
  return 0;
});

/** What is written for a result: all turns, and the figures that the table shows. */
function withSummary(results: readonly Result[], ours: string) {
  const summaries = results.flatMap((result) => isMissing(result) ? [] : [summarise(result)]);
  const { label, ratio } = reference(summaries, ours);
  return (result: Result) => {
    if (isMissing(result)) return result;
    const summary = summarise(result);
    return { ...result, runStepsPerSecond: summary, ratio: { of: label, value: ratio(summary) } };
  };
}

/** Versions, devices and cautions, a line a peer. */
function notes(peers: Readonly<Record<string, Ready>>): string[] {
  return Object.entries(peers).map(([name, { version, device, sequential, note }]) =>
    `${name}: ${version}, ${device}${sequential ? ", one run after another" : ""}${note ? `; ${note}` : ""}`
  );
}

function heading({ processor, cores, memory, system, deno, adapter, nvidia, commit }: Machine): string {
  const on = adapter ? `${adapter.name}, ${adapter.driver}` : "none";
  return [
    `processor  ${processor}, ${cores} cores, ${memory} GiB, ${system}`,
    `adapter    ${on}`,
    ...(nvidia ? [`card       ${nvidia}`] : []),
    `Deno       ${deno}, commit ${commit}`,
  ].join("\n");
}
