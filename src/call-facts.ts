/** What of a call, besides its body, its provider is asked by. */
import { hash } from "node:crypto";
import type { Caller } from "./exchange.ts";
import type { CallFacts } from "./provider.ts";

/**
 * @param contextTokens The window to ask for, where calls say one.
 * @param previousAnswer The answer to compare the prompt's cache with, or `null`, where it is to be asked for.
 */
export function callFacts({ keySha256 }: Caller, contextTokens?: number, previousAnswer?: string | null): CallFacts {
  return { cacheSalt: keySha256 === undefined ? undefined : saltOf(keySha256), contextTokens, previousAnswer };
}

/**
 * A key's own, and the same after a restart. From the hash of the key, which no other tenant knows, and not from its name, which
 * they may: who could make up a tenant's salt could ask, by the time it takes, what that tenant has sent. With another purpose in front
 * of it, so that the server which is told the salt does not learn the hash that the gateway tells the key by.
 */
function saltOf(keySha256: string): string {
  return hash("sha256", `sluice cache salt\u0000${keySha256}`, "base64url");
}
