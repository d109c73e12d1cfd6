/**
 * Anthropic's cache: entries stand at marks only; a mark looks back over 20 places for one; the prompt is billed by three positions
 * (read up to the hit, written for an hour up to the last hour mark, for five minutes up to the last mark, at base price after it).
 */
import { digest } from "../tokens.ts";
import type { Block, Prompt } from "../prompt.ts";
import { BoundedMap, type CachePlan } from "./cache.ts";

interface Entry {
  readonly ttlMs: number;
  expiresAtMs: number;
  /** The entry that was read when this one was written: what is paid for five minutes does not live for an hour behind it. */
  readonly parent: Entry | undefined;
}

export interface AnthropicAsk {
  /** Workspace and model: entries are never shared across them. */
  readonly scope: string;
  readonly prompt: Prompt;
  /** What a change of loses the system and message levels (speed, output format, web search, citations). */
  readonly systemState: string;
  /** What a change of loses the message level (tool choice, thinking, effort, whether there are images). */
  readonly messageState: string;
  readonly minTokens: number;
  readonly lookback: number;
  readonly nowMs: number;
}

const HOUR_SECONDS = 3600;
/** Entries kept over all workspaces. */
const ENTRIES_MAX = 100_000;

export class AnthropicMarks {
  readonly #entries = new BoundedMap<Entry>(ENTRIES_MAX);

  plan(ask: AnthropicAsk): CachePlan {
    const places = placesOf(ask);
    const marks = places.flatMap((place, index) => (place.markSeconds === undefined ? [] : [{ ...place, index }]));
    const hit = this.#deepestHit(places, marks, ask);
    const readTokens = hit?.tokens ?? 0;
    const usable = marks.filter((mark) => mark.tokens >= ask.minTokens && mark.tokens > readTokens);
    const hourTokens = usable.findLast((mark) => mark.markSeconds === HOUR_SECONDS)?.tokens ?? readTokens;
    const lastTokens = usable.at(-1)?.tokens ?? readTokens;

    return {
      bill: {
        uncached: ask.prompt.tokens - lastTokens,
        read: readTokens,
        write1h: hourTokens - readTokens,
        write5m: lastTokens - hourTokens,
        writeOther: 0,
      },
      commit: () => {
        // A read prolongs what it read, and what stands marked before it; both from the start of this request.
        if (hit !== undefined) refresh(hit.entry, ask.nowMs);
        for (const mark of marks) {
          const entry = mark.tokens <= readTokens ? this.#entries.get(mark.hash) : undefined;
          if (entry !== undefined && isAlive(entry, ask.nowMs)) refresh(entry, ask.nowMs);
        }
        let parent = hit?.entry;
        for (const mark of usable) {
          const ttlMs = (mark.markSeconds ?? 300) * 1000;
          const entry: Entry = { ttlMs, expiresAtMs: ask.nowMs + ttlMs, parent };
          this.#entries.set(mark.hash, entry);
          parent = entry;
        }
      },
    };
  }

  clear(): void {
    this.#entries.clear();
  }

  #deepestHit(
    places: readonly Place[],
    marks: readonly (Place & { readonly index: number })[],
    ask: AnthropicAsk,
  ): Hit | undefined {
    let best: Hit | undefined;
    for (const mark of marks) {
      const oldest = mark.run - ask.lookback + 1;
      for (let index = mark.index; index >= 0; index--) {
        const place = places[index];
        if (place === undefined || place.run < oldest) break;
        if (best !== undefined && place.tokens <= best.tokens) break;
        const entry = this.#entries.get(place.hash);
        if (entry === undefined || !isAlive(entry, ask.nowMs)) continue;
        best = { tokens: place.tokens, entry };
        break;
      }
    }
    return best;
  }
}

interface Hit {
  readonly tokens: number;
  readonly entry: Entry;
}

/** The end of a block: the prefix up to it. */
interface Place {
  readonly hash: string;
  readonly tokens: number;
  /** Number of the place in look-back counting: a run of tool calls or results is one. */
  readonly run: number;
  readonly markSeconds: number | undefined;
}

function placesOf(ask: AnthropicAsk): Place[] {
  let hash = digest("anthropic", ask.scope);
  let tokens = 0;
  let run = -1;
  let level: Block["level"] = "tools";
  let previousWasTraffic = false;
  return ask.prompt.blocks.map((block) => {
    if (level === "tools" && block.level !== "tools") hash = digest(hash, ask.systemState);
    if (level !== "messages" && block.level === "messages") hash = digest(hash, ask.messageState);
    level = block.level;
    hash = digest(hash, block.level, block.identity);
    tokens += block.tokens.length;
    const traffic = block.toolTraffic === true;
    if (!(traffic && previousWasTraffic)) run += 1;
    previousWasTraffic = traffic;
    return { hash, tokens, run, markSeconds: block.markSeconds };
  });
}

function isAlive(entry: Entry, nowMs: number): boolean {
  for (let one: Entry | undefined = entry; one !== undefined; one = one.parent)
    if (one.expiresAtMs <= nowMs) return false;
  return true;
}

function refresh(entry: Entry, nowMs: number): void {
  for (let one: Entry | undefined = entry; one !== undefined; one = one.parent) {
    one.expiresAtMs = Math.max(one.expiresAtMs, nowMs + one.ttlMs);
  }
}
