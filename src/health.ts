/**
 * Asks the replicas of a provider how they are, so that no call has to find it out: one that is dead is passed over before a call
 * fails at it, and one that is back gets calls without one of them being the try.
 *
 * Only where there are several, as only then is there a choice to be made by it: an only one is called whatever a probe says, and a
 * target that fails all the same is rested by its breaker. The first probe comes after one interval, so whoever is dead at the start
 * may still be found out by one call, which goes to another replica.
 */
import type { Log } from "./log.ts";
import type { Replicas } from "./replicas.ts";
import type { ProviderInstance } from "./target.ts";
import type { Upstream } from "./upstream.ts";

export interface Health {
  /** From now on these are asked, and nobody else. */
  watch(instances: readonly ProviderInstance[]): void;
  close(): void;
}

export interface HealthOptions {
  readonly upstream: Upstream;
  readonly replicas: Pick<Replicas, "probed">;
  readonly log: Pick<Log, "info" | "warn">;
  readonly everyMs?: number | undefined;
  /** From 0 to 1: gateways that were started together are not to ask together. */
  readonly random: () => number;
  /** Rejects when the signal aborts; keeps no process alive. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Nobody new will be called: nobody has to be asked any more. */
  readonly isDraining: () => boolean;
}

const EVERY_MS = 5_000;
const JITTER = 0.2;
/** In a row, and one is down: a busy server may be too late for one probe, and to take it out throws its share on the others. */
const MISSES = 2;
/** A server that cannot say in this time that it is well would not begin an answer in good time, either. */
const DEADLINES = { connectMs: 2_000, headMs: 2_000, idleMs: 2_000, totalMs: 2_000 };

export function createHealth(options: HealthOptions): Health {
  let stop = new AbortController();
  return {
    watch(instances) {
      stop.abort();
      stop = new AbortController();
      for (const instance of instances) {
        const baseUrls = [...new Set(instance.settings.baseUrls)];
        const { healthPath } = instance.provider;
        if (healthPath === undefined || baseUrls.length < 2) continue;
        for (const baseUrl of baseUrls) void keepAsking({ instance, baseUrl, healthPath }, options, stop.signal);
      }
    },
    close: () => stop.abort(),
  };
}

interface Probed {
  readonly instance: ProviderInstance;
  readonly baseUrl: string;
  readonly healthPath: string;
}

/** One probe after the other, so that never two are on their way to one replica. Never rejects. */
async function keepAsking(probed: Probed, options: HealthOptions, signal: AbortSignal): Promise<void> {
  const { replicas, log, random, everyMs = EVERY_MS } = options;
  const { instance, baseUrl } = probed;
  let wasWell = true;
  let misses = 0;
  for (;;) {
    try {
      await options.sleep(Math.round(everyMs * (1 - JITTER + 2 * JITTER * random())), signal);
    } catch {
      return;
    }
    if (options.isDraining()) return;
    misses = (await ask(probed, options.upstream, signal)) ? 0 : misses + 1;
    if (signal.aborted) return;
    const isWell = misses < MISSES;
    replicas.probed(instance, baseUrl, isWell);
    if (isWell === wasWell) continue;
    wasWell = isWell;
    const fields = { provider: instance.name, replica: new URL(baseUrl).host };
    if (isWell) log.info("replica-up", fields);
    else log.warn("replica-down", fields);
  }
}

/**
 * Whether it answers. Anything but an error of the server's will do: where a proxy hides the path (404, 401), somebody is there, and
 * the calls themselves have to tell.
 */
async function ask(
  { instance, baseUrl, healthPath }: Probed,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const { provider, settings } = instance;
    const answer = await upstream.send({
      url: new URL(baseUrl + healthPath),
      headers: provider.headers(new Headers(), settings),
      body: undefined,
      deadlines: DEADLINES,
      signal,
    });
    drop(answer.body);
    return answer.status < 500 || answer.status === NOT_IMPLEMENTED;
  } catch {
    return false;
  }
}

const NOT_IMPLEMENTED = 501;
const BODY_BYTES_MAX = 4_096;

/** Read to its end, so that the connection can be used again; a long one is cut. */
function drop(body: Awaited<ReturnType<Upstream["send"]>>["body"]): void {
  let bytes = 0;
  body.read({
    data(chunk) {
      bytes += chunk.length;
      if (bytes > BODY_BYTES_MAX) body.abort();
    },
    end() {},
    error() {},
  });
}
