/**
 * A client's own body at its cache boundary: breakpoints on content parts, the key, and whether more than the breakpoints is cached.
 * Both of OpenAI's APIs have the same words for it, and so has Mistral for the key.
 */
import type { CacheMark, ChatRequest, JsonObject, JsonValue, Placed } from "../chat.ts";
import type { Edit, Path } from "../edit.ts";
import type { CachePlacement, MarkStyle, Placing } from "./dialect.ts";
import { isArray, isObject } from "./openai-chat.words.ts";
import { partedAt, type TextPiece } from "./parted.ts";

/** For Chat Completions, whose messages are the reading's. */
export function placing(body: JsonObject, _request: ChatRequest, placement: CachePlacement): Placing {
  const messages = isArray(body["messages"]) ? body["messages"] : [];
  const contents = messages.map((message, at): Content | undefined =>
    isObject(message) && message["role"] !== "assistant"
      ? {
          path: ["messages", at, "content"],
          value: message["content"],
          isResult: typeof message["tool_call_id"] === "string",
        }
      : undefined,
  );
  return placingOf(body, contents, "text", placement);
}

/** Where nothing is marked: the key, and what the client's boundary line parts. */
export function keyPlacing(body: JsonObject, request: ChatRequest, placement: CachePlacement): Placing {
  const messages = isArray(body["messages"]) ? body["messages"] : [];
  const wire = messages.flatMap((message, at): readonly Content[] =>
    isObject(message) && /^(?:system|developer)$/i.test(String(message["role"]))
      ? [{ path: ["messages", at, "content"], value: message["content"], isResult: false }]
      : [],
  );
  const systems = request.messages.flatMap(({ role }, at) => (role === "system" ? [at] : []));
  const contents: (Content | undefined)[] = request.messages.map(() => undefined);
  // Messages that the reading does not take for the same: then no place is certain.
  if (systems.length === wire.length) for (const [index, at] of systems.entries()) contents[at] = wire[index];
  return placingOf(body, contents, "text", { ...placement, anew: false });
}

/** A text that can be nothing but a text: the boundary line is left out, and nothing is marked. */
export function plainEdits(path: Path, text: string, placed: readonly Placed[]): readonly Edit[] {
  const said = partedAt(text, placed)
    .map((piece) => piece.text)
    .join("");
  return said === text ? [] : [{ op: "set", path, value: said }];
}

/** What one message says to the model. */
export interface Content {
  readonly path: Path;
  readonly value: JsonValue | undefined;
  /** A tool's result is one part of the reading, whatever it holds. */
  readonly isResult: boolean;
  /** Whether it can be nothing but a text, so that nothing in it is marked. */
  readonly isPlain?: boolean;
}

/** What is said of the request as a whole. */
function wholePlacing(body: JsonObject, { key, marksOnly, style }: CachePlacement): readonly Edit[] {
  const options = body["prompt_cache_options"];
  const isSaid = isObject(options) && options["mode"] !== undefined;
  const edit: Edit = isObject(options)
    ? { op: "set", path: ["prompt_cache_options", "mode"], value: MARKS_ONLY["mode"] }
    : { op: "set", path: ["prompt_cache_options"], value: MARKS_ONLY };
  return [
    ...(key === undefined || typeof body["prompt_cache_key"] === "string"
      ? []
      : [{ op: "set", path: ["prompt_cache_key"], value: key } as const]),
    ...(marksOnly && style === "prompt_cache_breakpoint" && !isSaid ? [edit] : []),
  ];
}

export const MARKS_ONLY = { mode: "explicit" } as const;

/** @param contents By the reading's message. @param textType What a text part is called. */
export function placingOf(
  body: JsonObject,
  contents: readonly (Content | undefined)[],
  textType: string,
  placement: CachePlacement,
): Placing {
  const { placed, anew, style } = placement;
  const edits: Edit[] = [...wholePlacing(body, placement), ...(anew ? contents.flatMap(unmarkings) : [])];
  const unplaced: Placed[] = [];
  const byMessage = Map.groupBy(placed, ({ spot }) => (spot.kind === "tools" ? -1 : spot.message));
  for (const [message, here] of byMessage) {
    const content = contents[message];
    if (content === undefined) unplaced.push(...here);
    else if (content.isPlain === true) {
      unplaced.push(...here.filter(({ mark }) => mark !== undefined));
      if (typeof content.value === "string") edits.push(...plainEdits(content.path, content.value, here));
    } else edits.push(...messageEdits(content, here, { textType, style, anew }));
  }
  return { edits, unplaced };
}

