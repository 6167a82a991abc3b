/** What trains here: all that explains a figure, nothing that names a person's machine. */
import os from "node:os";
import { fileURLToPath } from "node:url";
import type { EngineInfo } from "../engine/engine.ts";
import type { Connection } from "./connection.ts";

export interface Environment extends EngineInfo {
  /** e.g. `Linux 6.1.0 x64` */
  readonly system: string;
  readonly processor: string;
  readonly cores: number;
  /** Version. */
  readonly deno: string;
  /** As `commit` says. */
  readonly commit: string;
}

export async function environment(info: EngineInfo): Promise<Environment> {
  return {
    ...info,
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    processor: os.cpus()[0]?.model.trim() ?? "unknown",
    cores: navigator.hardwareConcurrency,
    deno: Deno.version.deno,
    commit: await commit(),
  };
}

/**
 * This project's commit, with a `+` where files differ from it. The variable `GROKBOOK_COMMIT` says it for a copy that is no checkout;
 * without it such a copy's is `unknown`.
 */
export async function commit(): Promise<string> {
  const told = Deno.env.get("GROKBOOK_COMMIT")?.trim();
  if (told) return told;
  const head = await git("rev-parse", "--short", "HEAD");
  return head ? `${head}${await git("status", "--porcelain") ? "+" : ""}` : "unknown";
}

/** What git says of this project; "" where there is no git, or no checkout. */
async function git(...args: string[]): Promise<string> {
  const cwd = fileURLToPath(new URL("../..", import.meta.url));
  try {
    const { success, stdout } = await new Deno.Command("git", { args, cwd, stdin: "null", stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : "";
  } catch {
    return "";
  }
}

/** The id of an environment in the lab, which is entered where it isn't there. */
export function enterEnvironment(lab: Connection, environment: Environment): number {
  const { engine, adapter, driver, software, system, processor, cores, deno, commit } = environment;
  const values = [engine, adapter, driver, Number(software), system, processor, cores, deno, commit];
  const columns = `engine, adapter, driver, software, system, processor, cores, deno, "commit"`, places = values.map(() => "?");
  lab.run(`INSERT OR IGNORE INTO environments (${columns}) VALUES (${places})`, ...values);
  return lab.query<{ id: number }>(`SELECT id FROM environments WHERE (${columns}) = (${places})`, ...values)[0].id;
}
