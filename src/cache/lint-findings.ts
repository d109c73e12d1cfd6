/** Findings in one request: text that changes by itself inside what ought to be static, and marks that do not do what they say. */
import type { CacheMark, ChatRequest, JsonObject, JsonValue } from "../chat.ts";
import type { CacheContract } from "../model.ts";
import { changingPieces, isCalledCurrent, isCalledId, type ChangingPiece } from "./changing.ts";
import { adviceFor, systemAdvice } from "./lint-advice.ts";
import { isMarked } from "./marking.ts";
import type { Prefixes } from "./prefixes.ts";
import type { Span } from "./spans.ts";

export interface LintFinding {
  /** A note is worth knowing, and nothing is wrong for it. */
  readonly level: "warning" | "note";
  readonly rule: string;
  readonly path: string;
  /** In characters. */
  readonly offset: number | undefined;
  readonly excerpt: string | undefined;
  readonly says: string;
  readonly advice: string;
}

/** Of one request. */
const FINDINGS_MAX = 50;

/** @param spans What ought to be static: one finding for each kind of change in each. */
export function changingFindings(spans: readonly Span[]): readonly LintFinding[] {
  const found: LintFinding[] = [];
  for (const span of spans) {
    if (found.length >= FINDINGS_MAX) return found;
    if (span.isVolatile) {
      found.push(finding("note", "billing-line", span, 0, span.text.slice(0, 80), "an agent's own line that changes"));
      continue;
    }
    if (span.kind === "tool-name") continue;
    const seen = new Set<string>();
    for (const piece of changingPieces(span.text)) {
      const level = levelOf(span.text, piece);
      const kind = `${level} ${piece.kind}`;
      if (level === undefined || seen.has(kind)) continue;
      seen.add(kind);
      const excerpt = span.text.slice(Math.max(0, piece.start - 24), piece.end + 8);
      const made = finding(level, piece.kind, span, piece.start, excerpt, SAYS[piece.kind]);
      found.push(span.kind === "system" ? { ...made, advice: systemAdvice(piece.kind, span, piece.start) } : made);
    }
  }
  return found.slice(0, FINDINGS_MAX);
}

const SAYS: Readonly<Record<ChangingPiece["kind"], string>> = {
  timestamp: "a time or a date: the prefix ends here when it changes",
  uuid: "an id: the prefix ends here when it changes",
  nonce: "what looks like a random id: the prefix ends here when it changes",
  counter: "a number",
};

/** A date or a hash may be part of what the prompt is about; one that is called the current one, or has a time of day, is not. */
function levelOf(text: string, { kind, start, end }: ChangingPiece): LintFinding["level"] | undefined {
  switch (kind) {
    case "uuid":
      return "warning";
    case "timestamp":
      return isCalledCurrent(text, start) || /:\d\d|^\d{10,}$/.test(text.slice(start, end)) ? "warning" : "note";
    case "nonce":
      return isCalledId(text, start) ? "warning" : "note";
    case "counter":
      return undefined;
  }
}

function finding(
  level: LintFinding["level"],
  rule: string,
  { path }: Pick<Span, "path">,
  offset: number | undefined,
  excerpt: string | undefined,
  says: string,
): LintFinding {
  return { level, rule, path, offset, excerpt, says, advice: adviceFor(rule) };
}

interface MarkedRequest {
  readonly body: JsonObject;
  readonly request: ChatRequest;
  readonly prefixes: Prefixes;
  readonly cache: CacheContract | undefined;
}

type MarkContract = Extract<CacheContract, { kind: "marks" }>;

export function markFindings(
  { body, request, prefixes, cache }: MarkedRequest,
  scaled: (tokens: number | undefined) => number,
): readonly LintFinding[] {
  const contract = cache?.kind === "marks" ? cache : undefined;
  const onWire = marksIn(body);
  const whole = scaled(prefixes.promptTokens);
  if (contract !== undefined && onWire.length === 0 && !isMarked(request) && whole >= contract.minTokens)
    return [
      finding(
        "note",
        "unmarked",
        { path: "" },
        undefined,
        undefined,
        "this model caches marked prefixes only, and none is marked",
      ),
    ];
  return [
    ...tooMany(onWire, contract?.maxMarks ?? MARKS_MAX),
    ...misplaced(onWire),
    ...unknownTtls(onWire, contract),
    ...outOfOrder(onWire),
    ...tooShallow(onWire, prefixes, contract?.minTokens ?? TOKENS_MIN, scaled),
  ];
}

/** What providers that know marks have in common, for a model that is not known. */
const MARKS_MAX = 4;
const TOKENS_MIN = 512;

