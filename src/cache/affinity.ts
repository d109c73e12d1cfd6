/**
 * Which replica of a self-hosted provider a prompt goes to: the one where reading it is worth least and waits shortest,
 * `argmin(4 × uncached + backlog)`. Uncached tokens are known by a mirror of each replica's own cache, the backlog is the uncached
 * tokens of calls whose first event has not come. Measured (2 to 4 is flat): with one uncached token for one of backlog, hits are given
 * away; with eight, balance.
 *
 * A mirror is right as long as all calls come through here and its size is known. Where an answer says that less was read from cache
 * than was believed, everything that had not been used for as long is forgotten with it; a size that is only assumed is assumed too
 * large, as that costs little and the opposite much. How busy a replica is with generating, and what others send it, is not seen until
 * its prompts wait longer.
 */
import type { ProviderInstance } from "../target.ts";
import { promptTokens, type Usage } from "../usage.ts";
import type { Prefixes } from "./prefixes.ts";
import { ReplicaMirror, type Held, type SaltedPrompt } from "./replica-mirror.ts";

/** What an uncached token weighs beside one that waits. */
const ALPHA = 4;

export interface RoutedCall {
  readonly instance: ProviderInstance;
  readonly model: string;
  readonly prefixes: Pick<Prefixes, "hashes" | "tokens" | "promptTokens">;
}

/** How a call ended. */
export interface RoutedEnd {
  readonly outcome: string;
  readonly usage: Usage;
  readonly usageBasis: string;
}

/**
 * Of each call it is told in this order: `sent`, `began` with its first event, `ended` whichever way it ends. Health is the caller's:
 * only what is offered is chosen.
 */
export interface PrefixAffinity {
  /** @param up In the config's order. @returns an index of `up`; `undefined`: this provider's replicas take turns. */
  prefer(call: RoutedCall, up: readonly string[]): number | undefined;
  sent(call: RoutedCall, baseUrl: string): void;
  began(call: RoutedCall, baseUrl: string): void;
  ended(call: RoutedCall, baseUrl: string, end: RoutedEnd): void;
  /** The server itself says how many tokens its cache holds. What is configured comes before it. */
  sized(instance: ProviderInstance, baseUrl: string, cacheTokens: number): void;
  /** The server has begun anew: its cache is empty. */
  restarted(instance: ProviderInstance, baseUrl: string): void;
}

/**
 * @example
 * const affinity = createAffinity();
 * const index = affinity.prefer(call, ["http://gpu-1:8000/v1", "http://gpu-2:8000/v1"]);
 */
export function createAffinity(): PrefixAffinity {
  const fleets = new WeakMap<ProviderInstance, Fleet | undefined>();
  /** The latest of each name: a reload makes a new instance, whose servers hold what they held. */
  const latest = new Map<string, Fleet>();
  const flights = new WeakMap<RoutedCall, Flight>();
  const fleetOf = (instance: ProviderInstance): Fleet | undefined => {
    if (fleets.has(instance)) return fleets.get(instance);
    const fleet = fleetFor(instance, latest.get(instance.name));
    fleets.set(instance, fleet);
    if (fleet !== undefined) latest.set(instance.name, fleet);
    return fleet;
  };
  return {
    prefer: (call, up) => fleetOf(call.instance)?.choose(call, up),
    sent(call, baseUrl) {
      const replica = fleetOf(call.instance)?.replica(baseUrl);
      if (replica !== undefined) flights.set(call, replica.sent(call));
    },
    began(call) {
      const flight = flights.get(call);
      if (flight !== undefined) flight.replica.began(flight);
    },
    ended(call, _baseUrl, end) {
      const flight = flights.get(call);
      if (flight === undefined) return;
      flights.delete(call);
      flight.replica.ended(flight, end);
    },
    sized(instance, baseUrl, cacheTokens) {
      const replica = fleetOf(instance)?.replica(baseUrl);
      if (replica === undefined) return;
      replica.saidTokens = cacheTokens;
      if (instance.settings.cacheTokens === undefined) replica.mirror.capacityTokens = cacheTokens;
    },
    restarted: (instance, baseUrl) => fleetOf(instance)?.replica(baseUrl)?.restarted(),
  };
}

/** `undefined`: its replicas hold nothing of their own, or are to take turns. */
function fleetFor({ provider, settings }: ProviderInstance, former: Fleet | undefined): Fleet | undefined {
  const { baseUrls, weights = [], affinity } = settings;
  const assumedTokens = settings.cacheTokens ?? provider.replicaCacheTokens;
  if (assumedTokens === undefined || affinity === "turns" || baseUrls.length < 2) return undefined;
  const replicas = new Map<string, Replica>();
  for (const [index, baseUrl] of baseUrls.entries()) {
    const replica = former?.replica(baseUrl) ?? new Replica(assumedTokens);
    replica.mirror.capacityTokens = settings.cacheTokens ?? replica.saidTokens ?? assumedTokens;
    replica.weight = weights[index] ?? 1;
    replicas.set(baseUrl, replica);
  }
  return new Fleet(replicas);
}

class Fleet {
  readonly #replicas: ReadonlyMap<string, Replica>;

  constructor(replicas: ReadonlyMap<string, Replica>) {
    this.#replicas = replicas;
  }

  replica(baseUrl: string): Replica | undefined {
    return this.#replicas.get(baseUrl);
  }

