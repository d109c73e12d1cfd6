/**
 * How large a window each call asks for, at servers that load a model with the window of the call: large enough for the request, and
 * the same from call to call, as another one loads the model anew and drops its cache.
 *
 * The window only grows, by powers of two, so that a conversation of any length meets few reloads. It begins anew when nobody has asked
 * for the model for so long that the server has certainly let it go.
 *
 * A client that says its own window gets it, and no other call does by that: who asks for a million tokens would make every tenant's
 * model that large. Other calls go along with it only where it fits them and is no larger than what they would have asked for.
 */
import type { ChatRequest, JsonObject } from "./chat.ts";
import type { Candidate } from "./target.ts";

export interface WindowedCall {
  readonly request: ChatRequest;
  readonly candidate: Pick<Candidate, "target" | "promptTokens">;
  /** What is sent in the client's own words; `{}` when it is written by us. */
  readonly body: JsonObject;
}

/** The window of one call. */
export interface CallWindow {
  readonly tokens: number;
  /** The server answered: it has loaded the model with it. */
  loaded(): void;
  /** The server could not load the model with it: the next call asks for the one before, or begins anew. */
  failed(): void;
  /** The server counted more tokens than we did: the next call asks for more. */
  overflowed(): void;
}

export interface Windows {
  /** @returns `undefined` where the window is the server's to choose. */
  ask(call: WindowedCall, nowMs: number): CallWindow | undefined;
}

/** The smallest of the ladder: the default of small machines is half of it, and a tool list alone fills that. */
const TOKENS_MIN = 8_192;
/** The largest for a model whose own is not known: few take more, and a server that knows better takes the model's own. */
const TOKENS_MAX = 131_072;
/** Our estimate may be too low, and what the server puts around each message is not in it. */
const SAFETY = 1.25;
/** Room for an answer where no cap is given, and the most of one: caps of agents (32,000 and more) say nothing about its length. */
const OUTPUT_TOKENS = 2_048;
const OUTPUT_TOKENS_MAX = 8_192;
/** Servers let an idle model go after five minutes, unless they are told otherwise. */
const IDLE_MS = 3_600_000;
const MODELS_MAX = 1_000;

export function createWindows(): Windows {
  /** What is asked for where the request does not say, by target. */
  const ladder = createMemory();
  /** What the server has loaded as far as we know, whoever asked for it. */
  const loaded = createMemory();

  const grow = (name: string, tokens: number, most: number, nowMs: number): void => {
    loaded.delete(name);
    ladder.set(name, Math.max(ladder.get(name, nowMs) ?? 0, stepFor(tokens + 1, most)), nowMs);
  };
  const own = (name: string, tokens: number, nowMs: number): CallWindow => ({
    ...fixed(tokens),
    // What is no count the server refuses, or takes for another one.
    loaded: () => (Number.isSafeInteger(tokens) ? loaded.set(name, tokens, nowMs) : loaded.delete(name)),
    failed: () => loaded.delete(name),
  });
  const auto = (name: string, tokens: number, most: number, nowMs: number): CallWindow => {
    const previous = ladder.get(name, nowMs);
    ladder.set(name, tokens, nowMs);
    return {
      tokens,
      loaded: () => loaded.set(name, tokens, nowMs),
      failed() {
        loaded.delete(name);
        // Another call may have asked for another one meanwhile.
        if (ladder.get(name, nowMs) !== tokens) return;
        // One that was loaded before and cannot be any more is too large by now.
        if (previous === undefined || previous === tokens) ladder.delete(name);
        else ladder.set(name, previous, nowMs);
      },
      overflowed: () => grow(name, tokens, most, nowMs),
    };
  };
  /** With what is loaded: the ladder stays where it is. */
  const along = (name: string, tokens: number, most: number, nowMs: number): CallWindow => ({
    tokens,
    loaded: () => loaded.set(name, tokens, nowMs),
    failed: () => loaded.delete(name),
    overflowed: () => grow(name, tokens, most, nowMs),
  });

  return {
    ask({ request, candidate, body }, nowMs) {
      const { name, instance, model, record } = candidate.target;
      const { provider, settings } = instance;
      // What is not a conversation has the window that its model was made with.
      if (request.embedding !== undefined || provider.sizesWindow?.(model, record) !== true) return undefined;
      const said = provider.windowOf?.(body);
      if (said !== undefined) return own(name, said, nowMs);
      const wanted = settings.contextTokens ?? "auto";
      if (wanted === "off") return undefined;
      if (wanted !== "auto") return fixed(Math.min(wanted, record?.contextTokens ?? wanted));
      const most = record?.contextTokens ?? TOKENS_MAX;
      const needed = tokensNeeded(request, candidate);
      const step = Math.min(most, Math.max(ladder.get(name, nowMs) ?? 0, stepFor(needed, most)));
      const there = loaded.get(name, nowMs);
      return there !== undefined && needed <= there && there < step
        ? along(name, there, most, nowMs)
        : auto(name, step, most, nowMs);
    },
  };
}

interface Memory {
  /** @returns `undefined` for what was said too long ago, too. */
  get(name: string, nowMs: number): number | undefined;
  set(name: string, tokens: number, nowMs: number): void;
  delete(name: string): void;
}

/** By target, and no more than so many of them: the one that was asked for longest ago goes first. */
function createMemory(): Memory {
  const known = new Map<string, { readonly tokens: number; readonly atMs: number }>();
  return {
    get(name, nowMs) {
      const last = known.get(name);
      return last === undefined || nowMs - last.atMs > IDLE_MS ? undefined : last.tokens;
    },
    set(name, tokens, nowMs) {
      known.delete(name);
      known.set(name, { tokens, atMs: nowMs });
      const [oldest] = known.keys();
      if (known.size > MODELS_MAX && oldest !== undefined) known.delete(oldest);
    },
    delete: (name) => void known.delete(name),
  };
}

function tokensNeeded({ maxOutputTokens }: ChatRequest, { promptTokens }: Pick<Candidate, "promptTokens">): number {
  return Math.ceil(promptTokens * SAFETY) + Math.min(maxOutputTokens ?? OUTPUT_TOKENS, OUTPUT_TOKENS_MAX);
}

function stepFor(tokens: number, most: number): number {
  let step = TOKENS_MIN;
  while (step < tokens) step *= 2;
  return Math.min(step, most);
}

function fixed(tokens: number): CallWindow {
  return { tokens, loaded() {}, failed() {}, overflowed() {} };
}
