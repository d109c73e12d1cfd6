/**
 * How a request stands to those that were sent before it: which of them it goes on from, where it parts from it, and whether that costs
 * anything. Another conversation parts as well, and is nothing to be told of.
 */
import { differingSettings, isFoundByKey, modelTokens, readOf, type Read, type SentBody } from "./lint-reads.ts";
import { lintAdvice, MOVE_BEHIND_ALL } from "./lint-advice.ts";
import { note, warning, type LintFinding } from "./lint-findings.ts";
import type { SpanDigest } from "./digests.ts";
import { areVersions, excerptAt, partingOf, type Breaker, type Parting } from "./parting.ts";
import { commonPlaces, tokensBefore } from "./span-places.ts";
import { isToolSpan, type Span } from "./spans.ts";

export interface LintedPrompt extends SentBody {
  readonly name: string;
  readonly spans: readonly Span[];
  readonly digests: readonly SpanDigest[];
  /** Up to the client's boundary line, where there is one. */
  readonly staticSpans: readonly Span[];
  readonly boundaryLine: string;
  /** Whether Sluice sets the marks, so that the body's own do not tell what is read; and whether it sends a key. */
  readonly isMarkedByUs: boolean;
  readonly isKeyedByUs: boolean;
}

/** How it stands to the one before it that it has most in common with. Tokens are the model's, estimated. */
export type Follows =
  /** All of the earlier one comes again. */
  | { readonly how: "goes-on"; readonly from: string; readonly sharedTokens: number; readonly read: Read | undefined }
  /** What comes first is the same; what is different is new, and stands before nothing that was sent. */
  | {
      readonly how: "begins-alike";
      readonly from: string;
      readonly sharedTokens: number;
      readonly read: Read | undefined;
    }
  /** Something that was sent is sent again behind what is different. */
  | {
      readonly how: "parts";
      readonly from: string;
      readonly sharedTokens: number;
      readonly read: Read | undefined;
      readonly lostTokens: number;
    }
  /** They have too little in common to be compared. */
  | { readonly how: "another-conversation" };

export interface Followed {
  readonly follows: Follows;
  readonly findings: readonly LintFinding[];
}

/** So many requests are looked back over. */
const EARLIER_MAX = 64;

/** @param earlier In the order in which they were sent. */
export function followed(earlier: readonly LintedPrompt[], now: LintedPrompt): Followed | undefined {
  const before = nearestOf(earlier.slice(-EARLIER_MAX), now);
  if (before !== undefined) return compared(before, earlier, now);
  return earlier.length === 0 ? undefined : ANOTHER;
}

const ANOTHER: Followed = { follows: { how: "another-conversation" }, findings: [] };

/** One for the same model if there is one; then who shares most; then the latest. */
function nearestOf(earlier: readonly LintedPrompt[], now: LintedPrompt): LintedPrompt | undefined {
  let nearest: LintedPrompt | undefined;
  let most = -1;
  for (const one of earlier) {
    const shared = commonPlaces(one.prefixes.hashes, now.prefixes.hashes);
    if (shared === 0 && !isOfOneKind(one, now)) continue;
    const rank = shared + (one.request.model === now.request.model ? RANK_OF_MODEL : 0);
    if (rank < most) continue;
    most = rank;
    nearest = one;
  }
  return nearest;
}

/** More than a prompt has places. */
const RANK_OF_MODEL = 1_000_000;

/** Whether one agent or application sent both: they open with the same turn, or their system texts are one with a few words changed. */
function isOfOneKind(one: LintedPrompt, other: LintedPrompt): boolean {
  const first = firstTurn(one);
  if (first !== "" && first === firstTurn(other)) return true;
  const [text, otherText] = [systemText(one), systemText(other)];
  if (text !== "" && otherText !== "") return likeness(text, otherText) >= LIKENESS_MIN;
  return areVersions(one.digests, other.digests);
}

const LIKENESS_MIN = 0.5;

function firstTurn({ spans, request }: LintedPrompt): string {
  const at = request.messages.findIndex(({ role }) => role !== "system");
  return textOf(spans.filter((span) => !isToolSpan(span.kind) && span.at === at));
}

function systemText(prompt: LintedPrompt): string {
  return textOf(prompt.spans.filter((span) => span.kind === "system" && isOpening(prompt, span)));
}

function textOf(spans: readonly Span[]): string {
  return spans.flatMap(({ text, isVolatile }) => (isVolatile ? [] : [text])).join("\n");
}

/** The share of the shorter one that both begin and end with. */
function likeness(one: string, other: string): number {
  const length = Math.min(one.length, other.length);
  let head = 0;
  while (head < length && one[head] === other[head]) head += 1;
  let tail = 0;
  while (tail < length - head && one.at(-1 - tail) === other.at(-1 - tail)) tail += 1;
  return length === 0 ? 0 : (head + tail) / length;
}

