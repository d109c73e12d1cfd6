/**
 * What a prompt could have gone on from: of the earlier ones like it the one that promises most, and what of that is still there to be
 * read, as neither time nor a change of the client's has taken it.
 */
import { digestText, type RememberedEntry, type RememberedPrompt, type RememberedSetting } from "./bust-memory.ts";
import type { SentPrompt } from "./bust.ts";
import { STEP_CHARACTERS, type SpanDigest } from "./digests.ts";
import { excerptAt, noisePath, partingOf, type Breaker, type Parting } from "./parting.ts";
import type { PlannedSetting } from "./plan.ts";
import { spansUpTo } from "./span-places.ts";
import { isToolSpan, type Span } from "./spans.ts";

export interface Grounds {
  readonly previous: RememberedPrompt;
  readonly isTargetSame: boolean;
  /** All that could be read of the earlier prompt, had nothing been changed and no time passed. */
  readonly deepest: RememberedEntry;
  /** What can be read of it now; `undefined`: nothing. */
  readonly intact: RememberedEntry | undefined;
  readonly isExpired: boolean;
  /** Whether it would not be, had the gateway sent the lifetime that the client said. */
  readonly isCutShort: boolean;
  /** What the client changed within what was cached; `undefined`: nothing. */
  readonly change: Change | undefined;
  /** The share of this prompt that the earlier one says, too: no more could have been read, whatever was changed. */
  readonly againShare: number;
  /** Where the texts part, be it within what was cached or behind it. */
  readonly parting: Parting | undefined;
  readonly excerpt: string | undefined;
  /** Of the noise that changed. */
  readonly noise: string | undefined;
}

export interface Change {
  readonly path: string;
  readonly offset: number | undefined;
  readonly breaker: Breaker | undefined;
  readonly excerpt: string | undefined;
}

/** A prompt in pieces. */
export interface Pieces {
  readonly prompt: SentPrompt;
  readonly spans: readonly Span[];
  readonly digests: readonly SpanDigest[];
  /** For each piece the estimated tokens before it. */
  readonly tokens: Float64Array;
  readonly settings: ReadonlyMap<string, RememberedSetting>;
}

/** @returns `undefined`: there is nothing to compare it with. */
export function groundsOf(before: readonly RememberedPrompt[], pieces: Pieces, nowMs: number): Grounds | undefined {
  const readable = before.filter(({ readableMs = Infinity }) => readableMs <= nowMs);
  const promising = readable.filter(isPromising);
  const grounds = (isHere: boolean) =>
    (promising.length > 0 ? promising : readable)
      .filter(({ target }) => (target === pieces.prompt.target) === isHere)
      // The latest first: of equals it is the one that was refreshed last.
      .toReversed()
      .map((previous) => oneOf(previous, pieces, nowMs))
      .reduce<Grounds | undefined>((best, one) => (best === undefined || isBetter(one, best) ? one : best), undefined);
  const here = grounds(true);
  if (here !== undefined && rankOf(here) === RANK_WHOLE) return here;
  // What goes on where it went to in the meantime was broken by nothing but going elsewhere.
  const elsewhere = grounds(false);
  return elsewhere !== undefined && rankOf(elsewhere) === RANK_WHOLE ? elsewhere : here;
}

/** Whether something of it is cached, as far as was told. */
export function isPromising({ entries, countedTokens, isUntold }: RememberedPrompt): boolean {
  return entries.length > 0 && countedTokens !== 0 && !isUntold;
}

function oneOf(previous: RememberedPrompt, pieces: Pieces, nowMs: number): Grounds {
  const { prompt, spans, digests } = pieces;
  const deepest = previous.entries.at(-1) ?? NO_ENTRY;
  const parting = partingOf(previous.digests, digests, spans);
  const excerpt =
    prompt.excerpts && parting !== undefined ? excerptOf(spans[parting.index], parting.offset) : undefined;
  const isTargetSame = previous.target === prompt.target;
  const setting = isTargetSame ? changedSetting(previous, pieces) : undefined;
  const visible = parting === undefined ? Number.POSITIVE_INFINITY : visibleBefore(spans, parting.index);
  const isText = setting === undefined || visible <= setting.spans;
  const same = Math.min(visible, setting?.spans ?? Number.POSITIVE_INFINITY);
  const ageMs = nowMs - previous.sentMs;
  const offset = isText ? (parting?.offset ?? 0) : 0;
  const isInside = !isBefore(deepest, same, offset);
  const live = previous.entries.findLast((entry) => ageMs < entry.ttlMs && isBefore(entry, same, offset));
  return {
    previous,
    isTargetSame,
    deepest,
    intact:
      live ?? (isInside && ageMs < deepest.ttlMs ? stepped(deepest, isText ? parting : undefined, pieces) : undefined),
    isExpired: ageMs >= deepest.ttlMs,
    isCutShort: ageMs >= deepest.ttlMs && ageMs < deepest.saidTtlMs,
    change: !isInside
      ? undefined
      : isText && parting !== undefined
        ? { path: parting.path, offset: parting.offset, breaker: parting.breaker, excerpt }
        : { path: setting?.name ?? "messages", offset: undefined, breaker: undefined, excerpt: undefined },
    againShare: parting === undefined ? 1 : againShare(previous.digests, parting, pieces),
    parting,
    excerpt,
    noise: noisePath(previous.digests, digests, spans),
  };
}

