/** Who is measured, and how each is started and asked: every form of every framework is a process of its own. */
import { flagged, knowsFlags } from "../../lib/engine/cpu/flags.ts";
import { lines } from "./peers/serve.ts";
import type { Done, Ready, Request } from "./protocol.ts";

export interface Peer {
  readonly name: string;
  /** Its script in `peers/` and what the script is told. */
  readonly script: string;
  readonly args: readonly string[];
  /** What to do where it is absent. */
  readonly get: string;
  /** Whether it computes only the positions that the loss sees, as the native engine does; a row of its own that `--pruned` adds. */
  readonly pruned?: true;
  /** Whether it needs WebGPU: on a processor's driver, which is slow, it is measured only where it is named. */
  readonly webgpu?: true;
  /** Measured only where it is named. */
  readonly named?: true;
  /** Started with V8's flags, as commands that train are. */
  readonly flagged?: boolean;
}

const driver = "a Vulkan driver is needed: deno task doctor";
const relaxed = "a Deno is needed whose V8 has relaxed SIMD and threads";
const torch = "pip install torch (Debian: apt-get install python3-torch libopenblas0-pthread)";
const torch2 = "pip install torch, 2.4 or later; it compiles with g++ on a processor";
const jax = 'pip install jax (with CUDA: pip install "jax[cuda13]")';
const python = (name: string, script: string, form: string, get: string): Peer[] => [
  { name, script, args: [form], get },
  { name: `${name}-pruned`, script, args: [form, "--pruned"], get, pruned: true },
];

export const PEERS: readonly Peer[] = [
  { name: "grokbook-webgpu", script: "engine_peer.ts", args: ["webgpu"], get: driver, webgpu: true },
  { name: "grokbook-cpu", script: "engine_peer.ts", args: ["cpu"], get: relaxed, flagged: true },
  { name: "grokbook-cpu-unflagged", script: "engine_peer.ts", args: ["cpu"], get: relaxed, named: true },
  ...python("torch-eager", "torch_peer.py", "eager", torch),
  ...python("torch-compiled", "torch_peer.py", "compiled", torch2),
  ...python("torch-batched", "torch_peer.py", "batched", torch2),
  ...python("jax-highest", "jax_peer.py", "highest", jax),
  ...python("jax-default", "jax_peer.py", "default", jax),
  { name: "tfjs-webgpu", script: "engine_peer.ts", args: ["tfjs", "webgpu"], get: driver, webgpu: true },
  { name: "tfjs-wasm", script: "engine_peer.ts", args: ["tfjs", "wasm"], get: "comes with this project's packages" },
  { name: "jaxjs-webgpu", script: "jaxjs_peer.ts", args: ["webgpu"], get: driver, webgpu: true },
  { name: "jaxjs-wasm", script: "jaxjs_peer.ts", args: ["wasm"], get: "comes with this project's packages" },
];

/** What the others are compared with: the engine of this project that trains on a card, or where there is none. */
export const OURS = { card: "grokbook-webgpu", processor: "grokbook-cpu" } as const;

/** Commands that start a peer, the best first: Deno's peers have one, Python's one an interpreter. */
export function commands({ script, args }: Peer, pythons: readonly string[]): string[][] {
  const file = decodeURIComponent(new URL(`peers/${script}`, import.meta.url).pathname);
  return script.endsWith(".ts") ? [[Deno.execPath(), "run", "-A", file, ...args]] : pythons.map((python) => [python, file, ...args]);
}

/** Variables that some machines set so that OpenBLAS takes an older processor's kernels, which are slower: no peer gets them. */
const UNSET = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"];

/** Those of them that are set here, for the record. */
export const unset = (): Readonly<Record<string, string>> =>
  Object.fromEntries(UNSET.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));

