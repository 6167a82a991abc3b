/** Whether rules, experiments, and who trained what are as the lab writes them. */
import { inOneLine, quote } from "../../run/quote.ts";
import { RULES } from "../../run/grokking.ts";
import { checkExperiment, checkRule, type NamedRule, namedRule } from "../experiment.ts";
import { verdictOf } from "../seals.ts";
import type { Lab, Row, Value } from "../store.ts";
import type { Watch } from "../watch.ts";
import { type Finding, isFlag, isTime, isWhole } from "./finding.ts";

/** What is wrong with each row: its name, and a line about the first column that can't be so. */
type Wrong<T> = (row: T) => string | undefined;

const must = (column: string, requirement: string, value: unknown) => `${column} must be ${requirement}, it is ${quote(value)}`;
const wrong = (about: Finding["about"], name: string, text: string): Finding => ({
  about,
  text: `${inOneLine(name)}${text.startsWith("must ") ? "" : ":"} ${inOneLine(text, 500)}`,
});

function each<T extends Row>(about: Finding["about"], rows: readonly T[], nameOf: (row: T) => string, check: Wrong<T>): Finding[] {
  return rows.flatMap((row) => {
    const text = check(row);
    return text === undefined ? [] : [wrong(about, nameOf(row), text)];
  });
}

type RuleRow = {
  readonly name: string;
  readonly accuracy: number;
  readonly inclusive: number;
  readonly times: number;
  readonly memorised: number;
};

export function rules(lab: Lab): Finding[] {
  const rows = lab.query<RuleRow>("SELECT * FROM rules ORDER BY name");
  return each("rules", rows, ({ name }) => name, (row) => {
    const { name, accuracy, inclusive, times, memorised } = row;
    if (!isFlag(inclusive)) return must("inclusive", "0 or 1", inclusive);
    const rule = { name, accuracy, inclusive: inclusive === 1, times, memorised }, said: string[] = [];
    checkRule(rule, (field, requirement, value) => void said.push(must(field, requirement, value)));
    if (said.length > 0 || !Object.hasOwn(RULES, name)) return said[0];
    const known: Required<NamedRule> = namedRule(name as keyof typeof RULES), fields = Object.keys(known) as (keyof typeof known)[];
    const differs = fields.find((field) => known[field] !== rule[field]);
    return differs && must(differs, String(known[differs]), rule[differs]);
  });
}

type ExperimentRow = {
  readonly id: number;
  readonly name: string;
  readonly question: string | null;
  readonly rule: string;
  readonly margin: number | null;
  readonly keep: string;
  readonly fixed: string;
  readonly swept: string;
  readonly watch: string | null;
  readonly declared_at: string;
};

export function experiments(lab: Lab): Finding[] {
  const rows = lab.query<ExperimentRow>("SELECT * FROM experiments ORDER BY name");
  return each("experiments", rows, ({ name }) => name, (row) => experimentOf(lab, row));
}

function experimentOf(lab: Lab, row: ExperimentRow): string | undefined {
  const { id, name, rule, margin, keep, fixed, swept, watch, declared_at } = row;
  if (keep !== "checkpoint" && keep !== "nothing") return must("keep", "checkpoint or nothing", keep);
  if (!isTime(declared_at)) return must("declared_at", "a time", declared_at);
  const members = lab.query<{ run: number; steps: number }>("SELECT run, steps FROM members WHERE experiment = ?", id);
  if (members.length === 0) return "must have runs, it has none";
  const [lacking] = lab.query("SELECT run FROM members WHERE experiment = ? AND run NOT IN (SELECT id FROM runs)", id);
  // The check of references says so.
  if (lacking) return undefined;
  try {
    const runs = members.map(({ run, steps }) => lab.spec(run, steps));
    const known = lab.rules().find((each) => each.name === rule);
    if (!known) return must("rule", "one of the lab's rules", rule);
    checkExperiment({ name, runs, rule: known, margin, ...watch !== null && { watch: JSON.parse(watch) as Watch } });
    const described = lab.description(id);
    if (!saysSo(fixed, described.fixed)) return "fixed must be what its runs share, it isn't";
    if (!saysSo(swept, described.swept)) return "swept must be in what its runs differ, it isn't";
  } catch (error) {
    return (error as Error).message;
  }
  return sealed(verdictOf(lab, "experiment", id), "declare it again, by a sweep, where it is right");
}

/** Whether a stored description says nothing else than one made now, which may have fields that came later. */
function saysSo(stored: string, now: string): boolean {
  const is = JSON.parse(stored) as Record<string, unknown>, wanted = JSON.parse(now) as Record<string, unknown>;
  return Object.entries(is).every(([path, value]) => JSON.stringify(value) === JSON.stringify(wanted[path]));
}

/** What to say of a seal, if anything. */
export function sealed(verdict: ReturnType<typeof verdictOf>, remedy: string): string | undefined {
  if (verdict === "none") return `must have a seal, there is none; ${remedy}`;
  return verdict === "broken" ? `must be as it was stored, its seal is another's; ${remedy}` : undefined;
}

type SessionRow = {
  readonly id: number;
  readonly name: string;
  readonly command: string;
  readonly started_at: string;
  readonly seen_at: string;
  readonly ended_at: string | null;
};
type WorkRow = { readonly hash: string; readonly from_step: number; readonly to_step: number; readonly seconds: number };

/** Sessions, environments and work. */
export function sessions(lab: Lab): Finding[] {
  const environments = lab.query("SELECT * FROM environments ORDER BY id"),
    started = lab.query<SessionRow>("SELECT * FROM sessions ORDER BY id");
  const work = lab.query<WorkRow>("SELECT hash, from_step, to_step, seconds FROM work JOIN runs ON id = run ORDER BY hash, from_step");
  const times = ({ started_at, seen_at, ended_at }: SessionRow) => [started_at, seen_at, ...ended_at === null ? [] : [ended_at]];
  return [
    ...each("sessions", environments, ({ id }) => `environment ${id}`, ({ software, cores, ...texts }) => {
      if (!isFlag(software)) return must("software", "0 or 1", software);
      if (!isWhole(cores)) return must("cores", "a whole number", cores);
      const [empty] = Object.entries(texts).find(([name, value]: [string, Value]) =>
        name !== "id" && (typeof value !== "string" || value === "")
      ) ?? [];
      return empty && must(empty, "a text", texts[empty]);
    }),
    ...each("sessions", started, ({ id }) => `session ${id}`, (row) => {
      if (!/^[\w-]{1,100}$/.test(row.name)) return must("name", "letters, digits and -", row.name);
      const odd = times(row).find((time) => !isTime(time));
      if (odd !== undefined) return must("a time", "UTC as ISO 8601", odd);
      // A clock that was set back by up to a minute between two writes is no damage.
      const late = times(row).find((time, i, all) => i > 0 && Date.parse(time) < Date.parse(all[i - 1]) - 60_000);
      return late && must("its times", "in their order", late);
    }),
    ...each("sessions", work, ({ hash }) => `work on run ${hash}`, ({ from_step, to_step, seconds }) => {
      if (!isWhole(from_step)) return must("from_step", "a whole number", from_step);
      if (!isWhole(to_step, from_step)) return must("to_step", `a whole number from ${from_step}`, to_step);
      return seconds >= 0 && Number.isFinite(seconds) ? undefined : must("seconds", "0 or more", seconds);
    }),
  ];
}