/** Of a prompt that wrote nothing: what the client changed in it is known for all that. */
const NO_ENTRY: RememberedEntry = {
  spans: 0,
  within: undefined,
  blocks: 0,
  estimate: 0,
  ttlMs: Infinity,
  saidTtlMs: Infinity,
  by: undefined,
};

/** Whether it ends before the piece that changes, or within it before the change, as far as that is known. */
function isBefore({ spans, within }: RememberedEntry, same: number, offset: number): boolean {
  return spans <= same || (within !== undefined && spans === same + 1 && within < offset + STEP_CHARACTERS);
}

const RANK_WHOLE = 3;

function rankOf({ change, isExpired }: Grounds): number {
  return (change === undefined ? 2 : 0) + (isExpired ? 0 : 1);
}

function isBetter(one: Grounds, other: Grounds): boolean {
  if (rankOf(one) !== rankOf(other)) return rankOf(one) > rankOf(other);
  // Both promise all they have; or both are broken, and the later parting tells more.
  return one.change === undefined
    ? one.deepest.estimate > other.deepest.estimate
    : (one.parting?.index ?? 0) > (other.parting?.index ?? 0);
}

function excerptOf(span: Span | undefined, offset: number): string | undefined {
  return span === undefined ? undefined : excerptAt(span, offset);
}

function visibleBefore(spans: readonly Span[], index: number): number {
  return spans.slice(0, index).filter(({ isVolatile }) => !isVolatile).length;
}

/** Where everything is cached, what stands before the change is there. */
function stepped(deepest: RememberedEntry, parting: Parting | undefined, pieces: Pieces): RememberedEntry | undefined {
  const { rules, tokenRatio } = pieces.prompt;
  if (rules.kind !== "automatic" || parting === undefined) return undefined;
  const estimate = tokensUpTo(pieces, parting);
  return estimate * tokenRatio < rules.minTokens ? undefined : { ...deepest, estimate };
}

/** The first setting, by place, that is another one than before. */
function changedSetting(
  previous: RememberedPrompt,
  { settings, spans, prompt: { prefixes } }: Pieces,
): { readonly name: string; readonly spans: number } | undefined {
  let first: { readonly name: string; readonly from: number } | undefined;
  for (const name of new Set([...previous.settings.keys(), ...settings.keys()])) {
    const [own, old] = [settings.get(name), previous.settings.get(name)];
    if (own?.digest === old?.digest) continue;
    const from = own?.from ?? old?.from ?? 0;
    if (first === undefined || from < first.from) first = { name, from };
  }
  return first === undefined ? undefined : { name: first.name, spans: spansUpTo(spans, prefixes, first.from - 1) };
}

/** What stands before the change, and of what follows it all that was there before, in whichever form. */
function againShare(before: readonly SpanDigest[], parting: Parting, pieces: Pieces): number {
  const { spans, digests, prompt } = pieces;
  // A summary stands for all that it is the summary of.
  if (parting.breaker === "compaction") return 1;
  const old = before.filter(({ isVolatile }) => !isVolatile).slice(visibleBefore(spans, parting.index));
  const left = new Map<number, number>();
  for (const { masked } of old) left.set(masked, (left.get(masked) ?? 0) + 1);
  let again = tokensUpTo(pieces, parting);
  for (let index = parting.index; index < spans.length; index += 1) {
    const [span, digest] = [spans[index], digests[index]];
    if (span === undefined || digest === undefined || digest.isVolatile) continue;
    const known = left.get(digest.masked) ?? 0;
    if (known > 0) left.set(digest.masked, known - 1);
    else if (index !== parting.index || !isSamePiece(old[0], digest)) continue;
    again +=
      tokensBeforeNext(pieces, index) -
      (index === parting.index ? tokensUpTo(pieces, parting) : tokensAt(pieces, index));
  }
  return again / Math.max(1, prompt.prefixes.promptTokens);
}

/** Whether it is the earlier piece in another form, or an instruction or tool that was edited where it stands. */
function isSamePiece(old: SpanDigest | undefined, now: SpanDigest): boolean {
  if (old === undefined || old.kind !== now.kind) return false;
  const isStatic = old.kind === "system" || isToolSpan(old.kind);
  return isStatic || old.spaceless === now.spaceless || old.ordered === now.ordered;
}

/** Up to where the texts surely are the same. */
function tokensUpTo(pieces: Pieces, { index, offset }: Parting): number {
  const [from, to] = [tokensAt(pieces, index), tokensBeforeNext(pieces, index)];
  const characters = pieces.spans[index]?.text.length ?? 0;
  return characters === 0 ? from : from + (to - from) * Math.min(1, offset / characters);
}

function tokensAt({ tokens, prompt }: Pieces, index: number): number {
  return tokens[index] ?? prompt.prefixes.promptTokens;
}

function tokensBeforeNext(pieces: Pieces, index: number): number {
  return Math.max(tokensAt(pieces, index), tokensAt(pieces, index + 1));
}

/** A planned setting's word is `name="said";` again and again. */
const SETTING = /([\w.]+)=("(?:[^"\\]|\\.)*");/g;

export function settingsOf(planned: readonly PlannedSetting[] = []): ReadonlyMap<string, RememberedSetting> {
  const found = new Map<string, RememberedSetting>();
  for (const { from, word } of planned) {
    for (const [, name = "", said = ""] of word.matchAll(SETTING)) found.set(name, { from, digest: digestText(said) });
  }
  return found;
}
