/**
 * How many prompts a local server keeps at a time: one for each request that it serves at once, and nobody says how many those are. All are
 * believed to be there until one is not, and as many as were found there from then on; by target, over all its replicas.
 */

/** The longest list of prompts that is kept of a target; where all are believed to be there, it makes no difference. */
const KEPT_MAX = 64;
const TARGETS_MAX = 1000;

interface Server {
  /** The prompts that were the last ones in their slots, by plan, the latest first. */
  readonly latest: number[];
  readonly running: Set<number>;
  /** So many of the latest are still there. */
  kept: number;
  /** Whether what a running request has read is found by another. */
  sharesRunning: boolean;
}

/** What was found ahead. */
export interface Slot {
  readonly tokens: number;
  /** From 1 on, the latest first; 0: nobody knows. */
  readonly rank: number;
  readonly wasRunning: boolean;
}

export class Slots {
  readonly #servers = new Map<string, Server>();

  /** Whether what this plan has read is still there for another. */
  isThere(target: string, plan: number): boolean {
    const server = this.#servers.get(target);
    if (server === undefined) return true;
    if (server.running.has(plan)) return server.sharesRunning;
    const rank = server.latest.indexOf(plan) + 1;
    return server.kept === Infinity || (rank > 0 && rank <= server.kept);
  }

  /** Whether others find what is being read by a request that has not ended. */
  sharesRunning(target: string): boolean {
    return this.#servers.get(target)?.sharesRunning ?? true;
  }

  /** @param found Whose prompt has most of what it begins with. @returns What of it is ahead; `undefined`: nothing is. */
  sent(target: string, plan: number, found: number | undefined, tokens: number): Slot | undefined {
    const server = this.#server(target);
    const index = found === undefined ? -1 : server.latest.indexOf(found);
    const wasRunning = found !== undefined && server.running.has(found);
    const slot = found === undefined || tokens === 0 ? undefined : { tokens, rank: index + 1, wasRunning };
    if (index !== -1 && (!wasRunning || server.sharesRunning)) server.latest.splice(index, 1);
    server.latest.unshift(plan);
    if (server.latest.length > KEPT_MAX) server.latest.pop();
    server.running.add(plan);
    return slot;
  }

  over(target: string, plan: number): void {
    this.#servers.get(target)?.running.delete(plan);
  }

  told(target: string, { rank, wasRunning }: Slot, wasRead: boolean): void {
    const server = this.#server(target);
    if (wasRunning) server.sharesRunning = wasRead;
    else if (wasRead) server.kept = Math.max(server.kept, rank);
    // What was there last of all is only gone with the model.
    else if (rank > 1) server.kept = Math.min(server.kept, rank - 1);
  }

  #server(target: string): Server {
    const known = this.#servers.get(target);
    if (known !== undefined) return known;
    const server = { latest: [], running: new Set<number>(), kept: Infinity, sharesRunning: true };
    if (this.#servers.size < TARGETS_MAX) this.#servers.set(target, server);
    return server;
  }
}
