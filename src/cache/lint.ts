/**
 * What keeps prompts from being cached, told from request bodies alone: text that changes by itself, marks that a provider refuses or
 * ignores, and where consecutive requests part.
 */
import type { ChatRequest, JsonObject } from "../chat.ts";
import type { CacheContract } from "../model.ts";
import { digestSpans } from "./digests.ts";
import { changingFindings, markFindings, type LintFinding } from "./lint-findings.ts";
import { areVersions, excerptAt, partingOf } from "./parting.ts";
import { readPrefixes, type Prefixes } from "./prefixes.ts";
import { tokensBefore } from "./span-places.ts";
import { isToolSpan, spansOf, type Span } from "./spans.ts";
import { adviceFor, systemAdvice } from "./lint-advice.ts";

export interface LintedBody {
  /** What people call it: a file's name. */
  readonly name: string;
  readonly body: JsonObject;
  /** The body's reading. */
  readonly request: ChatRequest;
  /** How the model's cache is spoken to; `undefined`: the model is not known. */
  readonly cache: CacheContract | undefined;
  /** The model's tokens per estimated token. */
  readonly tokenRatio: number;
  /** A line that ends what is static. */
  readonly boundaryLine: string;
}

export interface LintReport {
  readonly name: string;
  readonly dialect: string;
  readonly model: string;
  /** Of the whole prompt, estimated in the model's tokens. */
  readonly promptTokens: number;
  /** Of the tools and the system text that it begins with. */
  readonly staticTokens: number;
  /** Where prefixes end, shallow to deep. */
  readonly prefixes: readonly LintPrefix[];
  readonly findings: readonly LintFinding[];
  /** `undefined`: it is the first. */
  readonly follows: Follows | undefined;
}

export interface LintPrefix {
  readonly path: string;
  readonly tokens: number;
  readonly isStatic: boolean;
  readonly isMarked: boolean;
}

/** How it stands to the request before it. */
export type Follows =
  | { readonly how: "goes-on"; readonly sharedTokens: number }
  /** They have too little in common to be versions of one. */
  | { readonly how: "another-conversation" }
  | { readonly how: "parts"; readonly sharedTokens: number; readonly lostTokens: number };

/** @example lintBodies([{ name: "request.json", body, request, cache, tokenRatio: 1, boundaryLine: "" }]) */
export function lintBodies(bodies: readonly LintedBody[]): readonly LintReport[] {
  const read = bodies.map(readBody);
  return read.map((one, at) => report(one, read[at - 1]));
}

interface Read extends LintedBody {
  readonly prefixes: Prefixes;
  readonly spans: readonly Span[];
}

function readBody(linted: LintedBody): Read {
  const { body, request, boundaryLine } = linted;
  const prefixes = readPrefixes(request, "", boundaryLine);
  return { ...linted, prefixes, spans: spansOf(request, hasSystemApart(body)) };
}

function hasSystemApart(body: JsonObject): boolean {
  return body["system"] !== undefined || body["instructions"] !== undefined;
}

function report(one: Read, before: Read | undefined): LintReport {
  const { name, request, prefixes, spans, tokenRatio } = one;
  const scaled = (tokens: number | undefined) => Math.ceil((tokens ?? 0) * tokenRatio);
  const compared = before === undefined ? undefined : compare(before, one);
  return {
    name,
    dialect: request.dialect,
    model: request.model,
    promptTokens: scaled(prefixes.promptTokens),
    staticTokens: prefixes.staticPlace === -1 ? 0 : scaled(prefixes.tokens[prefixes.staticPlace]),
    prefixes: prefixList(prefixes, spans, scaled),
    findings: [
      ...changingFindings(staticSpans(spans, request)),
      ...markFindings(one, scaled),
      ...(compared === undefined ? [] : compared.findings),
    ],
    follows: compared?.follows,
  };
}

function staticSpans(spans: readonly Span[], { messages }: ChatRequest): readonly Span[] {
  const first = messages.findIndex(({ role }) => role !== "system");
  const opening = first === -1 ? messages.length : first;
  return spans.filter(({ kind, at }) => isToolSpan(kind) || at < opening);
}

/** At the end of each piece; those inside a text are many and say little. */
function prefixList(
  { spots, tokens, staticPlace, marks }: Prefixes,
  spans: readonly Span[],
  scaled: (tokens: number | undefined) => number,
): readonly LintPrefix[] {
  const paths = new Map(
    spans.flatMap(({ kind, at, part, path }) => (isToolSpan(kind) ? [] : [[`${at}.${part}`, path] as const])),
  );
  const marked = new Set(marks.map(({ place }) => place));
  return spots.flatMap((spot, place): readonly LintPrefix[] => {
    if (spot.kind === "text") return [];
    return [
      {
        path: spot.kind === "tools" ? "tools" : (paths.get(`${spot.message}.${spot.part}`) ?? "messages"),
        tokens: scaled(tokens[place]),
        isStatic: place <= staticPlace,
        isMarked: marked.has(place),
      },
    ];
  });
}

interface Compared {
  readonly follows: Follows;
  readonly findings: readonly LintFinding[];
}

function compare(before: Read, now: Read): Compared {
  const old = digestSpans(before.spans);
  const digests = digestSpans(now.spans);
  if (!areVersions(old, digests)) return { follows: { how: "another-conversation" }, findings: [] };
  const settings = settingFindings(before, now);
  const scaled = (tokens: number) => Math.ceil(tokens * now.tokenRatio);
  const shorter = Math.min(before.prefixes.promptTokens, now.prefixes.promptTokens);
  const parting = partingOf(old, digests, now.spans, before.spans);
  if (parting === undefined) {
    const sharedTokens = scaled(shorter);
    return settings.length === 0
      ? { follows: { how: "goes-on", sharedTokens }, findings: [] }
      : { follows: { how: "parts", sharedTokens: 0, lostTokens: sharedTokens }, findings: settings };
  }
  const shared = Math.min(
    shorter,
    tokensBefore(now.spans, digests, now.prefixes)[parting.index] ?? now.prefixes.promptTokens,
  );
  const lostTokens = scaled(shorter - shared);
  const span = now.spans[parting.index];
  return {
    follows: { how: "parts", sharedTokens: settings.length > 0 ? 0 : scaled(shared), lostTokens },
    findings: [
      ...settings,
      {
        level: "warning",
        rule: parting.breaker ?? "changed",
        path: parting.path,
        offset: parting.offset,
        excerpt: span === undefined ? undefined : excerptAt(span, Math.max(0, parting.offset - EXCERPT_LEAD)),
        says: `parts here from ${before.name}, by the client's change: about ${lostTokens} tokens are paid again`,
        advice:
          span !== undefined && staticSpans([span], now.request).length > 0 && span.kind === "system"
            ? systemAdvice(parting.breaker, span, parting.offset)
            : adviceFor(parting.breaker),
      },
    ],
  };
}

/** What stands before the change says what it is. */
const EXCERPT_LEAD = 24;

/** What is no text of the prompt and is part of its prefix all the same. */
function settingFindings(before: Read, now: Read): readonly LintFinding[] {
  const found: LintFinding[] = [];
  const changed = (rule: string, path: string, isChanged: boolean): void => {
    if (!isChanged) return;
    found.push({
      level: "warning",
      rule,
      path,
      offset: undefined,
      excerpt: undefined,
      says: `is another than in ${before.name}: nothing of its cache is found`,
      advice: adviceFor(rule),
    });
  };
  changed("model", "model", before.request.model !== now.request.model);
  changed("cache-key", "prompt_cache_key", before.request.promptCacheKey !== now.request.promptCacheKey);
  return found;
}
