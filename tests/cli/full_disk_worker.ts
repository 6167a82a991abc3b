/** Commands in a process whose files may not grow beyond a size, as on a full disk: a line of JSON for each, with what it failed with. */
import { main as db } from "../../lib/cli/db.ts";
import { main as sweep } from "../../lib/cli/sweep.ts";
import { main as train } from "../../lib/cli/train.ts";
import { fakeEngine } from "../fake_engine.ts";

const COMMANDS = { db, sweep, train: (args: string[]) => train(args, { open: () => Promise.resolve(fakeEngine()) }) };

for (const line of JSON.parse(Deno.args[0]) as [keyof typeof COMMANDS, ...string[]][]) {
  const [command, ...args] = line;
  const error = await COMMANDS[command](args).then((code) => `exit code ${code}`, (error: Error) => error.message);
  console.log(JSON.stringify({ line: line.join(" "), error }));
}
