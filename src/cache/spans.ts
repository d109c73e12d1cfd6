/**
 * A prompt as the pieces that people can point at: each has a path, in the words of the reading, and the text that the model is shown.
 *
 * A path is `tools[3].parameters`, `system[1]` (the parts of the system text that the prompt begins with, counted through) or
 * `messages[4].content[0]`. Where the wire has its system text among the messages, the paths have it there, too.
 */
import type { CacheMark, ChatRequest, Message, Part } from "../chat.ts";
import { partText } from "./opening.ts";
import { unmarked } from "./prefixes.ts";

export interface Span {
  readonly path: string;
  readonly kind: SpanKind;
  /** Of the tool or message that it is in, in the request's own list; a tool's three spans have the same one. */
  readonly at: number;
  /** The part within that message; 0 for tools. */
  readonly part: number;
  /** What else tells it from another piece: who says it, and of a call its function. */
  readonly head: string;
  /** Written when it is asked for: of most pieces it never is. */
  readonly text: string;
  /** Whether it is noise that its client changes and that says nothing: no hash of a prefix has it. */
  readonly isVolatile: boolean;
  readonly mark: CacheMark | undefined;
}

export type SpanKind =
  | "tool-name"
  | "tool-description"
  | "tool-parameters"
  | "tool"
  | "system"
  | "text"
  | "tool-call"
  | "tool-result"
  | "image"
  | "other";

/** Pieces of one prompt; what is behind them is not looked at. */
export const SPANS_MAX = 4_096;

/** @param systemApart Whether the client's wire has a place of its own for the system text that a prompt begins with. */
export function spansOf(request: ChatRequest, systemApart = true): readonly Span[] {
  const spans: Span[] = [];
  toolSpans(request, spans);
  const { messages } = request;
  const firstOther = messages.findIndex((message) => message.role !== "system");
  const opening = firstOther === -1 ? messages.length : firstOther;
  let systemParts = 0;
  for (const [at, message] of messages.entries()) {
    const isApart = systemApart && at < opening;
    for (const [part, value] of message.parts.entries()) {
      if (spans.length >= SPANS_MAX) return spans;
      // What was moved behind everything breaks nothing.
      if (value.type === "text" && value.volatile === true) continue;
      const path = isApart ? `system[${systemParts}]` : `messages[${systemApart ? at - opening : at}].content[${part}]`;
      systemParts += 1;
      spans.push(partSpan(path, message, at, value, part));
    }
  }
  return spans;
}

function toolSpans({ tools }: ChatRequest, spans: Span[]): void {
  for (const [at, tool] of tools.entries()) {
    if (spans.length >= SPANS_MAX - 3) return;
    const common = { at, part: 0, head: "tool", isVolatile: false };
    if (tool.type === "opaque") {
      const value = { ...common, path: `tools[${at}]`, kind: "tool", mark: undefined } as const;
      spans.push(new LazySpan(value, () => unmarked(tool.value)));
      continue;
    }
    // It is not in the prompt until it is loaded.
    if (tool.deferred === true) continue;
    const of = (field: string, kind: SpanKind, write: () => string): Span => {
      const mark = field === "parameters" ? tool.cache : undefined;
      return new LazySpan({ ...common, path: `tools[${at}].${field}`, kind, mark }, write);
    };
    spans.push(
      of("name", "tool-name", () => tool.name),
      of("description", "tool-description", () => tool.description ?? ""),
      of("parameters", "tool-parameters", () => JSON.stringify(tool.parameters ?? null)),
    );
  }
}

class LazySpan implements Span {
  readonly path: string;
  readonly kind: SpanKind;
  readonly at: number;
  readonly part: number;
  readonly head: string;
  readonly isVolatile: boolean;
  readonly mark: CacheMark | undefined;
  readonly #write: () => string;
  #text: string | undefined;

  constructor(span: Omit<Span, "text">, write: () => string) {
    this.path = span.path;
    this.kind = span.kind;
    this.at = span.at;
    this.part = span.part;
    this.head = span.head;
    this.isVolatile = span.isVolatile;
    this.mark = span.mark;
    this.#write = write;
  }

  get text(): string {
    this.#text ??= this.#write();
    return this.#text;
  }
}

function partSpan(path: string, message: Message, at: number, part: Part, index: number): Span {
  const isVolatile = part.type === "opaque" && part.volatile === true;
  const head = `${message.role} ${part.type}${part.type === "tool-call" ? ` ${part.name}` : ""}`;
  return new LazySpan({ path, kind: kindOf(message, part), at, part: index, head, isVolatile, mark: part.cache }, () =>
    isVolatile ? unmarked(part.value) : part.type === "tool-call" ? part.arguments : partText(part),
  );
}

function kindOf(message: Message, part: Part): SpanKind {
  switch (part.type) {
    case "text":
      return message.role === "system" ? "system" : "text";
    case "image":
    case "tool-call":
    case "tool-result":
      return part.type;
    case "document":
    case "audio":
    case "reasoning":
    case "refusal":
      return "other";
    case "opaque":
      return message.role === "system" ? "system" : "other";
  }
}

export function isToolSpan(kind: SpanKind): boolean {
  return kind === "tool" || kind === "tool-name" || kind === "tool-description" || kind === "tool-parameters";
}
