/** Whether a lab is whole: its database, what was computed from its specs and evaluations, and its files. */
import { reason } from "../run/files.ts";
import { inOneLine } from "../run/quote.ts";
import { derived, integrity, references, structures } from "./check/database.ts";
import { experiments, rules, sessions } from "./check/experiments.ts";
import { entries, files, type RunFile, runFiles, states } from "./check/files.ts";
import type { Finding } from "./check/finding.ts";
import { runs, training } from "./check/runs.ts";
import type { Lab } from "./store.ts";

export type { Finding } from "./check/finding.ts";

export interface Verified {
  readonly findings: readonly Finding[];
  /** What was looked at. */
  readonly runs: number;
  readonly evaluations: number;
  readonly files: number;
}

/**
 * Looks at everything and changes nothing. Sweeps may go on meanwhile. @throws Error in one line where the database can't be read at all.
 */
export async function verify(lab: Lab): Promise<Verified> {
  const { findings, stored, ...counts } = await lab.read(() => readable(lab));
  return { findings: [...findings, ...await files(lab, stored)], ...counts, files: stored.length };
}

/** What the database says by itself, as it is at one moment. */
function readable(lab: Lab): Omit<Verified, "files"> & { readonly stored: readonly RunFile[] } {
  const findings = databaseFindings(lab);
  let found = { runs: 0, evaluations: 0, stored: [] as readonly RunFile[] }, stray: readonly Finding[] = [];
  const unread = guarded("database", () => {
    const [counts] = lab.query<{ runs: number; evaluations: number }>(
      "SELECT (SELECT count(*) FROM runs) AS runs, (SELECT count(*) FROM metrics) AS evaluations",
    );
    found = { ...counts, stored: runFiles(lab) };
    stray = states(lab);
    return [];
  });
  // Of other findings, it is what follows.
  return { findings: [...findings.length > 0 ? findings : unread, ...stray], ...found };
}

/**
 * What is wrong with what the database holds, its files aside. Each check relies upon those before.
 * @param only the hashes of the runs that are looked at; by default all.
 */
export function databaseFindings(lab: Lab, only?: ReadonlySet<string>): Finding[] {
  const broken = guarded("database", () => integrity(lab));
  if (broken.length > 0) return broken;
  const other = guarded("database", () => structures(lab));
  if (other.length > 0) return other;
  return [
    ...guarded("database", () => [...references(lab), ...derived(lab)]),
    ...guarded("rules", () => rules(lab)),
    ...guarded("experiments", () => experiments(lab)),
    ...guarded("sessions", () => sessions(lab)),
    ...guarded("training", () => training(lab)),
    ...guarded("files", () => entries(lab)),
    ...guarded("runs", () => runs(lab, only && { only })),
  ];
}

/** Findings of a check; where it can't be done, that is one. */
function guarded(about: Finding["about"], check: () => Finding[]): Finding[] {
  try {
    return check();
  } catch (error) {
    return [{ about, text: inOneLine(`it must be readable: ${reason(error)}`, 500) }];
  }
}

/**
 * That the database of a lab is whole, so that what it holds may go elsewhere. Runs whose session is gone may.
 * @param action what is to be done, as in "merge a.db".
 * @param only the hashes of the runs that it is about, where the others stay as they are; by default all.
 * @throws Error in one line with the first finding.
 */
export function assertWhole(lab: Lab, action: string, only?: ReadonlySet<string>): void {
  const findings = databaseFindings(lab, only).filter(({ about }) => about !== "training");
  if (findings.length === 0) return;
  const [{ about, text }] = findings, more = findings.length > 1 ? `; ${findings.length - 1} more by deno task db verify` : "";
  throw new Error(`Cannot ${action}: ${lab.path} must be whole, of its ${about} ${text}${more}`);
}
