/**
 * The routing key of a provider that caches by machine: requests with one key meet on one machine, up to a rate; what is beyond it
 * spills to a machine that is cold. So the key names how a prompt opens, which is what those that share anything share, and one of as
 * many *shards* as its rate needs: each conversation keeps its own, and begins where its static prefix was sent last.
 *
 * It names no more of a prompt than its opening: with a longer part, a date at its end or a border that is found later would make it
 * another key, under which everything is cold.
 */
import { hash } from "node:crypto";
import { BoundedMap } from "./bounded-map.ts";
import { KeyLoads, PER_MINUTE_MAX } from "./key-loads.ts";

export interface CacheKeyAsk {
  /** The name of what it is sent to: each has machines of its own. */
  readonly target: string;
  /** Whose prompt it is: keys of two tenants never meet. */
  readonly tenant: string;
  /** How the prompt begins. */
  readonly opening: string;
  /** A hash of tools and system text; `undefined`: there are none. */
  readonly staticPrefix: string | undefined;
  /** The client's name for the conversation, or a hash of its first user message. */
  readonly conversation: string;
  /** The shard to which what it begins with was written on purpose; absent: it was not. */
  readonly writtenShard?: number | undefined;
}

export interface CacheKeys {
  /** Changes nothing. */
  choose(ask: CacheKeyAsk, nowMs: number): ChosenKey;
  /** Whether the conversation was sent with a key before. */
  isKnown(chosen: ChosenKey): boolean;
  /** A request leaves with it: call it once for each. */
  sent(chosen: ChosenKey, nowMs: number): void;
}

export interface ChosenKey {
  /** At most 64 characters. */
  readonly key: string;
  readonly shard: number;
  /** The names of what is remembered: the opening, the conversation, what else begins like it, the shard's requests. */
  readonly whole: string;
  readonly own: string;
  readonly like: string;
  readonly load: string;
}

/** Conversations and static prefixes whose shard is known; about 150 bytes each. Those known first are forgotten first. */
const HOMES_MAX = 50_000;
/** How much one request moves the share of those that go on with a conversation. */
const RETURNS_STEP = 0.02;
/** Newcomers have room for so much in any case. */
const NEWCOMERS_SHARE_MIN = 0.2;
/** Shards of one opening. Beyond, all of them bear more than is good for them. */
const SHARDS_MAX = 128;

export function createCacheKeys(loads: KeyLoads = new KeyLoads(), homesMax: number = HOMES_MAX): CacheKeys {
  const homes = new BoundedMap<number>(homesMax);
  /** By opening. */
  const returns = new BoundedMap<number>(homesMax);
  return {
    choose({ target, tenant, opening, staticPrefix, conversation, writtenShard }, nowMs) {
      const whole = digestOf(target, tenant, opening);
      const like = staticPrefix === undefined ? whole : `${whole} ${staticPrefix}`;
      const own = `${like} ${digestOf(conversation)}`;
      const loadOf = (shard: number) => `${whole} ${shard}`;
      // What newcomers do not take is left to the conversations that a key has: one that has to move is cold once.
      const newcomersShare = Math.max(NEWCOMERS_SHARE_MIN, 1 - (returns.get(whole) ?? 0));
      const home = homes.get(own) ?? writtenShard;
      const shard = shardFor(home, homes.get(like), newcomersShare * PER_MINUTE_MAX, (one) =>
        loads.count(loadOf(one), nowMs),
      );
      return { key: digestOf(whole, String(shard)), shard, whole, own, like, load: loadOf(shard) };
    },
    isKnown: ({ own }) => homes.has(own),
    sent({ shard, load, whole, own, like }, nowMs) {
      const before = returns.get(whole) ?? 0;
      returns.set(whole, before + RETURNS_STEP * ((homes.get(own) === undefined ? 0 : 1) - before));
      loads.add(load, nowMs);
      homes.set(own, shard);
      homes.set(like, shard);
    },
  };
}

/** Its own; else where its like are; else the first with room. */
function shardFor(
  own: number | undefined,
  like: number | undefined,
  newcomersMax: number,
  countAt: (shard: number) => number,
): number {
  if (own !== undefined && countAt(own) < PER_MINUTE_MAX) return own;
  // As long as one key bears them all, they all have it.
  if (countAt(0) < PER_MINUTE_MAX && countAt(1) === 0) return 0;
  if (like !== undefined && countAt(like) < newcomersMax) return like;
  let least = 0;
  let leastCount = Number.POSITIVE_INFINITY;
  for (let shard = 0; shard < SHARDS_MAX; shard += 1) {
    const count = countAt(shard);
    if (count < newcomersMax) return shard;
    if (count >= leastCount) continue;
    leastCount = count;
    least = shard;
  }
  return least;
}

function digestOf(...parts: readonly string[]): string {
  return hash("sha256", JSON.stringify(parts), "base64url").slice(0, 32);
}
