/** The project's folder, its files, and programs that a command starts there. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The database that commands use unless --db names another. */
export const LAB = join(ROOT, "data", "lab.db");

/** The files below a folder of the project whose names end so, as sorted paths in the project; none where there is no such folder. */
export function filesIn(folder: string, ending: string): string[] {
  const walk = (path: string): string[] =>
    [...Deno.readDirSync(join(ROOT, path))].flatMap(({ name, isDirectory }) => isDirectory ? walk(join(path, name)) : [join(path, name)]);
  try {
    return walk(folder).filter((file) => file.endsWith(ending)).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Runs a program with this terminal, in the project's folder unless `cwd` says otherwise; returns its exit code. */
export async function run(program: string, args: readonly string[], cwd: string = ROOT): Promise<number> {
  return (await new Deno.Command(program, { args: [...args], cwd, stdin: "inherit", stdout: "inherit", stderr: "inherit" }).output()).code;
}

/** Runs a program and returns what it prints; "" where it can't be started or fails. */
export async function output(program: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  try {
    const { success, stdout } = await new Deno.Command(program, { args: [...args], env, stdin: "null", stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : "";
  } catch {
    return "";
  }
}
