/**
 * Lines of a prompt's system text that change by themselves, moved behind everything that the prompt says, so that what they stood
 * among is the same from prompt to prompt. For classes of tasks whose operator asks for it, by rules that the operator lists.
 *
 * Where they are moved to is a matter of money. A provider reads from its cache up to the first byte that differs. At the end of the
 * system text a line that changes would still stand before all messages, and each turn would pay the whole history again; and in
 * another turn than the last one it would have to be taken away from there by the next request, which pays everything since. At the
 * prompt's very end nothing stands behind it: the next request has the same bytes up to there, and what is paid again is the line itself.
 *
 * What is moved is a line: the smallest piece of which the rest still reads well, and which can be put elsewhere without being
 * written anew. A rule of ours takes a line only if it is short and one sentence, as instructions would go with a longer one.
 */
import type { CacheMark, ChatRequest, Message, Part, TextPart } from "../chat.ts";
import { MOVED_APART } from "../dialects/movable.ts";
import { Fences } from "./boundary.ts";
import { changingPieces, isCalledCurrent, isCalledId, type ChangingPiece } from "./changing.ts";
import { linePattern, type LinePattern, type Work } from "./line-pattern.ts";

/** What stands above the lines that were moved. The model reads it. */
export const MOVED_HEADING = "[Part of the system prompt, moved here unchanged:]";

/** Rules that need no pattern. The first one that takes a line counts it. */
export const MOVE_RULES = ["timestamps", "uuids", "ids"] as const;
export type MoveRule = (typeof MOVE_RULES)[number];

/** For one class of tasks. */
export interface MoveRow {
  readonly rules: readonly MoveRule[];
  /** Regular expressions for lines. */
  readonly patterns: readonly string[];
}

/** By class; `*` is every other call, and those of no class. */
export type MoveRows = Readonly<Record<string, MoveRow>>;
export const ANY_CLASS = "*";

export interface Moved {
  /** The system texts without the lines. */
  readonly left: readonly string[];
  /** The lines under their heading. */
  readonly text: string;
  /** How many each rule took: of all patterns together, as `patterns`. */
  readonly counts: ReadonlyMap<MovedBy, number>;
}
export type MovedBy = MoveRule | "patterns";

export interface Mover {
  /** @returns `undefined` where no line is taken. The same texts, the same result. */
  move(texts: readonly string[]): Moved | undefined;
}

/** A line that is longer is left where it is, whatever matches it. */
const LINE_CHARACTERS_MAX = 512;
/** One that a rule of ours takes: a date and a few words. */
const RULED_CHARACTERS_MAX = 160;
/** What patterns may spend on one prompt: lines that are beyond it stay. Only patterns that are made for it need so much. */
const PATTERN_STEPS_MAX = 4_000_000;
/** How much of a prompt's system text is looked through. */
const TEXT_CHARACTERS_MAX = 131_072;

/**
 * @param boundaryLine The client's own line in system text, which stays.
 * @returns For each class its mover; `undefined` for a class of which nothing is moved.
 */
export function createMovers(
  rows: MoveRows,
  boundaryLine: string,
): (className: string | undefined) => Mover | undefined {
  const movers = new Map(Object.entries(rows).map(([name, row]) => [name, moverOf(row, boundaryLine)] as const));
  return (className) => {
    const own = className !== undefined && movers.has(className) ? className : ANY_CLASS;
    return movers.get(own);
  };
}

