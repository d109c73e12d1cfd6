/**
 * Cache marks in a client's own body: each on the tool or block that the reading has them on, and nothing else is changed.
 */
import type { CacheMark, ChatRequest, JsonObject, JsonValue, Placed } from "../chat.ts";
import type { Edit, Path } from "../edit.ts";
import { isArray, isObject } from "./anthropic-messages.words.ts";
import type { CachePlacement, Placing } from "./dialect.ts";
import { partedAt, type TextPiece } from "./parted.ts";

export function placing(body: JsonObject, request: ChatRequest, { placed, anew }: CachePlacement): Placing {
  const blocks = blocksOf(body);
  const before = partsBefore(request);
  const edits: Edit[] = anew ? unmarkings(body, blocks) : [];
  const onBlock = new Map<number, Placed[]>();
  const unplaced: Placed[] = [];
  for (const one of placed) {
    const { spot, mark } = one;
    if (spot.kind === "tools") {
      const path = lastTool(body["tools"]);
      if (path === undefined) unplaced.push(one);
      else if (mark !== undefined) edits.push(marking(path, mark));
      continue;
    }
    const at = (before[spot.message] ?? 0) + spot.part;
    const here = onBlock.get(at);
    if (here === undefined) onBlock.set(at, [one]);
    else here.push(one);
  }
  for (const [at, here] of onBlock) {
    const block = blocks[at];
    if (block === undefined) unplaced.push(...here);
    else edits.push(...emptied(blockEdits(anew ? bare(block) : block, here), body));
  }
  return { edits, unplaced };
}

/** A content block, or a text that stands alone where there may be an array of them. */
interface BlockPlace {
  readonly path: Path;
  readonly value: JsonValue;
}

/** In the order of the reading's parts. */
function blocksOf(body: JsonObject): readonly BlockPlace[] {
  const { messages } = body;
  const contents = isArray(messages)
    ? messages.flatMap((message, at) =>
        contentBlocks(isObject(message) ? message["content"] : undefined, ["messages", at, "content"]),
      )
    : [];
  return [...contentBlocks(body["system"], ["system"]), ...contents];
}

function contentBlocks(content: JsonValue | undefined, path: Path): readonly BlockPlace[] {
  if (isArray(content)) return content.map((value, at) => ({ path: [...path, at], value }));
  // An empty system text is none; an empty message is one all the same.
  return typeof content === "string" && (content !== "" || path.length > 1) ? [{ path, value: content }] : [];
}

function bare({ path, value }: BlockPlace): BlockPlace {
  if (!isObject(value) || value["cache_control"] === undefined) return { path, value };
  const { cache_control: _, ...rest } = value;
  return { path, value: rest };
}

/** For each message, how many parts the ones before it have. */
function partsBefore({ messages }: ChatRequest): readonly number[] {
  let parts = 0;
  return messages.map((message) => {
    const before = parts;
    parts += message.parts.length;
    return before;
  });
}

/** The last tool that is part of the prompt; hosted ones are. */
function lastTool(tools: JsonValue | undefined): Path | undefined {
  if (!isArray(tools)) return undefined;
  const at = tools.findLastIndex((tool) => isObject(tool) && tool["defer_loading"] !== true);
  return at === -1 ? undefined : ["tools", at];
}

function blockEdits({ path, value }: BlockPlace, placed: readonly Placed[]): readonly Edit[] {
  const whole = placed.find(({ spot }) => spot.kind === "part")?.mark;
  const text = typeof value === "string" ? value : isObject(value) ? value["text"] : undefined;
  const isParted = typeof text === "string" && placed.some(({ spot }) => spot.kind === "text");
  if (!isParted) {
    if (whole === undefined) return [];
    if (typeof value !== "string") return [marking(path, whole)];
    return [{ op: "set", path, value: [textBlock({ text: value, mark: whole })] }];
  }
  const pieces = partedAt(text, placed);
  if (!isObject(value)) return [aloneParted(path, pieces, whole)];
  const [only] = pieces;
  // Where nothing follows, a mark inside the text is one at its end; the client's own is there already.
  const last = whole ?? (value["cache_control"] === undefined ? pieces.at(-1)?.mark : undefined);
  if (only !== undefined && pieces.length === 1) {
    // A text of nothing but the boundary line; an empty one is refused.
    if (only.text === "") return [{ op: "delete", path }];
    const edit: Edit = { op: "set", path: [...path, "text"], value: only.text };
    return last === undefined ? [edit] : [edit, marking(path, last)];
  }
  // What else the block says, its own mark included, stays at its end, in its own bytes: the other pieces come in before it.
  const before = pieces.slice(0, -1).map((piece): Edit => ({ op: "insert", path, value: textBlock(piece) }));
  const rest: Edit = { op: "set", path: [...path, "text"], value: pieces.at(-1)?.text ?? "" };
  return last === undefined ? [...before, rest] : [...before, rest, marking(path, last)];
}

/** A message in which nothing is left goes as a whole: an empty one is refused. */
function emptied(edits: readonly Edit[], { messages }: JsonObject): readonly Edit[] {
  const [edit] = edits;
  if (edit === undefined || edit.path[0] !== "messages" || !isArray(messages)) return edits;
  const message = messages[Number(edit.path[1])];
  const content = isObject(message) ? message["content"] : undefined;
  const isGone = isArray(content)
    ? edit.op === "delete" && content.length === 1
    : edit.op === "set" && edit.value === "" && content !== "";
  return isGone ? [{ op: "delete", path: edit.path.slice(0, 2) }] : edits;
}

/** A text that stands alone becomes an array where it is parted or marked. */
function aloneParted(path: Path, pieces: readonly TextPiece[], whole: CacheMark | undefined): Edit {
  const [only] = pieces;
  if (pieces.length === 1 && only?.mark === undefined && whole === undefined)
    return { op: "set", path, value: only?.text ?? "" };
  const last = pieces.length - 1;
  return {
    op: "set",
    path,
    value: pieces.map((piece, index) => textBlock(index === last ? { ...piece, mark: whole ?? piece.mark } : piece)),
  };
}

function textBlock({ text, mark }: TextPiece): JsonObject {
  return { type: "text", text, ...marked(mark) };
}

function marked(mark: CacheMark | undefined): JsonObject {
  return mark === undefined ? {} : { cache_control: wireMark(mark) };
}

function marking(path: Path, mark: CacheMark): Edit {
  return { op: "set", path: [...path, "cache_control"], value: wireMark(mark) };
}

function wireMark({ ttl }: CacheMark): JsonObject {
  return { type: "ephemeral", ...(ttl === undefined || ttl === "5m" ? {} : { ttl }) };
}

/** Every mark of the client's: on the request, on tools, on blocks and on what is inside of results. */
function unmarkings(body: JsonObject, blocks: readonly BlockPlace[]): Edit[] {
  const tools = isArray(body["tools"])
    ? body["tools"].map((value, at): BlockPlace => ({ path: ["tools", at], value }))
    : [];
  const all = [{ path: [], value: body }, ...tools, ...blocks.flatMap(withInner)];
  return all.flatMap(({ path, value }): Edit[] =>
    isObject(value) && value["cache_control"] !== undefined ? [{ op: "delete", path: [...path, "cache_control"] }] : [],
  );
}

function withInner({ path, value }: BlockPlace): readonly BlockPlace[] {
  const content = isObject(value) ? value["content"] : undefined;
  if (!isArray(content)) return [{ path, value }];
  return [{ path, value }, ...content.map((inner, at) => ({ path: [...path, "content", at], value: inner }))];
}
