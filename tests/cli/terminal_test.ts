/** Training on a real terminal that goes away, as when a connection drops. */
import { assert, assertEquals } from "@std/assert";
import { output } from "../../lib/cli/process.ts";
import { readSeed } from "../../lib/train/checkpoints.ts";
import { ENGINE, filesIn, folder, ROOT, TINY } from "./train_process.ts";

/** Starts the arguments on a terminal of their own, hangs up once the file named first is there, and prints the exit code. */
const HANG_UP = `
import os, pty, sys, time
file, *command = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0: os.execvp(command[0], command)
os.set_blocking(terminal, False)
began = time.time()
while not os.path.exists(file) and time.time() - began < 300:
  try: os.read(terminal, 65536)
  except OSError: pass
  time.sleep(0.05)
time.sleep(1)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;
const PYTHON = await output("python3", ["-c", "import os, pty; os.waitstatus_to_exitcode; print(1)"]) === "1";

Deno.test({
  name: "a terminal that hangs up: the states are saved, and the exit code is that of SIGHUP",
  ignore: !PYTHON,
  fn: () =>
    folder(async (path) => {
      const train = ["run", "-A", "lib/cli/train.ts", "--engine", ENGINE, ...TINY, "--steps", "100000000", "--checkpoint", path("saved")];
      const { stdout, stderr } = await new Deno.Command("python3", {
        args: ["-c", HANG_UP, path("saved/seed_0.safetensors"), Deno.execPath(), ...train],
        cwd: ROOT,
      }).output();
      assertEquals(new TextDecoder().decode(stdout).trim(), "129", new TextDecoder().decode(stderr));
      assertEquals(await filesIn(path("saved")), ["metrics.csv", "seed_0.safetensors"]);
      assert((await readSeed(path("saved"), 0)).state.step > 0);
    }),
});