function compared(before: LintedPrompt, earlier: readonly LintedPrompt[], now: LintedPrompt): Followed {
  const parting = partingOf(before.digests, now.digests, now.spans, before.spans);
  const shorter = Math.min(before.prefixes.promptTokens, now.prefixes.promptTokens);
  const shared = parting === undefined ? shorter : Math.min(shorter, tokensAt(now, parting));
  const scaled = (tokens: number) => Math.ceil(tokens * (now.record?.tokenRatio ?? 1));
  const sharedTokens = scaled(shared);
  const isOurs = now.isMarkedByUs && before.request.model === now.request.model;
  const read = isOurs ? undefined : mostRead(before, sharedTokens, earlier.slice(-EARLIER_MAX), now);
  const from = before.name;
  const again = parting === undefined ? 0 : scaled(Math.min(shorter - shared, tokensAgain(before, now, parting)));
  const lostTokens = again + unread(now, sharedTokens, read);
  const breaks = parting !== undefined && isBreak(before, now, parting, lostTokens);
  const isOneConversation = breaks || parting === undefined || hasTurnsInCommon(now, parting);
  const isRepeated = parting === undefined && before.digests.length === now.digests.length;
  const settings = isOneConversation && sharedTokens > 0 ? settingFindings(before, now, isRepeated) : [];
  if (sharedTokens === 0 && !breaks) return ANOTHER;
  if (parting === undefined || !breaks) {
    const how = parting === undefined ? "goes-on" : "begins-alike";
    return {
      follows: { how, from, sharedTokens, read },
      findings: [...settings, ...lookbackFindings(before, now, read)],
    };
  }
  const finding = partingFinding(before, now, parting, lostTokens);
  return { follows: { how: "parts", from, sharedTokens, read, lostTokens }, findings: [...settings, finding] };
}

/** Any of the earlier ones may have written what is found. */
function mostRead(
  before: LintedPrompt,
  sharedTokens: number,
  earlier: readonly LintedPrompt[],
  now: LintedPrompt,
): Read | undefined {
  let most = readOf(before, now, sharedTokens, now.isKeyedByUs);
  for (const one of earlier) {
    const common = commonPlaces(one.prefixes.hashes, now.prefixes.hashes);
    if (one === before || common === 0) continue;
    const read = readOf(one, now, modelTokens(now, common), now.isKeyedByUs);
    if (read !== undefined && read.tokens > (most?.tokens ?? 0)) most = read;
  }
  return most;
}

/** Tokens up to where they part, within the piece in proportion to its characters. */
function tokensAt({ spans, digests, prefixes }: LintedPrompt, { index, offset }: Parting): number {
  const before = tokensBefore(spans, digests, prefixes);
  const start = before[index] ?? prefixes.promptTokens;
  const end = before[index + 1] ?? prefixes.promptTokens;
  const length = spans[index]?.text.length ?? 0;
  return length === 0 ? start : Math.floor(start + ((end - start) * Math.min(offset, length)) / length);
}

/** What stands between the last mark that is read and where they part: where marks are needed, it is paid again, too. */
function unread({ record }: LintedPrompt, sharedTokens: number, read: Read | undefined): number {
  const isMarked = record?.cache.kind === "marks" && sharedTokens >= record.cache.minTokens;
  return isMarked && read !== undefined ? Math.max(0, sharedTokens - read.tokens) : 0;
}

/** What was sent before and is sent again behind where they part: its pieces, and the rest of the one that they part in. */
function tokensAgain(before: LintedPrompt, now: LintedPrompt, { index, offset }: Parting): number {
  const { spans, digests, prefixes } = now;
  const starts = tokensBefore(spans, digests, prefixes);
  const sent = new Set(before.digests.map(({ exact }) => exact));
  let again = 0;
  for (let at = index; at < spans.length; at += 1) {
    const tokens = (starts[at + 1] ?? prefixes.promptTokens) - (starts[at] ?? 0);
    const { exact = -1, characters = 0 } = digests[at] ?? {};
    if (sent.has(exact)) again += tokens;
    else if (at === index && characters > offset) again += (tokens * (characters - offset)) / characters;
  }
  return again;
}

function hasTurnsInCommon({ spans, request }: LintedPrompt, { index }: Parting): boolean {
  const span = spans[index];
  const first = request.messages.findIndex(({ role }) => role !== "system");
  return span === undefined || (!isToolSpan(span.kind) && span.at > first);
}