function moverOf({ rules, patterns }: MoveRow, boundaryLine: string): Mover | undefined {
  if (rules.length === 0 && patterns.length === 0) return undefined;
  const known = MOVE_RULES.filter((rule) => rules.includes(rule));
  const own = patterns.map(linePattern);
  return {
    move(texts) {
      const lines: string[] = [];
      const counts = new Map<MovedBy, number>();
      const work = { stepsLeft: PATTERN_STEPS_MAX };
      let charactersLeft = TEXT_CHARACTERS_MAX;
      const left = texts.map((text) => {
        const looked = wholeLines(text, Math.max(0, charactersLeft));
        charactersLeft -= text.length;
        return withoutLines(looked, (line) => {
          const by = line.trim() === boundaryLine ? undefined : takenBy(line, known, own, work);
          if (by === undefined) return false;
          counts.set(by, (counts.get(by) ?? 0) + 1);
          lines.push(line);
          return true;
        }).concat(text.slice(looked.length));
      });
      return lines.length === 0 ? undefined : { left, text: [MOVED_HEADING, ...lines].join("\n"), counts };
    },
  };
}

/** No line is cut: part of one may look like another. */
function wholeLines(text: string, characters: number): string {
  return text.length <= characters ? text : text.slice(0, text.lastIndexOf("\n", characters - 1) + 1);
}

/** Each line outside of fenced code that is taken goes with its line's end. */
function withoutLines(text: string, isTaken: (line: string) => boolean): string {
  let left = "";
  for (const { whole, line } of linesOf(text)) if (line === undefined || !isTaken(line)) left += whole;
  return left;
}

interface Line {
  readonly start: number;
  /** With its end. */
  readonly whole: string;
  /** Without; `undefined`: it stays where it is, as it is blank, too long, or code. */
  readonly line: string | undefined;
}

function* linesOf(text: string): Generator<Line> {
  const fences = new Fences();
  for (let start = 0; start < text.length;) {
    const found = text.indexOf("\n", start);
    const end = found === -1 ? text.length : found + 1;
    const whole = text.slice(start, end);
    const line = whole.replace(/\r?\n$/, "");
    const stays = fences.isCode(line) || line.trim() === "" || line.length > LINE_CHARACTERS_MAX;
    yield { start, whole, line: stays ? undefined : line };
    start = end;
  }
}

function takenBy(
  line: string,
  rules: readonly MoveRule[],
  patterns: readonly LinePattern[],
  work: Work,
): MovedBy | undefined {
  const rule = rules.find((one) => isRuled(line, one));
  return rule ?? (patterns.some((pattern) => pattern.test(line, work)) ? "patterns" : undefined);
}

/** The rule of ours that takes the line at this place of a system text; `undefined`: none does. */
export function moveRuleAt(text: string, offset: number): MoveRule | undefined {
  for (const { start, whole, line } of linesOf(text)) {
    if (start + whole.length > offset)
      return line === undefined ? undefined : MOVE_RULES.find((rule) => isRuled(line, rule));
  }
  return undefined;
}

