/** Peers on one job in turns: A B C A B C …, so that a machine's drift hits all alike. */
import type { Options } from "./options.ts";
import { Absent, commands, type Peer, PeerProcess } from "./peers.ts";
import type { Done, Ready, Request, Work } from "./protocol.ts";
import type { Measurement, Missing, Result } from "./table.ts";
import { stepsOfTurn } from "./turns.ts";

/** A peer and its process, or why it has none. */
interface Entrant {
  readonly peer: Peer;
  process: PeerProcess | null;
  absent: string | null;
}

/** A peer that has warmed up for a job. */
interface Started {
  readonly entrant: Entrant;
  readonly request: Request;
  readonly turns: { seconds: number; steps: number; rows: number }[];
  updates: number;
  last: Done;
}

export class Contest {
  readonly #entrants: readonly Entrant[];
  readonly #options: Options;
  readonly #log: (line: string) => void;
  readonly #ready = new Map<string, Ready>();

  private constructor(entrants: readonly Entrant[], options: Options, log: (line: string) => void) {
    this.#entrants = entrants;
    this.#options = options;
    this.#log = log;
  }

  /** Starts every peer that is installed. */
  static async open(peers: readonly Peer[], options: Options, log: (line: string) => void): Promise<Contest> {
    const contest = new Contest(peers.map((peer) => ({ peer, process: null, absent: null })), options, log);
    for (const entrant of contest.#entrants) await contest.#start(entrant);
    return contest;
  }

  /** Every peer's turns on `rows` runs of this work; a peer that can't is missing, with the reason. */
  async measure(work: Work, rows: number): Promise<Result[]> {
    const results = new Map<Entrant, Result>();
    const missing = (entrant: Entrant, absent: string): void => {
      results.set(entrant, { peer: entrant.peer.name, absent } satisfies Missing);
    };
    let going: Started[] = [];
    for (const entrant of this.#entrants) {
      if (entrant.peer.pruned && work.pooling !== "last") continue; // nothing to prune: the loss reads every position
      if (!entrant.process && entrant.absent === null) await this.#start(entrant);
      if (!entrant.process) missing(entrant, `${entrant.absent}; ${entrant.peer.get}`);
      else {
        this.#log(`${work.preset}, R = ${rows}: ${entrant.peer.name} warms up`);
        const runs = entrant.process.ready.sequential ? 1 : rows;
        try {
          going.push(await this.#warmUp(entrant, { work, rows: runs, steps: 1 }));
        } catch (error) {
          missing(entrant, await this.#fault(entrant, error));
        }
      }
    }
    for (let round = 1; round <= this.#options.rounds; round++) {
      this.#log(`${work.preset}, R = ${rows}: round ${round} of ${this.#options.rounds}`);
      for (const started of [...going]) {
        try {
          await this.#turn(started);
        } catch (error) {
          going = going.filter((other) => other !== started);
          missing(started.entrant, await this.#fault(started.entrant, error));
        }
      }
    }
    for (const { entrant, request, turns, updates, last } of going) {
      const { loss = NaN } = await entrant.process!.ask({ ...request, steps: 0 }, this.#options.patience).catch(() => ({ loss: NaN }));
      const measurement: Measurement = {
        peer: entrant.peer.name,
        turns,
        firstLoss: last.firstLoss,
        firstUpdates: last.firstSteps,
        lastLoss: loss,
        updates,
        warmUp: last.warmUp,
      };
      results.set(entrant, measurement);
    }
    return this.#entrants.flatMap((entrant) => results.get(entrant) ?? []);
  }

  /** Versions, devices and cautions of the peers that started, by name. */
  get peers(): Readonly<Record<string, Ready>> {
    return Object.fromEntries(this.#ready);
  }

  async close(): Promise<void> {
    await Promise.all(this.#entrants.map(({ process }) => process?.stop()));
  }

  async #start(entrant: Entrant): Promise<void> {
    const { peer } = entrant;
    try {
      entrant.process = await PeerProcess.start(commands(peer, this.#options.pythons), this.#options.patience, peer);
      this.#ready.set(peer.name, entrant.process.ready);
    } catch (error) {
      if (!(error instanceof Absent)) throw error;
      entrant.absent = error.message;
    }
  }

  /** Builds, compiles, and finds how many updates make a turn as long as was asked for. */
  async #warmUp(entrant: Entrant, request: Request): Promise<Started> {
    const { seconds, patience } = this.#options;
    let last!: Done, updates = 0;
    const steps = await stepsOfTurn(async (steps) => {
      last = await entrant.process!.ask({ ...request, steps }, patience);
      updates += last.steps;
      return last;
    }, seconds);
    return { entrant, request: { ...request, steps: steps! }, turns: [], updates: updates + last.firstSteps, last };
  }

  async #turn(started: Started): Promise<void> {
    const { entrant, request, turns } = started;
    started.last = await entrant.process!.ask(request, this.#options.patience);
    const { steps, seconds } = started.last;
    started.updates += steps;
    turns.push({ seconds, steps, rows: request.rows });
  }

  /** A peer that answers with an error goes on with the next job; one that ended or was ended starts anew. */
  async #fault(entrant: Entrant, error: unknown): Promise<string> {
    if (entrant.process?.ended) {
      await entrant.process.stop();
      entrant.process = null;
    }
    return (error as Error).message;
  }
}