/** Whether what is different stands before something that was sent: all of that is paid again. */
function isBreak(before: LintedPrompt, now: LintedPrompt, { index, breaker }: Parting, lostTokens: number): boolean {
  const span = now.spans[index];
  // It ends within the earlier one (a turn that is tried again, or a fork), or there is nothing to speak of.
  if (span === undefined || lostTokens < LOST_TOKENS_MIN) return false;
  // Another agent, with the same tools perhaps, is no broken conversation.
  if (isToolSpan(span.kind) || isOpening(now, span)) return isOfOneKind(before, now);
  if (isOfForm(breaker)) return true;
  const sent = new Set(before.digests.slice(index).map(({ exact }) => exact));
  const isAgain = (at: number) =>
    at > index && now.spans[at]?.kind !== "system" && sent.has(now.digests[at]?.exact ?? 0);
  const again = now.digests.reduce((sum, { characters }, at) => sum + (isAgain(at) ? characters : 0), 0);
  return again >= AGAIN_CHARACTERS_MIN;
}

/** A few words are said twice without meaning anything. */
const AGAIN_CHARACTERS_MIN = 40;
const LOST_TOKENS_MIN = 64;

function isOpening({ request }: LintedPrompt, { at }: Span): boolean {
  const first = request.messages.findIndex(({ role }) => role !== "system");
  return first === -1 || at < first;
}

/** Whether it says the same in another form. */
function isOfForm(breaker: Breaker | undefined): boolean {
  return breaker !== undefined && FORMS.has(breaker);
}

const FORMS: ReadonlySet<Breaker> = new Set(["timestamp", "uuid", "nonce", "whitespace", "key-order", "image"]);

function partingFinding(before: LintedPrompt, now: LintedPrompt, parting: Parting, lostTokens: number): LintFinding {
  const { path, offset, breaker } = parting;
  const span = now.spans[parting.index];
  // Where all tools are gone, what stands there is not what changed.
  const shown = span?.path === path ? span : undefined;
  const isBehind = shown?.kind === "system" && isOpening(now, shown) && isBehindBoundary(now, shown, offset);
  const says = `parts here from ${before.name}: about ${lostTokens} tokens that were sent before are paid again`;
  return {
    level: isBehind ? "note" : "warning",
    rule: breaker ?? "changed",
    path,
    offset: shown === undefined ? undefined : offset,
    excerpt: shown === undefined ? undefined : excerptAt(shown, Math.max(0, offset - EXCERPT_LEAD)),
    says: isBehind ? `${says}, as what is behind the boundary line still stands before all messages` : says,
    advice: isBehind ? MOVE_BEHIND_ALL : lintAdvice(breaker, now.boundaryLine, shown, offset),
  };
}

/** What stands before the change says what it is. */
const EXCERPT_LEAD = 24;

function isBehindBoundary({ prefixes, staticSpans }: LintedPrompt, { path }: Span, offset: number): boolean {
  if (prefixes.saidPlace === -1) return false;
  const text = staticSpans.find((one) => one.path === path)?.text;
  return text === undefined || offset >= text.length;
}

/** What is no text of the prompt and is part of its prefix all the same. */
function settingFindings(before: LintedPrompt, now: LintedPrompt, isRepeated: boolean): readonly LintFinding[] {
  const found: LintFinding[] = [];
  // The same prompt once more may be meant to be asked otherwise.
  const finding = isRepeated ? note : warning;
  const changed = (rule: string, path: string, what: string): void => {
    const says = `is another than in ${before.name}: ${what}`;
    found.push(finding(rule, path, says, lintAdvice(rule, now.boundaryLine)));
  };
  if (before.request.model !== now.request.model) {
    changed("model", "model", "nothing of its cache is read");
    return found;
  }
  const { record } = now;
  if (record === undefined) return found;
  if (isFoundByKey(record.cache) && before.request.promptCacheKey !== now.request.promptCacheKey)
    changed("cache-key", "prompt_cache_key", "its cache is looked for elsewhere");
  const settings = differingSettings(before, now);
  if (settings !== undefined)
    changed("setting", settings.names, `nothing of its cache is read ${behindText(now, settings.from)}`);
  return found;
}

function behindText({ prefixes }: LintedPrompt, from: number): string {
  if (from === 0) return "";
  return from > prefixes.staticPlace ? "of the messages" : "behind the tools";
}

/** Marks on both, and yet too far apart. */
function lookbackFindings(before: LintedPrompt, now: LintedPrompt, read: Read | undefined): readonly LintFinding[] {
  if (read?.isTooFar !== true) return [];
  const says = `nothing that ${before.name} has written is read: ${read.because}`;
  return [warning("lookback", "", says, lintAdvice("lookback", now.boundaryLine))];
}