/** A sentence that ends inside of the line: what comes before or after it may be more than what changes. "Nov. 25" and "a.m. UTC" do not. */
const SENTENCES = /[^\s.]{2}[.!?]["')]*\s+["'(]*\p{L}|[。！？]./u;

/** Most lines have nothing of what is looked for, which takes longer: a digit, or the name of a day. */
const MAY_CHANGE = /\d|day/;

function isRuled(line: string, rule: MoveRule): boolean {
  if (line.length > RULED_CHARACTERS_MAX || !MAY_CHANGE.test(line) || SENTENCES.test(line)) return false;
  return changingPieces(line).some((piece) => RULED[rule](line, piece));
}

const RULED: Readonly<Record<MoveRule, (line: string, piece: ChangingPiece) => boolean>> = {
  /** Called the current one, or a date with its time of day, or seconds since 1970: another date may be what the prompt is about. */
  timestamps: (line, { kind, start, end }) =>
    kind === "timestamp" && (isCalledCurrent(line, start) || isMoment(line.slice(start, end))),
  uuids: (_line, { kind }) => kind === "uuid",
  /** What looks random and is called an id; of digits alone, a long one. */
  ids: (line, { kind, start, end }) =>
    (kind === "nonce" || (kind === "counter" && end - start >= ID_DIGITS_MIN)) && isCalledId(line, start),
};

const ID_DIGITS_MIN = 6;

function isMoment(text: string): boolean {
  return /^\d{10,}$/.test(text) || (/\d{1,2}:\d{2}/.test(text) && /\d{4}|[A-Z][a-z]{2}/.test(text));
}

/** The texts that may be left and moved: the system text that a prompt begins with, in its order. */
export function systemTexts({ messages }: Pick<ChatRequest, "messages">): readonly string[] {
  return opening(messages).flatMap(({ parts }) =>
    (parts as readonly Part[]).flatMap((part) => (part.type === "text" && part.text !== "" ? [part.text] : [])),
  );
}

/**
 * The reading as it is with the lines moved. What stands at the end is no part of any prefix that comes back, so no prefix has it.
 *
 * @param moved Of this request's {@link systemTexts}.
 */
export function movedRequest(request: ChatRequest, { left, text }: Moved): ChatRequest {
  const { messages, cache, ...rest } = request;
  const system = opening(messages);
  let at = 0;
  const shorter = system.map((message): Message => {
    const parts = (message.parts as readonly Part[]).flatMap((part): readonly Part[] => {
      if (part.type !== "text" || part.text === "") return [part];
      const said = left[at] ?? part.text;
      at += 1;
      return said === part.text ? [part] : [{ ...part, text: said }];
    });
    return { ...message, parts: withoutEmptied(parts, message.parts) } as Message;
  });
  const others = messages.slice(system.length);
  return { ...rest, messages: [...shorter, ...withTail(others, text, cache)] };
}

/** The reading without what was moved to its end: as its client says it, and again in its next request. */
export function withoutTail(request: ChatRequest): ChatRequest {
  const last = request.messages.at(-1);
  if (last === undefined) return request;
  const parts = (last.parts as readonly Part[]).filter((part) => part.type !== "text" || part.volatile !== true);
  const said = parts.length === 0 ? [] : [{ ...last, parts } as Message];
  return { ...request, messages: [...request.messages.slice(0, -1), ...said] };
}

function opening(messages: readonly Message[]): readonly Message[] {
  const first = messages.findIndex(({ role }) => role !== "system");
  return messages.slice(0, first === -1 ? messages.length : first);
}

/** A text of which nothing is left goes, and its mark is set where the prefix that it ended ends now. */
function withoutEmptied(parts: readonly Part[], before: readonly Part[]): readonly Part[] {
  const kept: Part[] = [];
  for (const [at, part] of parts.entries()) {
    if (!isEmptied(part, before[at])) kept.push(part);
    else if (part.cache !== undefined) {
      const last = kept.pop();
      if (last !== undefined) kept.push({ cache: part.cache, ...last });
    }
  }
  return kept;
}

function isEmptied(part: Part, before: Part | undefined): boolean {
  return part !== before && part.type === "text" && part.text.trim() === "";
}

/**
 * Behind what the user says; behind a tool's result as the user's next words.
 *
 * @param cache A mark on the request as a whole, which is one at its end: that is before what was moved.
 */
function withTail(messages: readonly Message[], text: string, cache: CacheMark | undefined): readonly Message[] {
  const last = messages.at(-1);
  const before = messages.slice(0, -1);
  const tail = (said: string): TextPart => ({ type: "text", text: said, volatile: true });
  if (last === undefined) return [{ role: "user", parts: [tail(text)] }];
  const marked = cache === undefined ? last : ({ ...last, parts: endMarked(last.parts, cache) } as Message);
  return marked.role === "user"
    ? [...before, { ...marked, parts: [...marked.parts, tail(`${MOVED_APART}${text}`)] }]
    : [...before, marked, { role: "user", parts: [tail(text)] }];
}

function endMarked(parts: readonly Part[], cache: CacheMark): readonly Part[] {
  const last = parts.at(-1);
  return last === undefined ? parts : [...parts.slice(0, -1), { cache, ...last }];
}