const ENVIRONMENT: Record<string, string> = {
  // No byte code of Python's beside the scripts.
  PYTHONDONTWRITEBYTECODE: "1",
  // The adapter that the native engine takes, for every peer; and no loader's complaint where XDG_RUNTIME_DIR is unset.
  ...(Deno.build.os === "linux" && { DENO_WEBGPU_BACKEND: "vulkan", XDG_RUNTIME_DIR: Deno.env.get("XDG_RUNTIME_DIR") ?? "/tmp" }),
};

/** What a peer's process is started with. */
export async function environment({ flagged: wanted = false }: Partial<Peer> = {}): Promise<Record<string, string>> {
  const own = Object.entries(Deno.env.toObject()).filter(([name]) => !UNSET.includes(name) && name !== "DENO_V8_FLAGS");
  const setting = Deno.env.get("GROKBOOK_V8_FLAGS"),
    flags = wanted ? flagged(setting === undefined ? {} : { GROKBOOK_V8_FLAGS: setting }) : null;
  return { ...Object.fromEntries(own), ...ENVIRONMENT, ...flags && await knowsFlags() && flags };
}

/** Why a peer can't run here. */
export class Absent extends Error {}

/** A peer that runs. */
export class PeerProcess {
  ready!: Ready;
  /** Whether the process is gone, by itself or because it took too long. */
  ended = false;
  readonly #child: Deno.ChildProcess;
  readonly #out: AsyncGenerator<string>;
  readonly #in: WritableStreamDefaultWriter<Uint8Array>;
  #complaint = "";

  private constructor(command: readonly string[], env: Record<string, string>) {
    this.#child = new Deno.Command(command[0], {
      args: command.slice(1),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      clearEnv: true,
      env,
    }).spawn();
    this.#out = lines(this.#child.stdout);
    this.#in = this.#child.stdin.getWriter();
    this.#listen();
    this.#child.status.then(() => this.ended = true);
  }

  /** Starts the first command that works. @throws Absent with the reason of the last that was tried. */
  static async start(candidates: readonly (readonly string[])[], patience: number, peer: Partial<Peer> = {}): Promise<PeerProcess> {
    let reason = "there is no Python";
    const env = await environment(peer);
    for (const command of candidates) {
      try {
        const process = new PeerProcess(command, env);
        const message = await process.#message(patience);
        if ("ready" in message) {
          process.ready = message.ready as Ready;
          return process;
        }
        await process.stop();
        reason = String(message.absent);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) reason = (error as Error).message;
      }
    }
    throw new Absent(reason);
  }

  /** @throws Error with the peer's reason, or where it gave no answer in `patience` seconds. */
  async ask(request: Request, patience: number): Promise<Done> {
    await this.#in.write(new TextEncoder().encode(JSON.stringify(request) + "\n"));
    const message = await this.#message(patience);
    if ("error" in message) throw new Error(String(message.error));
    return message as unknown as Done;
  }

  async stop(): Promise<void> {
    await this.#in.close().catch(() => {});
    await this.#out.return(undefined);
    const timer = setTimeout(() => this.#kill(), 3000);
    await this.#child.status;
    clearTimeout(timer);
  }

  #kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch { /* it has ended */ }
  }

  /** The next message; what else a library prints is passed over. */
  async #message(patience: number): Promise<Record<string, unknown>> {
    let impatient = false;
    const timer = setTimeout(() => {
      impatient = true;
      this.#kill();
    }, patience * 1000);
    try {
      for (;;) {
        const { value, done } = await this.#out.next();
        if (done) break;
        if (value.startsWith("{")) return JSON.parse(value);
      }
    } finally {
      clearTimeout(timer);
    }
    const { code } = await this.#child.status;
    throw new Error(impatient ? `no answer in ${patience} s (--patience)` : this.#complaint || `it ended with code ${code}`);
  }

  async #listen(): Promise<void> {
    for await (const line of lines(this.#child.stderr)) if (line.trim()) this.#complaint = line.trim().slice(0, 240);
  }
}