  /**
   * What is warm is worth the same everywhere; what waits is done sooner where the weight is higher. Equals take turns by their
   * weights, or the first one would do all the work of quiet times.
   */
  choose(call: RoutedCall, up: readonly string[]): number | undefined {
    const prompt = saltedPrompt(call);
    let least = Number.POSITIVE_INFINITY;
    let equals: { readonly index: number; readonly replica: Replica }[] = [];
    for (const [index, baseUrl] of up.entries()) {
      const replica = this.#replicas.get(baseUrl);
      if (replica === undefined) continue;
      const uncached = prompt.promptTokens - replica.mirror.match(prompt);
      const cost = ALPHA * uncached + replica.backlogTokens / replica.weight;
      if (cost > least) continue;
      if (cost < least) equals = [];
      least = cost;
      equals.push({ index, replica });
    }
    let weights = 0;
    let chosen = equals[0];
    for (const equal of equals) {
      const { replica } = equal;
      replica.credit += replica.weight;
      weights += replica.weight;
      if (chosen === undefined || replica.credit > chosen.replica.credit) chosen = equal;
    }
    if (chosen !== undefined) chosen.replica.credit -= weights;
    return chosen?.index;
  }
}

/** One call at one replica. */
interface Flight {
  readonly replica: Replica;
  readonly prompt: SaltedPrompt;
  readonly uncachedTokens: number;
  /** What was believed to be held when it was sent. */
  readonly held: Held;
  /** The replica's time before it and with it. */
  readonly stampBefore: number;
  readonly stamp: number;
  /** What was used at this time or later may not have been read yet; `undefined`: nobody waited. */
  readonly unansweredSince: number | undefined;
}

/** Counts differ, as each model's tokenizer is its own: less than so much of what was believed is a difference that says something. */
const FOUND_SHARE = 0.75;
/** Blocks that are not full, a template's words. */
const SLACK_TOKENS = 64;
/** How much of what was proven a contradiction takes back. */
const DOUBT = 1 / 8;

class Replica {
  readonly mirror: ReplicaMirror;
  weight = 1;
  /** Smooth weighted round robin among equals. */
  credit = 0;
  /** By the server itself. */
  saidTokens: number | undefined;
  /** Calls without a first event, in the order of their sending. */
  readonly #waiting = new Set<Flight>();
  #waitingTokens = 0;
  /** What was used no longer ago than so many tokens was found to be held. */
  #provenTokens = 0;

  constructor(cacheTokens: number) {
    this.mirror = new ReplicaMirror(cacheTokens);
  }

  sent(call: RoutedCall): Flight {
    const prompt = saltedPrompt(call);
    const stampBefore = this.mirror.stamp;
    const held = this.mirror.use(prompt);
    const flight: Flight = {
      replica: this,
      prompt,
      uncachedTokens: Math.max(0, prompt.promptTokens - held.tokens),
      held,
      stampBefore,
      stamp: this.mirror.stamp,
      unansweredSince: this.#waiting.values().next().value?.stamp,
    };
    this.#waitingTokens += flight.uncachedTokens;
    this.#waiting.add(flight);
    return flight;
  }

  /** Of the first of those that wait, half has been read on average. Counted in full, backlog would outweigh what is cached. */
  get backlogTokens(): number {
    return this.#waitingTokens - (this.#waiting.values().next().value?.uncachedTokens ?? 0) / 2;
  }

  began(flight: Flight): void {
    if (this.#waiting.delete(flight)) this.#waitingTokens -= flight.uncachedTokens;
  }

  ended(flight: Flight, { outcome, usage, usageBasis }: RoutedEnd): void {
    const wasAnswered = !this.#waiting.has(flight);
    this.began(flight);
    if (!wasAnswered && outcome === "failed") {
      this.mirror.forgetRead(flight.prompt, flight.held.stamps.length, flight.stamp);
      return;
    }
    const prompt = promptTokens(usage);
    if (usageBasis !== "reported" || usage.cacheRead === undefined || prompt === undefined || prompt === 0) return;
    this.#correct(flight, usage.cacheRead, prompt / Math.max(1, flight.prompt.promptTokens));
  }

  restarted(): void {
    this.mirror.clear();
  }

  /**
   * What was used later than something that is still there is there too, and what was used before something that has gone has gone
   * too. The first is remembered: a prompt may miss what was believed because the model's template writes its earlier turns in another
   * way by now, and that is no sign of forgetting.
   */
  #correct(flight: Flight, cacheRead: number, scale: number): void {
    const { held, prompt, stampBefore } = flight;
    let missing = -1;
    let present = -1;
    for (let place = 0; place < held.stamps.length && missing === -1; place += 1) {
      const tokens = Math.min(prompt.tokens[place] as number, held.tokens) * scale;
      if (tokens * FOUND_SHARE - SLACK_TOKENS > cacheRead) missing = place;
      else if (tokens <= cacheRead) present = place;
    }
    const ageAt = (place: number) => (stampBefore - (held.stamps[place] as number)) >>> 0;
    if (present !== -1) this.#provenTokens = Math.max(this.#provenTokens, ageAt(present));
    if (missing === -1) return;
    const age = ageAt(missing);
    // Sent while another call's prompt waited: it may not have been read by then.
    if (flight.unansweredSince !== undefined && age <= (stampBefore - flight.unansweredSince) >>> 0) return;
    if (age > this.#provenTokens) this.mirror.forgetUntil(held.stamps[missing] as number);
    else this.#provenTokens -= DOUBT * (this.#provenTokens - age);
  }
}

/** Models have nothing in common, whatever their prompts have. FNV-1a, once for a call. */
function saltedPrompt({ model, prefixes }: RoutedCall): SaltedPrompt {
  let salt = 0x811c9dc5;
  for (let place = 0; place < model.length; place += 1) salt = Math.imul(salt ^ model.charCodeAt(place), 0x01000193);
  const { hashes, tokens, promptTokens: prompt } = prefixes;
  return { hashes, tokens, promptTokens: Math.max(prompt, tokens.at(-1) ?? 0), salt };
}
