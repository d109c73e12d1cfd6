/**
 * What a request would read of a provider's cache if those before it had just been sent as they are, by the model's record: the marks and
 * keys that are in the bodies, and none of the gateway's. Lifetimes are not looked at, as bodies have no time.
 */
import type { ChatRequest, JsonObject } from "../chat.ts";
import type { CacheContract, ModelRecord } from "../model.ts";
import type { Prefixes } from "./prefixes.ts";
import { ENDS_ITSELF } from "./sent-marks.ts";
import { cacheSettings } from "./settings.ts";
import { commonPlaces } from "./span-places.ts";

export interface SentBody {
  readonly body: JsonObject;
  readonly request: ChatRequest;
  readonly prefixes: Prefixes;
  /** `undefined`: nothing is known of the model. */
  readonly record: ModelRecord | undefined;
}

export interface Read {
  /** The model's. */
  readonly tokens: number;
  /** Why it is nothing, or less than could be; `undefined`: it is all that both have in common. */
  readonly because: string | undefined;
  /** Whether the marks of both are too far apart. */
  readonly isTooFar?: true;
}

type MarkContract = Extract<CacheContract, { kind: "marks" }>;

/**
 * @param sharedTokens What it has in common with the earlier one, in the model's tokens.
 * @param isKeyed Whether both are sent with a key in any case.
 * @returns `undefined`: nothing is known of the model's cache.
 */
export function readOf(earlier: SentBody, now: SentBody, sharedTokens: number, isKeyed: boolean): Read | undefined {
  const { record } = now;
  if (record === undefined) return undefined;
  const { cache } = record;
  const nothing = (because: string): Read => ({ tokens: 0, because });
  if (cache.kind === "none") return nothing("the model has no prompt cache");
  if (earlier.request.model !== now.request.model) return nothing("it was written for another model");
  const key = now.request.promptCacheKey;
  if (isFoundByKey(cache) && key !== earlier.request.promptCacheKey) return nothing("it was sent with another key");
  if (cache.kind === "keyed" && key === undefined && !isKeyed) return nothing("there is no `prompt_cache_key`");
  const settings = differingSettings(earlier, now);
  const limit = settings?.from ?? Infinity;
  const same = Math.min(sharedTokens, modelTokens(now, limit));
  if (same < sharedTokens && same === 0) return nothing(`${settings?.names} is another one`);
  if (cache.kind === "marks") return markedRead(earlier, now, cache, limit, sharedTokens);
  const minTokens = cache.kind === "local" ? cache.stepTokens : cache.minTokens;
  const tokens = Math.floor(same / cache.stepTokens) * cache.stepTokens;
  if (tokens < minTokens) return nothing(`nothing under ${minTokens} tokens is cached`);
  return { tokens, because: same < sharedTokens ? `${settings?.names} is another one` : undefined };
}

export function isFoundByKey(cache: CacheContract): boolean {
  return cache.kind === "keyed" || endsItself(cache) || (cache.kind === "automatic" && cache.key);
}

function endsItself(cache: CacheContract): boolean {
  return cache.kind === "marks" && cache.style === ENDS_ITSELF;
}

/** Up to the deepest of the earlier one's marks that is in both, if one of this one's marks is near enough to look back to it. */
function markedRead(
  earlier: SentBody,
  now: SentBody,
  contract: MarkContract,
  limit: number,
  sharedTokens: number,
): Read {
  const { minTokens, lookback } = contract;
  if (sharedTokens < minTokens) return { tokens: 0, because: `nothing under ${minTokens} tokens is cached` };
  const common = Math.min(limit, commonPlaces(earlier.prefixes.hashes, now.prefixes.hashes));
  const from = markPlaces(now, contract);
  if (from.length === 0) return { tokens: 0, because: "it bears no mark, and this model reads at marks only" };
  const written = markPlaces(earlier, contract).filter(
    (place) => place < common && modelTokens(now, place + 1) >= minTokens,
  );
  if (written.length === 0) return { tokens: 0, because: "no mark of the earlier one stands in what both have" };
  const { blocks } = now.prefixes;
  const isFound = (place: number) =>
    from.some((mark) => mark >= place && (blocks[mark] ?? 0) - (blocks[place] ?? 0) < lookback);
  const found = written.filter(isFound);
  if (found.length === 0)
    return { tokens: 0, because: `its marks look back over ${lookback} blocks, and not so far`, isTooFar: true };
  return { tokens: modelTokens(now, Math.max(...found) + 1), because: undefined };
}

/** Where a request is marked as it stands, the mark included that some models set by themselves. Within a piece none is known. */
export function markPlaces({ body, request, prefixes }: SentBody, { style }: MarkContract): readonly number[] {
  const end = prefixes.spots.length - 1;
  const places = prefixes.marks.filter(({ isWithin }) => !isWithin).map(({ place }) => Math.min(place, end));
  const isEnded = style === ENDS_ITSELF ? !isMarksOnly(body) : request.cache !== undefined;
  return isEnded && end >= 0 ? [...places, end] : places;
}

/** Whether the client wants nothing cached but what it marks, of a model that would mark the end by itself. */
export function isMarksOnly(body: JsonObject): boolean {
  const options = body["prompt_cache_options"];
  return typeof options === "object" && options !== null && "mode" in options && options["mode"] === "explicit";
}

/** The model's tokens before a place. */
export function modelTokens({ prefixes, record }: SentBody, place: number): number {
  if (place === 0) return 0;
  const { tokens, promptTokens } = prefixes;
  return Math.ceil((place > tokens.length ? promptTokens : (tokens[place - 1] ?? 0)) * (record?.tokenRatio ?? 1));
}

export interface DifferingSettings {
  /** The place from which on nothing is read. */
  readonly from: number;
  /** As they are called in the model's record. */
  readonly names: string;
}

/** What is no text of the prompt and tells caches apart all the same; `undefined`: nothing differs. */
export function differingSettings(earlier: SentBody, now: SentBody): DifferingSettings | undefined {
  const words = ({ request, prefixes, record }: SentBody) =>
    new Map((cacheSettings(request, prefixes, record) ?? []).map(({ from, word }) => [from, word]));
  const [old, current] = [words(earlier), words(now)];
  const places = [...new Set([...old.keys(), ...current.keys()])].sort((one, other) => one - other);
  const from = places.find((place) => old.get(place) !== current.get(place));
  if (from === undefined) return undefined;
  const said = [settingsIn(old.get(from)), settingsIn(current.get(from))] as const;
  const names = [...new Set([...said[0].keys(), ...said[1].keys()])];
  return { from, names: names.filter((name) => said[0].get(name) !== said[1].get(name)).join(", ") };
}

/** `name="value";` by name. */
function settingsIn(word: string = ""): ReadonlyMap<string, string> {
  const found = word.matchAll(/([\w.]+)=("(?:[^"\\]|\\.)*");/g);
  return new Map([...found].map(([, name = "", value = ""]) => [name, value]));
}