interface WireMark {
  readonly path: string;
  /** What it is on, without its mark. */
  readonly block: JsonObject;
  readonly ttl: string;
}

/** In the order of the prompt: tools, system, messages; the request's own mark last. */
function marksIn(body: JsonObject): readonly WireMark[] {
  const marks: WireMark[] = [];
  for (const field of ["tools", "system", "instructions", "messages", "input"]) collect(body[field], field, marks, 0);
  const own = markOn(body);
  if (own !== undefined) marks.push({ path: own.field, block: {}, ttl: own.ttl });
  return marks;
}

const DEPTH_MAX = 12;

function collect(value: JsonValue | undefined, path: string, marks: WireMark[], depth: number): void {
  if (typeof value !== "object" || value === null || depth > DEPTH_MAX) return;
  if (isList(value)) {
    for (const [at, item] of value.entries()) collect(item, `${path}[${at}]`, marks, depth + 1);
    return;
  }
  const mark = markOn(value);
  // What a block is made of comes before its end, which the mark is at.
  for (const field of ["content", "output"]) collect(value[field], `${path}.${field}`, marks, depth + 1);
  if (mark !== undefined) marks.push({ path: `${path}.${mark.field}`, block: value, ttl: mark.ttl });
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function markOn(value: JsonObject): { readonly field: string; readonly ttl: string } | undefined {
  for (const field of ["cache_control", "prompt_cache_breakpoint"]) {
    const mark = value[field];
    if (typeof mark !== "object" || mark === null || isList(mark)) continue;
    const ttl = mark["ttl"];
    return { field, ttl: typeof ttl === "string" ? ttl : "" };
  }
  return undefined;
}

function tooMany(marks: readonly WireMark[], marksMax: number): readonly LintFinding[] {
  const first = marks[marksMax];
  if (first === undefined) return [];
  return [
    finding("warning", "marks-too-many", first, undefined, undefined, `${marks.length} marks; ${marksMax} are allowed`),
  ];
}

function misplaced(marks: readonly WireMark[]): readonly LintFinding[] {
  return marks.flatMap((mark) => {
    const { type, text } = mark.block;
    const isThinking = type === "thinking" || type === "redacted_thinking" || type === "reasoning";
    const isEmpty = typeof text === "string" && text.trim() === "";
    if (!isThinking && !isEmpty) return [];
    const says = isThinking ? `a block of type ${type} cannot bear a mark` : "an empty text cannot bear a mark";
    return [finding("warning", "mark-place", mark, undefined, undefined, says)];
  });
}

const SECONDS: ReadonlyMap<string, number> = new Map([
  ["", 300],
  ["5m", 300],
  ["30m", 1_800],
  ["1h", 3_600],
  ["12h", 43_200],
] satisfies [NonNullable<CacheMark["ttl"]> | "", number][]);

function unknownTtls(marks: readonly WireMark[], contract: MarkContract | undefined): readonly LintFinding[] {
  return marks.flatMap((mark) => {
    const seconds = SECONDS.get(mark.ttl);
    const isKnown =
      mark.ttl === "" || (seconds !== undefined && (contract === undefined || contract.ttlSeconds.includes(seconds)));
    return isKnown
      ? []
      : [finding("warning", "mark-ttl", mark, undefined, undefined, "this lifetime is none that the model has")];
  });
}

function outOfOrder(marks: readonly WireMark[]): readonly LintFinding[] {
  let shortest: WireMark | undefined;
  for (const mark of marks) {
    const seconds = SECONDS.get(mark.ttl) ?? 0;
    if (shortest !== undefined && seconds > (SECONDS.get(shortest.ttl) ?? 0)) {
      const says = `lives for ${mark.ttl}, behind a mark that lives for ${shortest.ttl === "" ? "5m" : shortest.ttl}`;
      return [finding("warning", "mark-order", mark, undefined, undefined, says)];
    }
    shortest = mark;
  }
  return [];
}

/** By the reading's own marks, whose tokens are known, with the wire's paths where there are as many. */
function tooShallow(
  onWire: readonly WireMark[],
  { marks, tokens }: Prefixes,
  tokensMin: number,
  scaled: (tokens: number | undefined) => number,
): readonly LintFinding[] {
  return marks.flatMap(({ place }, at) => {
    const here = scaled(tokens[place]);
    if (here >= tokensMin) return [];
    const path = onWire.length >= marks.length ? (onWire[at]?.path ?? "") : "";
    const says = `about ${here} tokens stand before it; the shortest that is cached has ${tokensMin}`;
    return [finding("warning", "mark-below-minimum", { path }, undefined, undefined, says)];
  });
}
