/**
 * The routing key of a provider that caches by machine: requests with one key meet on one machine, up to a rate; what is beyond it
 * spills to a machine that is cold. So the static prefix is the key while it is used seldom enough, and where it is not, each
 * conversation has its own.
 */
import { hash } from "node:crypto";
import { BoundedMap } from "./bounded-map.ts";

export interface CacheKeyAsk {
  /** Whose prompt it is: keys of two tenants never meet. */
  readonly tenant: string;
  /** A hash of tools and system text; `undefined`: there are none. */
  readonly staticPrefix: string | undefined;
  /** The client's name for the conversation, or a hash of its first user message. */
  readonly conversation: string;
}

export interface CacheKeys {
  /** At most 64 characters. Counts the request: call it once for each. */
  keyFor(ask: CacheKeyAsk, nowMs: number): string;
}

/** Requests a minute that one key bears. */
const PER_MINUTE_MAX = 15;
/** A prefix goes back to one key only well below that: each change makes its conversations cold once. */
const PER_MINUTE_CALM = PER_MINUTE_MAX / 2;
/** Prefixes whose rate is known; about 150 bytes each. */
const PREFIXES_MAX = 10_000;

interface Rate {
  minute: number;
  /** In this minute, and in the one before. */
  count: number;
  before: number;
  isBusy: boolean;
}

export function createCacheKeys(prefixesMax: number = PREFIXES_MAX): CacheKeys {
  const rates = new BoundedMap<Rate>(prefixesMax);
  return {
    keyFor({ tenant, staticPrefix, conversation }, nowMs) {
      if (staticPrefix === undefined) return keyOf(tenant, "", conversation);
      const whole = keyOf(tenant, staticPrefix, "");
      let rate = rates.get(whole);
      if (rate === undefined) {
        rate = { minute: 0, count: 0, before: 0, isBusy: false };
        rates.set(whole, rate);
      }
      return countRequest(rate, nowMs) ? keyOf(tenant, staticPrefix, conversation) : whole;
    },
  };
}

/** @returns Whether there are too many for one key. */
function countRequest(rate: Rate, nowMs: number): boolean {
  const minute = Math.floor(nowMs / 60_000);
  if (minute > rate.minute) {
    rate.before = minute === rate.minute + 1 ? rate.count : 0;
    rate.count = 0;
    rate.minute = minute;
  }
  rate.count += 1;
  const perMinute = rate.count + rate.before * (1 - (nowMs % 60_000) / 60_000);
  if (perMinute > PER_MINUTE_MAX) rate.isBusy = true;
  else if (perMinute < PER_MINUTE_CALM) rate.isBusy = false;
  return rate.isBusy;
}

function keyOf(tenant: string, staticPrefix: string, conversation: string): string {
  return hash("sha256", JSON.stringify([tenant, staticPrefix, conversation]), "base64url").slice(0, 32);
}
