/**
 * How much of a prompt was read from cache, where the answer does not say: from the server's own counters, as an estimate.
 *
 * The counters are the server's, not the call's: they say how many prompt tokens it looked for in its cache and how many it found, of
 * all calls, ours or not. What they grew by between a reading before the call was sent and one after its first event (which comes after
 * its prompt was read) belongs to the calls of that window, in proportion to their tokens. Where the call was the only one, that is its
 * own count, to the token. Where others were in the window, it is their average: right in the sum of calls that are alike, and far off
 * for one that is not as the others. Where no reading came in time (a short answer that is not streamed is over before the next one),
 * the share of the last minute stands in, if that asked for as many tokens as the call has. Where there is not even that (the first
 * call, a short one after a pause, a server that nobody reads), nothing is said: unknown stays unknown. What a server reads from a cache outside of it is in other
 * counters, and so is missing here.
 *
 * A server that has told once what it read from its cache leaves out only zeros: there is nothing to be estimated of it.
 *
 * A row with such a number is marked as estimated. No answer waits for a reading: it is settled with those that have come.
 */
import type { LedgerEntry } from "./ledger.ts";
import type { CacheCounterNames } from "./provider.ts";
import { readWhole } from "./read.ts";
import type { CacheReading, CacheReadings } from "./replicas.ts";
import type { ProviderInstance } from "./target.ts";
import type { Upstream } from "./upstream.ts";

export interface CacheCounters extends CacheReadings {
  close(): void;
}

export interface CacheCountersOptions {
  readonly upstream: Upstream;
  readonly now: () => number;
  /** Rejects when the signal aborts; keeps no process alive. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Between two readings of one server: its text takes it some milliseconds. Infinite: none is read. */
  readonly everyMs?: number | undefined;
  /** What else such a reading tells: how many tokens a cache holds, and that a server has begun anew. */
  readonly sized?: (instance: ProviderInstance, baseUrl: string, cacheTokens: number) => void;
  readonly restarted?: (instance: ProviderInstance, baseUrl: string) => void;
}

const EVERY_MS = 1_000;
/** A server that has no such counters is not asked again for so long. */
const ABSENT_MS = 600_000;
/** One that did not answer well. */
const FAILED_MS = 30_000;
/** How old, in intervals, the last reading may be that a call begins at: what was asked for since is not the call's. */
const BEFORE_INTERVALS_MAX = 3;
/** How long a share that was found stands in for those that are not. */
const RECENT_MS = 60_000;
const DEADLINES = { connectMs: 2_000, headMs: 2_000, idleMs: 2_000, totalMs: 4_000 };
const TEXT_BYTES_MAX = 8 * 1024 * 1024;

export function createCacheCounters(options: CacheCountersOptions): CacheCounters {
  const closed = new AbortController();
  const all = new WeakMap<ProviderInstance, Map<string, Server>>();
  return {
    watch(instance, baseUrl) {
      const names = instance.provider.cacheCounters;
      if (names === undefined) return undefined;
      const servers = all.get(instance) ?? new Map<string, Server>();
      all.set(instance, servers);
      const server = servers.get(baseUrl) ?? new Server({ instance, baseUrl, names }, options, closed.signal);
      servers.set(baseUrl, server);
      return new Reading(server);
    },
    close: () => closed.abort(),
  };
}

/** The counters at one time. */
interface Sample {
  readonly queries: number;
  readonly hits: number;
  readonly atMs: number;
}

/** One call's view of them. */
class Reading implements CacheReading {
  readonly #server: Server;
  #before: Sample | undefined;
  #after: Sample | undefined;

  constructor(server: Server) {
    this.#server = server;
  }

  sent(): void {
    this.#before = this.#server.fresh();
    this.#server.sent();
  }

  began(): void {
    this.#server.began(this);
  }

  ended(entry: LedgerEntry): void {
    this.#server.ended(this, entry);
  }

