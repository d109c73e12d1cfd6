/**
 * How large a window each call asks for, at servers that load a model with the window of the call: large enough for the request, and
 * the same from call to call, as another one loads the model anew and drops its cache.
 *
 * The window only grows, by powers of two, so that a conversation of any length meets few reloads. It begins anew when nobody has asked
 * for the model for so long that the server has certainly let it go.
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
  /** The server could not load the model with it: the next call asks for the one before. */
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

interface Asked {
  readonly tokens: number;
  atMs: number;
}

export function createWindows(): Windows {
  /** By target; the one that was asked for longest ago first. */
  const asked = new Map<string, Asked>();

  const remember = (name: string, tokens: number, atMs: number): void => {
    asked.delete(name);
    asked.set(name, { tokens, atMs });
    for (const oldest of asked.keys()) {
      if (asked.size <= MODELS_MAX) break;
      asked.delete(oldest);
    }
  };
  const before = (name: string, nowMs: number): number | undefined => {
    const last = asked.get(name);
    return last === undefined || nowMs - last.atMs > IDLE_MS ? undefined : last.tokens;
  };
  const remembered = (name: string, tokens: number, most: number, nowMs: number): CallWindow => {
    const previous = before(name, nowMs);
    remember(name, tokens, nowMs);
    // Another call may have asked for another one meanwhile.
    const isCurrent = () => asked.get(name)?.tokens === tokens;
    return {
      tokens,
      failed() {
        if (!isCurrent() || previous === tokens) return;
        if (previous === undefined) asked.delete(name);
        else remember(name, previous, nowMs);
      },
      overflowed() {
        if (isCurrent() && tokens < most) remember(name, stepFor(tokens + 1, most), nowMs);
      },
    };
  };

  return {
    ask({ request, candidate, body }, nowMs) {
      const { name, instance, model, record } = candidate.target;
      const { provider, settings } = instance;
      // What is not a conversation (embeddings) has the window that its model was made with.
      if (request.onlyHere !== undefined || provider.sizesWindow?.(model, record) !== true) return undefined;
      const most = record?.contextTokens ?? TOKENS_MAX;
      const own = provider.windowOf?.(body);
      const wanted = settings.contextTokens ?? "auto";
      if (own !== undefined) return remembered(name, own, most, nowMs);
      if (wanted === "off") return undefined;
      if (wanted !== "auto") return fixed(Math.min(wanted, record?.contextTokens ?? wanted));
      const needed = tokensNeeded(request, candidate);
      const last = before(name, nowMs);
      const tokens = last !== undefined && (needed <= last || last >= most) ? last : stepFor(needed, most);
      return remembered(name, tokens, most, nowMs);
    },
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
  return { tokens, failed() {}, overflowed() {} };
}
