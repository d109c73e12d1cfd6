/**
 * Marks in a request's reading: where they may stand, and the reading with them. What a dialect's own bytes look like with the same
 * marks is its own to say (`Dialect.marks`).
 */
import type { CacheMark, ChatRequest, Message, Part, Placed, Spot, TextPart, Tool } from "../chat.ts";
import type { CacheContract } from "../model.ts";
import type { CachePlacement } from "../dialects/dialect.ts";
import { partedAt } from "../dialects/parted.ts";
import { MARKS, type Prefixes } from "./prefixes.ts";

type MarkContract = Extract<CacheContract, { kind: "marks" }>;

/** 1 for each place where a mark can be put for a model of this contract. @param isTranslated Whether it is written in another dialect. */
export function markablePlaces(
  request: ChatRequest,
  { spots }: Prefixes,
  contract: MarkContract,
  isTranslated: boolean,
): Uint8Array {
  return Uint8Array.from(spots, (spot) => (isMarkable(request, spot, contract, isTranslated) ? 1 : 0));
}

function isMarkable(request: ChatRequest, spot: Spot, contract: MarkContract, isTranslated: boolean): boolean {
  const marksBlocks = contract.style === "cache_control";
  if (spot.kind === "tools") return marksBlocks && lastRendered(request.tools)?.type === "function";
  const message = request.messages[spot.message];
  const part = message?.parts[spot.part];
  if (message === undefined || part === undefined) return false;
  if (!isTranslated && message.role === "system" && message.isUnmarkable === true) return false;
  if (spot.kind === "text") return contract.splitsText === true && part.type === "text" && spot.end > 0;
  // Where content parts bear marks, only what is said to the model is made of them.
  if (!marksBlocks && message.role === "assistant") return false;
  switch (part.type) {
    case "text":
      return part.text.trim() !== "";
    case "image":
    case "document":
      return true;
    case "audio":
      return !marksBlocks;
    case "tool-call":
      return marksBlocks;
    case "tool-result":
      return marksBlocks || part.content.some((inner) => inner.type === "text" && inner.text !== "");
    case "reasoning":
    case "refusal":
    case "opaque":
      return false;
  }
}

function lastRendered(tools: readonly Tool[]): Tool | undefined {
  return tools.findLast((tool) => tool.type === "opaque" || tool.deferred !== true);
}

/** Whether the client has said itself how its prompt is to be cached. */
export function isMarked({ cache, saysCaching, messages, tools }: ChatRequest): boolean {
  return (
    cache !== undefined ||
    saysCaching === true ||
    tools.some(isMarkedTool) ||
    messages.some(({ parts }) => parts.some(isMarkedPart))
  );
}

function isMarkedTool(tool: Tool): boolean {
  return tool.type === "function"
    ? tool.cache !== undefined
    : MARKS.some((mark) => (tool.value[mark] ?? null) !== null);
}

function isMarkedPart(part: Part): boolean {
  return part.cache !== undefined || (part.type === "tool-result" && part.content.some(isMarkedPart));
}

/** Marks on tools that are only offered: none is taken there. */
export function deferredMarks({ tools }: Pick<ChatRequest, "tools">): number {
  return tools.filter((tool) => tool.type === "function" && tool.deferred === true && tool.cache !== undefined).length;
}

/** The reading without the client's own marks. */
function withoutMarks(request: ChatRequest): ChatRequest {
  if (!isMarked(request)) return request;
  const { cache: _, ...rest } = request;
  return {
    ...rest,
    tools: request.tools.map((tool) => (tool.type === "function" ? bare(tool) : tool)),
    messages: request.messages.map(
      (message) => ({ ...message, parts: (message.parts as readonly Part[]).map(barePart) }) as Message,
    ),
  };
}

function barePart(part: Part): Part {
  return part.type === "tool-result" ? { ...bare(part), content: part.content.map(barePart) } : bare(part);
}

function bare<Marked extends { readonly cache?: CacheMark }>(value: Marked): Omit<Marked, "cache"> & Marked {
  if (value.cache === undefined) return value;
  const { cache: _, ...rest } = value;
  return rest as Omit<Marked, "cache"> & Marked;
}

/** The reading as it is to be written for a target. */
export function placedRequest(request: ChatRequest, { placed, anew, marksOnly, key }: CachePlacement): ChatRequest {
  return {
    ...withMarks(anew ? withoutMarks(request) : request, placed),
    ...(key === undefined ? {} : { promptCacheKey: key }),
    ...(marksOnly ? { marksOnly } : {}),
  };
}

/** The reading with these marks as well, parted where they stand inside a text. @param placed Shallow to deep. */
function withMarks(request: ChatRequest, placed: readonly Placed[]): ChatRequest {
  if (placed.length === 0) return request;
  const onTools = placed.find(({ spot }) => spot.kind === "tools");
  const byMessage = Map.groupBy(
    placed.filter(({ spot }) => spot.kind !== "tools"),
    ({ spot }) => (spot.kind === "tools" ? -1 : spot.message),
  );
  return {
    ...request,
    ...(onTools === undefined ? {} : { tools: markedTools(request.tools, onTools.mark) }),
    messages: request.messages.map((message, at) => {
      const here = byMessage.get(at);
      return here === undefined ? message : ({ ...message, parts: markedParts(message.parts, here) } as Message);
    }),
  };
}

function markedTools(tools: readonly Tool[], mark: CacheMark | undefined): readonly Tool[] {
  const last = lastRendered(tools);
  return tools.map((tool) =>
    tool === last && tool.type === "function" && mark !== undefined ? { ...tool, cache: mark } : tool,
  );
}

function markedParts(parts: readonly Part[], placed: readonly Placed[]): readonly Part[] {
  const byPart = Map.groupBy(placed, ({ spot }) => (spot.kind === "tools" ? -1 : spot.part));
  return parts.flatMap((part, at): readonly Part[] => {
    const here = byPart.get(at) ?? [];
    const mark = here.find(({ spot }) => spot.kind === "part")?.mark;
    const whole = mark === undefined ? part : { ...part, cache: mark };
    return whole.type === "text" ? partedText(whole, here) : [whole];
  });
}

function partedText(part: TextPart, placed: readonly Placed[]): readonly Part[] {
  const pieces = partedAt(part.text, placed);
  return pieces.map(({ text, mark }, index) => {
    const marked = mark === undefined ? {} : { cache: mark };
    return index === pieces.length - 1 ? { ...marked, ...part, text } : { type: "text", text, ...marked };
  });
}