  /** The first one that was begun after the call's first event. */
  take(sample: Sample): void {
    this.#after = sample;
  }

  tellsRead(): boolean {
    return this.#server.tellsRead;
  }

  cacheRead(promptTokens: number): number | undefined {
    const { latest } = this.#server;
    return (
      share(this.#before, this.#after, promptTokens) ??
      share(this.#before, latest, promptTokens) ??
      share(this.#server.recent(), latest, promptTokens)
    );
  }
}

/**
 * Of so many tokens, as many as of all that were looked for between the two. Where fewer were than the call has, the call cannot be
 * among them, and so few say nothing of it. A counter that fell was begun anew.
 */
function share(before: Sample | undefined, after: Sample | undefined, tokens: number): number | undefined {
  if (before === undefined || after === undefined) return undefined;
  const queries = after.queries - before.queries;
  const hits = after.hits - before.hits;
  if (queries < Math.max(1, tokens) || hits < 0) return undefined;
  return Math.min(tokens, Math.round((tokens * hits) / queries));
}

interface Place {
  readonly instance: ProviderInstance;
  readonly baseUrl: string;
  readonly names: CacheCounterNames;
}

/**
 * One replica's counters: read only once an answer has left the count out, then while calls run there, and once after the last of
 * them for the next one to begin at. One reading at a time.
 */
class Server {
  readonly #place: Place;
  readonly #options: CacheCountersOptions;
  readonly #closed: AbortSignal;
  #samples: readonly Sample[] = [];
  #isSilent = false;
  #tellsRead = false;
  #running = 0;
  #isReading = false;
  #isWanted = false;
  #nextAtMs = Number.NEGATIVE_INFINITY;
  /** Calls whose prompt has been read since the last reading began. */
  #begun = new Set<Reading>();

  constructor(place: Place, options: CacheCountersOptions, closed: AbortSignal) {
    this.#place = place;
    this.#options = options;
    this.#closed = closed;
  }

  get latest(): Sample | undefined {
    return this.#samples.at(-1);
  }

  /** Whether an answer has told what it read from the cache: those that do not have read nothing. */
  get tellsRead(): boolean {
    return this.#tellsRead;
  }

  /** The latest reading, if it is not so old that much may have happened since. */
  fresh(): Sample | undefined {
    const { now, everyMs = EVERY_MS } = this.#options;
    const { latest } = this;
    return latest !== undefined && now() - latest.atMs <= BEFORE_INTERVALS_MAX * everyMs ? latest : undefined;
  }

  /** The oldest reading from which the latest is no more than a while away, while the latest is not old itself. */
  recent(): Sample | undefined {
    const sinceMs = this.#options.now() - RECENT_MS;
    return this.#samples.find((sample) => sample.atMs >= sinceMs);
  }

  sent(): void {
    this.#running += 1;
    this.#want();
  }

  began(reading: Reading): void {
    if (!this.#isSilent) return;
    this.#begun.add(reading);
    this.#want();
  }

  ended(reading: Reading, { usage, usageBasis }: LedgerEntry): void {
    this.#running -= 1;
    this.#begun.delete(reading);
    if (usageBasis === "reported" && usage.inputUncached !== undefined) {
      if (usage.cacheRead !== undefined) this.#tellsRead = true;
      // Until one tells, one that says nothing is enough to ask.
      this.#isSilent = !this.#tellsRead;
    }
    this.#want();
  }

  #want(): void {
    if (!this.#isSilent || this.#options.everyMs === Number.POSITIVE_INFINITY) return;
    this.#isWanted = true;
    if (!this.#isReading) void this.#read();
  }

  /** Goes on as long as somebody wants to know. Never rejects. */
  async #read(): Promise<void> {
    this.#isReading = true;
    const { now, sleep, everyMs = EVERY_MS } = this.#options;
    while (this.#isSilent && (this.#isWanted || this.#running > 0)) {
      try {
        const waitMs = this.#nextAtMs - now();
        if (waitMs > 0) await sleep(waitMs, this.#closed);
      } catch {
        return;
      }
      this.#isWanted = false;
      const begun = this.#begun;
      this.#begun = new Set();
      const found = await readCounters(this.#place, this.#options.upstream, this.#closed);
      if (this.#closed.aborted) return;
      const nowMs = now();
      if (typeof found === "string") {
        this.#nextAtMs = nowMs + (found === "absent" ? ABSENT_MS : FAILED_MS);
        continue;
      }
      this.#nextAtMs = nowMs + everyMs;
      const sample = { queries: found.queries, hits: found.hits, atMs: nowMs };
      this.#keep(sample);
      const { instance, baseUrl } = this.#place;
      if (found.cacheTokens !== undefined) this.#options.sized?.(instance, baseUrl, found.cacheTokens);
      for (const reading of begun) reading.take(sample);
    }
    this.#isReading = false;
  }

  #keep(sample: Sample): void {
    const { latest } = this;
    const isRestarted = latest !== undefined && (sample.queries < latest.queries || sample.hits < latest.hits);
    if (isRestarted) this.#options.restarted?.(this.#place.instance, this.#place.baseUrl);
    const kept = isRestarted ? [] : this.#samples.filter(({ atMs }) => atMs >= sample.atMs - RECENT_MS);
    this.#samples = [...kept, sample];
  }
}

interface Counted extends Pick<Sample, "queries" | "hits"> {
  readonly cacheTokens: number | undefined;
}

async function readCounters(
  { instance, baseUrl, names }: Place,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<Counted | "absent" | "failed"> {
  try {
    const answer = await upstream.send({
      url: new URL(baseUrl + names.path),
      headers: { accept: "text/plain", ...instance.provider.headers(new Headers(), instance.settings) },
      body: undefined,
      deadlines: DEADLINES,
      signal,
    });
    const bytes = await readWhole(answer.body, TEXT_BYTES_MAX);
    if (answer.status >= 500) return "failed";
    if (answer.status !== 200) return "absent";
    const text = Buffer.from(bytes).toString("utf8");
    const queries = summed(text, names.queries);
    const hits = summed(text, names.hits);
    return queries === undefined || hits === undefined ? "absent" : { queries, hits, cacheTokens: sizeIn(text, names) };
  } catch {
    return "failed";
  }
}

/** Over all its labels: engines of one server each count for themselves. `undefined`: there is no such counter. */
function summed(text: string, name: string): number | undefined {
  const line = new RegExp(`^${name}(?:_total)?(?:\\{[^\\n]*\\})?[ \\t]+([0-9.eE+]+)(?:[ \\t]+\\d+)?[ \\t]*\\r?$`, "gm");
  let sum: number | undefined;
  for (const [, value] of text.matchAll(line)) sum = (sum ?? 0) + Number(value);
  return sum === undefined || !Number.isFinite(sum) ? undefined : sum;
}

/** Over all its engines; `undefined`: it does not say, or not yet. */
function sizeIn(text: string, { size }: CacheCounterNames): number | undefined {
  if (size === undefined) return undefined;
  const line = new RegExp(`^${size.name}\\{([^\\n]*)\\}`, "gm");
  let sum: number | undefined;
  for (const [, labels = ""] of text.matchAll(line)) {
    const tokens =
      labelIn(labels, size.tokens) ?? (labelIn(labels, size.blocks) ?? 0) * (labelIn(labels, size.blockTokens) ?? 0);
    if (tokens === 0) return undefined;
    sum = (sum ?? 0) + tokens;
  }
  return sum;
}

function labelIn(labels: string, name: string): number | undefined {
  const [, digits] = new RegExp(`(?:^|,)\\s*${name}="(\\d{1,15})"`).exec(labels) ?? [];
  return digits === undefined ? undefined : Number(digits);
}
