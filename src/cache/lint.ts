/**
 * What keeps prompts from being cached, told from request bodies alone: text that changes by itself, marks and keys that are missing or
 * do nothing, and where a request parts from those before it.
 */
import type { ChatRequest, JsonObject } from "../chat.ts";
import type { ModelRecord } from "../model.ts";
import { digestSpans } from "./digests.ts";
import { cachingFindings } from "./lint-caching.ts";
import { changingFindings, type LintFinding } from "./lint-findings.ts";
import { followed, type Follows, type LintedPrompt } from "./lint-follows.ts";
import { areForeign, marksIn } from "./lint-marks.ts";
import { modelTokens } from "./lint-reads.ts";
import { sendsKey, setsMarks, type Handling } from "./lint-sluice.ts";
import type { CachingMode } from "./modes.ts";
import { readPrefixes, type Prefixes } from "./prefixes.ts";
import { isToolSpan, spansOf, type Span } from "./spans.ts";

export interface LintedBody {
  /** What people call it: a file's name. */
  readonly name: string;
  readonly body: JsonObject;
  /** The body's reading. */
  readonly request: ChatRequest;
  /** `undefined`: the model is not known. */
  readonly record: ModelRecord | undefined;
  /** Whether Sluice speaks to the model in another dialect; `undefined`: it is not known who serves it. */
  readonly isTranslated: boolean | undefined;
  /** As configured. */
  readonly mode: CachingMode;
  /** Whether each tenant has cache keys of its own, as several share an account. */
  readonly isIsolated: boolean;
  /** A line that ends what is static; empty: there is none. */
  readonly boundaryLine: string;
}

export interface LintReport {
  readonly name: string;
  readonly dialect: string;
  readonly model: string;
  /** How the model's cache works, by its record; `undefined`: nothing is known of it. */
  readonly cache: ModelRecord["cache"] | undefined;
  /** Of the whole prompt, estimated in the model's tokens. */
  readonly promptTokens: number;
  /** Up to the boundary line, or else of the tools and the system text that it begins with. */
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

/**
 * @param bodies In the order in which they were sent.
 * @example lintBodies([{ name: "request.json", body, request, record, isTranslated: false, mode: "respect", isIsolated: false, boundaryLine: "" }])
 */
export function lintBodies(bodies: readonly LintedBody[]): readonly LintReport[] {
  const prompts = bodies.map(readBody);
  const said = new Set<string>();
  return prompts.map((one, at) => report(one, prompts.slice(0, at), said));
}

interface Prompt extends LintedPrompt {
  readonly handling: Handling;
}

function readBody(linted: LintedBody): Prompt {
  const { name, body, request, record, isTranslated, mode, isIsolated, boundaryLine } = linted;
  const read = readPrefixes(request, "", boundaryLine);
  const handling = { mode, isTranslated, isIsolated, isAskedFor: read.saidPlace !== -1 };
  // What no provider reads marks nothing.
  const prefixes = areForeign(marksIn(body), record?.cache, handling) ? { ...read, marks: [] } : read;
  const spans = spansOf(request, body["system"] !== undefined || body["instructions"] !== undefined);
  return {
    name,
    body,
    request,
    record,
    boundaryLine,
    handling,
    prefixes,
    spans,
    digests: digestSpans(spans),
    staticSpans: staticSpans(spans, request, prefixes),
    isMarkedByUs: record?.cache.kind === "marks" && setsMarks(handling, request) === true,
    isKeyedByUs: record !== undefined && sendsKey(handling, record.cache) === true,
  };
}

/** The tools and the system text that the prompt begins with, as far as the client's boundary line where there is one. */
function staticSpans(
  spans: readonly Span[],
  { messages }: ChatRequest,
  { spots, saidPlace }: Prefixes,
): readonly Span[] {
  const first = messages.findIndex(({ role }) => role !== "system");
  const opening = first === -1 ? messages.length : first;
  const said = spots[saidPlace];
  return spans.flatMap((span): readonly Span[] => {
    const { path, kind, at, part, head, isVolatile, mark, text } = span;
    if (isToolSpan(kind)) return [span];
    if (at >= opening) return [];
    if (said?.kind !== "text" || at < said.message || (at === said.message && part < said.part)) return [span];
    if (at > said.message || part > said.part) return [];
    return [{ path, kind, at, part, head, isVolatile, mark, text: text.slice(0, said.end) }];
  });
}

/** @param said What was said of a text already: of one that comes with every turn, once is enough. */
function report(one: Prompt, earlier: readonly Prompt[], said: Set<string>): LintReport {
  const { name, request, record, prefixes, handling } = one;
  const { staticPlace, saidPlace, tokens } = prefixes;
  const staticTokens = modelTokens(one, (saidPlace === -1 ? staticPlace : saidPlace) + 1);
  const how = followed(earlier, one);
  return {
    name,
    dialect: request.dialect,
    model: request.model,
    cache: record?.cache,
    promptTokens: modelTokens(one, tokens.length + 1),
    staticTokens,
    prefixes: prefixList(one),
    findings: [
      ...changingFindings(unsaid(one.staticSpans, said), one.boundaryLine),
      ...cachingFindings(one, handling, staticTokens).filter((found) => isUnsaid(found, one, said)),
      ...(how === undefined ? [] : how.findings),
    ],
    follows: how?.follows,
  };
}

function unsaid(spans: readonly Span[], said: Set<string>): readonly Span[] {
  return spans.filter(({ path, text }) => {
    const named = `${path}\n${text}`;
    if (said.has(named)) return false;
    said.add(named);
    return true;
  });
}

/** What one request of an application lacks, the others lack as well. */
function isUnsaid({ rule, level, says }: LintFinding, { request }: Prompt, said: Set<string>): boolean {
  if (!LACKING.has(rule)) return true;
  const named = JSON.stringify([rule, level, says, request.model, request.dialect]);
  const isNew = !said.has(named);
  said.add(named);
  return isNew;
}

const LACKING: ReadonlySet<string> = new Set(["unmarked", "cache-key-missing"]);

/** At the end of each piece and at the boundary line; other places inside a text are many and say little. */
function prefixList(prompt: Prompt): readonly LintPrefix[] {
  const { spots, staticPlace, saidPlace, marks } = prompt.prefixes;
  const paths = new Map(
    prompt.spans.flatMap(({ kind, at, part, path }) => (isToolSpan(kind) ? [] : [[`${at}.${part}`, path] as const])),
  );
  const marked = new Set(marks.map(({ place }) => place));
  const lastStatic = saidPlace === -1 ? staticPlace : saidPlace;
  return spots.flatMap((spot, place): readonly LintPrefix[] => {
    if (spot.kind === "text" && place !== saidPlace) return [];
    const path = spot.kind === "tools" ? "tools" : (paths.get(`${spot.message}.${spot.part}`) ?? "messages");
    return [
      {
        path: place === saidPlace ? `${path}, the boundary line` : path,
        tokens: modelTokens(prompt, place + 1),
        isStatic: place <= lastStatic,
        isMarked: marked.has(place),
      },
    ];
  });
}
