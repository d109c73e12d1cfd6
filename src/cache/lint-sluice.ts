/** What Sluice itself does for a request's cache, as far as its body and the config tell: the same rules by which calls are placed. */
import type { ChatRequest } from "../chat.ts";
import type { CacheContract } from "../model.ts";
import { isMarked } from "./marking.ts";
import type { CachingMode } from "./modes.ts";
import { leansOnKey } from "./routes.ts";

export interface Handling {
  readonly mode: CachingMode;
  /** Whether the model is spoken to in another dialect than the request's; `undefined`: it is not known who serves it. */
  readonly isTranslated: boolean | undefined;
  /** Whether the system text says by a line of its own where its static part ends. */
  readonly isAskedFor: boolean;
  /** Whether each tenant has keys of its own, as several share an account. */
  readonly isIsolated: boolean;
}

/** Whether marks of ours are set; `undefined`: it depends on who serves the model. */
export function setsMarks({ mode, isTranslated, isAskedFor }: Handling, request: ChatRequest): boolean | undefined {
  if (mode === "off") return false;
  if (mode === "improve") return true;
  if (isMarked(request)) return false;
  return isAskedFor || isTranslated;
}

/** Whether a key of ours is sent where the request has none. */
export function sendsKey(handling: Handling, cache: CacheContract): boolean | undefined {
  const { mode, isTranslated, isAskedFor, isIsolated } = handling;
  if (isIsolated && (mode !== "off" || cache.kind !== "keyed")) return true;
  if (mode === "off") return false;
  return mode === "improve" || (isAskedFor && leansOnKey(cache)) || isTranslated;
}

/** What it does about a mark that is missing, in words. */
export function marksText(handling: Handling, request: ChatRequest): string {
  const { mode, isTranslated, isAskedFor } = handling;
  const does = setsMarks(handling, request);
  const marks = "Sluice marks what is worth it";
  if (does === true && mode === "respect" && isTranslated !== true && isAskedFor)
    return `${marks}, as the boundary line asks for it`;
  const rule = "beside a boundary line, or with `cache: { mode: improve }`";
  return handledText(handling, does, marks, rule);
}

/** What it does about a key that is missing, in words. */
export function keyText(handling: Handling, cache: CacheContract): string {
  const { mode, isTranslated, isAskedFor, isIsolated } = handling;
  const does = sendsKey(handling, cache);
  const isOwn = does === true && mode !== "improve" && isTranslated !== true;
  if (isOwn && isIsolated) return "Sluice sends one, as several tenants share the account";
  if (isOwn && isAskedFor) return "Sluice sends one, as the boundary line asks for it";
  const beside = leansOnKey(cache) ? "beside a boundary line, or " : "";
  return handledText(handling, does, "Sluice sends one", `${beside}with \`cache: { mode: improve }\``);
}

function handledText(
  { mode, isTranslated }: Handling,
  does: boolean | undefined,
  doing: string,
  otherwise: string,
): string {
  if (does === true) {
    const isImproved = mode === "improve";
    return isImproved
      ? `${doing}: \`cache.mode\` is \`improve\``
      : `${doing} where it translates the request, as for this model`;
  }
  if (mode === "off") return "Sluice does nothing about it: `cache.mode` is `off`";
  if (isTranslated === undefined) return `${doing} where it translates the request, and elsewhere only ${otherwise}`;
  if (isTranslated) return `${doing} only ${otherwise}: in \`respect\` what the client says of caching stays`;
  return `${doing} only ${otherwise}: in \`respect\` it sends what the client says in the provider's own dialect`;
}
