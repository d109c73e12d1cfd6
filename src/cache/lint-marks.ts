/** A request's cache marks as they stand on its wire, and what is wrong with them. */
import type { CacheMark, JsonObject, JsonValue } from "../chat.ts";
import type { CacheContract } from "../model.ts";
import { note, warning, type LintFinding } from "./lint-findings.ts";
import { isMarksOnly, modelTokens, type SentBody } from "./lint-reads.ts";
import type { Handling } from "./lint-sluice.ts";
import { ENDS_ITSELF, type MarkContract } from "./sent-marks.ts";

type MarkField = MarkContract["style"];
const MARKS: readonly MarkField[] = ["cache_control", "prompt_cache_breakpoint"];

export interface WireMark {
  readonly path: string;
  readonly field: MarkField;
  /** What it is on. */
  readonly block: JsonObject;
  readonly ttl: string;
}

/** In the order of the prompt: tools, system, messages; the request's own mark last. */
export function marksIn(body: JsonObject): readonly WireMark[] {
  const marks: WireMark[] = [];
  for (const field of ["tools", "system", "instructions", "messages", "input"]) collect(body[field], field, marks, 0);
  const own = markOn(body);
  if (own !== undefined) marks.push({ path: own.field, field: own.field, block: {}, ttl: own.ttl });
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
  if (mark !== undefined) marks.push({ path: `${path}.${mark.field}`, ...mark, block: value });
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function markOn(value: JsonObject): { readonly field: MarkField; readonly ttl: string } | undefined {
  for (const field of MARKS) {
    const mark = value[field];
    if (typeof mark !== "object" || mark === null || isList(mark)) continue;
    const ttl = mark["ttl"];
    return { field, ttl: typeof ttl === "string" ? ttl : "" };
  }
  return undefined;
}

/** Whether all of them are of a kind that the model's provider does not read where it gets them as they are. */
export function areForeign(marks: readonly WireMark[], cache: CacheContract | undefined, handling: Handling): boolean {
  return marks.length > 0 && foreign(marks, cache, handling).length === marks.length;
}

function foreign(
  marks: readonly WireMark[],
  cache: CacheContract | undefined,
  { isTranslated }: Handling,
): readonly WireMark[] {
  if (cache === undefined || isTranslated !== false) return [];
  const style = cache.kind === "marks" ? cache.style : undefined;
  return marks.filter(({ field }) => field !== style);
}

export function wrongMarks(sent: SentBody, marks: readonly WireMark[], handling: Handling): readonly LintFinding[] {
  const cache = sent.record?.cache;
  const [strange] = foreign(marks, cache, handling);
  if (strange !== undefined) {
    const says = "this model's cache is not told by such a mark; its provider ignores it, or refuses the request";
    return [warning("mark-foreign", strange.path, says, "leave it out")];
  }
  const contract = cache?.kind === "marks" ? cache : undefined;
  const wrong = [
    ...tooMany(sent, marks, contract),
    ...marks.flatMap(misplaced),
    ...unknownTtls(marks, contract),
    ...outOfOrder(marks),
  ];
  const isMended = handling.mode === "improve" || handling.isTranslated === true;
  return [
    ...wrong.map((one) => (isMended ? ({ ...one, level: "note", advice: `${one.advice}; ${MENDED}` } as const) : one)),
    ...(contract === undefined ? [] : tooShallow(sent, marks, contract)),
  ];
}

const MENDED = "as Sluice sends it, only what the provider takes is left";

/** What providers that know marks have in common, for a model that is not known. */
const MARKS_MAX = 4;

function tooMany(
  { body }: SentBody,
  marks: readonly WireMark[],
  contract: MarkContract | undefined,
): readonly LintFinding[] {
  const marksMax = contract?.maxMarks ?? MARKS_MAX;
  if (!marks.some(({ field }) => field === ENDS_ITSELF)) {
    const first = marks[marksMax];
    if (first === undefined) return [];
    const says = `${marks.length} marks; with more than ${marksMax} the request is refused`;
    return [warning("marks-too-many", first.path, says, FIRST_ONES)];
  }
  const written = isMarksOnly(body) ? marksMax : marksMax - 1;
  const [first] = marks;
  if (first === undefined || marks.length <= written) return [];
  const says = `${marks.length} marks, of which the last ${written} are written${isMarksOnly(body) ? "" : ", beside the one that the model sets at the end"}`;
  return [note("marks-too-many", first.path, says, FIRST_ONES)];
}

const FIRST_ONES = "leave out the first ones: the later ones cover what they cover";

function misplaced({ block, field, path }: WireMark): readonly LintFinding[] {
  const { type, text } = block;
  const kind = typeof type === "string" ? type : "";
  const says = UNMARKABLE.has(kind)
    ? `a block of type ${kind} cannot bear a mark`
    : typeof text === "string" && text.trim() === ""
      ? "an empty text cannot bear a mark"
      : block["defer_loading"] === true
        ? "a tool that is only offered cannot bear a mark"
        : field === ENDS_ITSELF && (path.startsWith("tools[") || UNBROKEN.has(kind))
          ? "this mark is taken on content parts that are said to the model only"
          : undefined;
  return says === undefined ? [] : [warning("mark-place", path, says, "set it on the block before")];
}

const UNMARKABLE: ReadonlySet<string> = new Set(["thinking", "redacted_thinking", "reasoning"]);
const UNBROKEN: ReadonlySet<string> = new Set(["output_text", "function_call", "custom_tool_call"]);

const SECONDS: ReadonlyMap<string, number> = new Map([
  ["5m", 300],
  ["30m", 1_800],
  ["1h", 3_600],
  ["12h", 43_200],
] satisfies [NonNullable<CacheMark["ttl"]>, number][]);

/** What a mark's own kind may say, beside what the model's record has. */
const LIFETIMES: Readonly<Record<MarkField, readonly string[]>> = {
  cache_control: ["5m", "1h"],
  prompt_cache_breakpoint: ["30m", "12h"],
};

function unknownTtls(marks: readonly WireMark[], contract: MarkContract | undefined): readonly LintFinding[] {
  return marks.flatMap(({ ttl, field, path }) => {
    const seconds = SECONDS.get(ttl);
    const isKnown = seconds !== undefined && contract?.ttlSeconds.includes(seconds) === true;
    if (ttl === "" || isKnown || LIFETIMES[field].includes(ttl)) return [];
    const lifetimes = LIFETIMES[field].map((one) => `\`${one}\``).join(" and ");
    const says = `there is no lifetime of ${JSON.stringify(ttl)}; there are ${lifetimes}`;
    return [warning("mark-ttl", path, says, "say one of those, or none")];
  });
}

function outOfOrder(marks: readonly WireMark[]): readonly LintFinding[] {
  const ordered = marks.filter(({ field }) => field !== ENDS_ITSELF);
  for (const [at, { ttl, path }] of ordered.entries()) {
    const before = ordered[at - 1];
    if (before === undefined || ttl !== "1h" || before.ttl === "1h") continue;
    const says = `lives for 1h, behind a mark that lives for ${before.ttl === "" ? "5m" : before.ttl}: such a request is refused`;
    return [warning("mark-order", path, says, "set the marks that live longer before those that live shorter")];
  }
  return [];
}

/** By the reading's own marks, whose tokens are known, with the wire's paths where each is one of those. */
function tooShallow(
  sent: SentBody,
  onWire: readonly WireMark[],
  { minTokens, style }: MarkContract,
): readonly LintFinding[] {
  const { body, prefixes, request } = sent;
  const { marks } = prefixes;
  const deepest = modelTokens(sent, (marks.at(-1)?.place ?? -1) + 1);
  const isCovered =
    deepest >= minTokens || request.cache !== undefined || (style === ENDS_ITSELF && !isMarksOnly(body));
  const blocks = request.cache === undefined ? onWire : onWire.slice(0, -1);
  return marks.flatMap(({ place, isWithin }, at) => {
    const here = modelTokens(sent, place + 1);
    if (here >= minTokens || isWithin) return [];
    const path = blocks.length === marks.length ? (blocks[at]?.path ?? "") : "";
    const says = `about ${here} tokens stand before it, and this model caches no prefix under ${minTokens}: it does nothing`;
    return [(isCovered ? note : warning)(BELOW, path, says, "set it further behind, or leave it out")];
  });
}

export const BELOW = "mark-below-minimum";
