/** Programs that a command starts. */
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

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