interface Wire {
  readonly textType: string;
  readonly style: MarkStyle | undefined;
  readonly anew: boolean;
}

function messageEdits({ path, value, isResult }: Content, placed: readonly Placed[], wire: Wire): readonly Edit[] {
  if (typeof value === "string") return aloneEdits(path, value, placed, wire);
  if (!isArray(value)) return [];
  const byPart = Map.groupBy(placed, ({ spot }) => (spot.kind === "tools" ? -1 : spot.part));
  return value.flatMap((part, at): readonly Edit[] => {
    const here = isResult ? (at === lastText(value) ? placed : []) : (byPart.get(at) ?? []);
    return here.length === 0 || !isObject(part)
      ? []
      : partEdits([...path, at], wire.anew ? bare(part) : part, here, wire);
  });
}

/** A text that stands alone becomes a list of parts where it is parted or marked. */
function aloneEdits(path: Path, text: string, placed: readonly Placed[], wire: Wire): readonly Edit[] {
  const whole = wholeMark(placed);
  const pieces = partedAt(text, placed);
  const [only] = pieces;
  if (pieces.length === 1 && only?.mark === undefined && whole === undefined)
    return only?.text === text ? [] : [{ op: "set", path, value: only?.text ?? "" }];
  const last = pieces.length - 1;
  const parts = pieces.map((piece, at) =>
    textPart(at === last ? { ...piece, mark: whole ?? piece.mark } : piece, wire),
  );
  return [{ op: "set", path, value: parts }];
}

function partEdits(path: Path, part: JsonObject, placed: readonly Placed[], wire: Wire): readonly Edit[] {
  const { text } = part;
  const pieces = typeof text === "string" ? partedAt(text, placed) : [];
  const isOwn = wire.style !== undefined && part[wire.style] !== undefined;
  // Where nothing follows, a mark inside the text is one at its end; the client's own is there already.
  const whole = wholeMark(placed) ?? (isOwn ? undefined : pieces.at(-1)?.mark);
  const marking: readonly Edit[] =
    whole === undefined || wire.style === undefined
      ? []
      : [{ op: "set", path: [...path, wire.style], value: wireMark(whole, wire.style) }];
  if (typeof text !== "string" || placed.every(({ spot }) => spot.kind !== "text")) return marking;
  if (pieces.length === 1) return [{ op: "set", path: [...path, "text"], value: pieces[0]?.text ?? "" }, ...marking];
  // What else the part says, its own mark included, stays at its end, in its own bytes: the other pieces come in before it.
  const before = pieces.slice(0, -1).map((piece): Edit => ({ op: "insert", path, value: textPart(piece, wire) }));
  return [...before, { op: "set", path: [...path, "text"], value: pieces.at(-1)?.text ?? "" }, ...marking];
}

function wholeMark(placed: readonly Placed[]): CacheMark | undefined {
  return placed.find(({ spot }) => spot.kind === "part")?.mark;
}

function lastText(parts: readonly JsonValue[]): number {
  return parts.findLastIndex((part) => isObject(part) && typeof part["text"] === "string" && part["text"] !== "");
}

function textPart({ text, mark }: TextPiece, wire: Wire): JsonObject {
  return { type: wire.textType, text, ...marked(mark, wire) };
}

function marked(mark: CacheMark | undefined, { style }: Wire): JsonObject {
  return mark === undefined || style === undefined ? {} : { [style]: wireMark(mark, style) };
}

function wireMark({ ttl }: CacheMark, style: MarkStyle): JsonObject {
  const form = style === "cache_control" ? { type: "ephemeral" } : { mode: "explicit" };
  return { ...form, ...(ttl === undefined ? {} : { ttl }) };
}

const MARKS = ["prompt_cache_breakpoint", "cache_control"] as const;

function bare(part: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(part).filter(([key]) => !(MARKS as readonly string[]).includes(key)));
}

function unmarkings(content: Content | undefined): readonly Edit[] {
  if (content === undefined || !isArray(content.value)) return [];
  return content.value.flatMap((part, at) =>
    isObject(part)
      ? MARKS.filter((key) => part[key] !== undefined).map((key): Edit => ({
          op: "delete",
          path: [...content.path, at, key],
        }))
      : [],
  );
}
