/** What of a call, besides its body, its provider is asked by. */
import type { Caller } from "./exchange.ts";
import type { CallFacts } from "./provider.ts";

export function callFacts(_caller: Caller): CallFacts {
  return { cacheSalt: undefined, contextTokens: undefined };
}
