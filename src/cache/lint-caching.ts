/**
 * What keeps one request from being written to its provider's cache, by the model's record: a prompt that is too short, no mark, no key,
 * marks that do not do what they say.
 */
import type { CacheContract } from "../model.ts";
import { note, warning, type LintFinding } from "./lint-findings.ts";
import { BELOW, marksIn, wrongMarks } from "./lint-marks.ts";
import { isFoundByKey, isMarksOnly, markPlaces, modelTokens, type SentBody } from "./lint-reads.ts";
import { keyText, marksText, sendsKey, setsMarks, type Handling } from "./lint-sluice.ts";
import { ENDS_ITSELF, type MarkContract } from "./sent-marks.ts";

/** @param staticTokens The model's, up to where the prompt is static. */
export function cachingFindings(sent: SentBody, handling: Handling, staticTokens: number): readonly LintFinding[] {
  const { body, prefixes, record } = sent;
  const onWire = marksIn(body);
  if (isKeptElsewhere(sent)) return [note("kept-elsewhere", "", KEPT, "nothing")];
  const cache = record?.cache;
  const contract = cache?.kind === "marks" ? cache : undefined;
  const whole = modelTokens(sent, prefixes.tokens.length + 1);
  const minTokens = cache === undefined || !("minTokens" in cache) ? 0 : cache.minTokens;
  const wrong = wrongMarks(sent, onWire, handling);
  if (whole < minTokens) {
    const says = `about ${whole} tokens; this model caches no prefix under ${minTokens}${onWire.length === 0 ? "" : ", marked or not"}`;
    // Where none is cached, none of its marks is worth a word of its own.
    return [
      ...wrong.filter(({ rule }) => rule !== BELOW),
      note("too-short", "", says, "nothing: a conversation is cached once it has grown"),
    ];
  }
  return [
    ...wrong,
    ...(contract === undefined ? [] : unmarked(sent, contract, handling, staticTokens)),
    ...(cache === undefined ? [] : keyless(sent, cache, handling)),
  ];
}

const KEPT =
  "goes on from what its provider keeps, and only what is added is here: what is read of a cache cannot be told";

function isKeptElsewhere({ body, request }: SentBody): boolean {
  const thread = body["thread"];
  const goesOn = typeof thread === "object" && thread !== null && "type" in thread && thread["type"] === "continue";
  return goesOn || (request.continues?.length ?? 0) > 0;
}

function unmarked(
  sent: SentBody,
  contract: MarkContract,
  handling: Handling,
  staticTokens: number,
): readonly LintFinding[] {
  const { body, prefixes, request } = sent;
  const isEnded = contract.style === ENDS_ITSELF && !isMarksOnly(body);
  const isMarkedAnywhere = prefixes.marks.length > 0 || markPlaces(sent, contract).length > (isEnded ? 1 : 0);
  if (isMarkedAnywhere) return [];
  const does = setsMarks(handling, request);
  const handled = marksText(handling, request);
  const advice = (own: string) => (does === true ? handled : `${own}; ${handled}`);
  if (isEnded) {
    if (staticTokens < contract.minTokens) return [];
    const says =
      "no mark: this model sets one at the prompt's end by itself, which a request that goes on from this one reads; one that has only the beginning in common (another question) reads nothing";
    return [note("unmarked", "", says, advice("set a mark at the end of what does not change"))];
  }
  const says = "no mark: this model caches marked prefixes only, so that nothing of it is written or read";
  const finding = does === true ? note : warning;
  return [
    finding(
      "unmarked",
      "",
      says,
      advice("set a mark at the end of what does not change, and one at the end of what was said"),
    ),
  ];
}

function keyless({ request }: SentBody, cache: CacheContract, handling: Handling): readonly LintFinding[] {
  if (request.promptCacheKey !== undefined || !isFoundByKey(cache)) return [];
  const isSent = sendsKey(handling, cache);
  const isNeeded = cache.kind !== "automatic";
  const says = {
    keyed:
      "no `prompt_cache_key`: this model's cache is asked for by that key, and whether anything is read without it is not documented",
    marks: "no `prompt_cache_key`: this model finds prefixes reliably only with one",
    automatic:
      "no `prompt_cache_key`: prompts that begin alike meet on one machine without it up to about 15 a minute; what is beyond that starts cold",
    local: "",
    none: "",
  }[cache.kind];
  const own = "send one key for all requests of a conversation (or of an application, up to 15 a minute)";
  const handled = keyText(handling, cache);
  const finding = isNeeded && isSent !== true ? warning : note;
  return [finding("cache-key-missing", "prompt_cache_key", says, isSent === true ? handled : `${own}; ${handled}`)];
}
