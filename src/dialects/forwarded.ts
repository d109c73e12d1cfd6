/**
 * Calls that are not conversations (embeddings, text completion): forwarded as they are, and counted.
 *
 * Each is a dialect of its own with no word in any other: the line carries it like every call, and only a provider that speaks it is a
 * candidate. Nothing is written or encoded anew.
 */
import type { ChatEvent, ChatRequest, DialectName, JsonObject, JsonValue } from "../chat.ts";
import type { Edit } from "../edit.ts";
import { GatewayError } from "../errors.ts";
import type { Usage } from "../usage.ts";
import type { Decoder, Dialect, Encoder, Watcher } from "./dialect.ts";

export interface ForwardedOptions {
  readonly name: DialectName;
  /** What it is, in words for an error ("embeddings"). */
  readonly word: string;
  /** The dialect whose errors and streams it shares. */
  readonly like: Dialect;
  /** The field that must be there, and what it may be. */
  readonly input: { readonly field: string; readonly words: string; readonly isFit: (value: JsonValue) => boolean };
  /** Whether the provider has streams of it, like its chat's. */
  readonly streams: boolean;
  /** From the whole answer. */
  readonly readUsage: (answer: JsonObject) => Usage;
  /** What of it can be told in another dialect; absent: nothing. */
  readonly readContent?: (answer: JsonObject) => readonly ChatEvent[];
}

export function forwardedDialect(options: ForwardedOptions): Dialect {
  const { name, like } = options;
  return {
    ...like,
    name,
    readRequest: (body) => readRequest(body, options),
    writeRequest: () => {
      throw onlyForwarded(options);
    },
    edits: (body, edit) => (options.streams ? like.edits(body, edit) : renamed(body, edit.model)),
    decoder: (stream) => (stream ? like.decoder(true) : new CountingDecoder(options.readUsage, options.readContent)),
    watcher: (): Watcher => like.watcher(),
    encoder: (): Encoder => {
      throw onlyForwarded(options);
    },
  };
}

function onlyForwarded({ word }: ForwardedOptions): GatewayError {
  return new GatewayError("unsupported", `${word} can only be forwarded to a provider that has them`);
}

function renamed(body: JsonObject, model: string): readonly Edit[] {
  return body["model"] === model ? [] : [{ op: "set", path: ["model"], value: model }];
}

function readRequest(body: JsonObject, options: ForwardedOptions): ChatRequest {
  const { field, words, isFit } = options.input;
  const input = body[field];
  if (input === undefined || input === null || !isFit(input)) {
    throw new GatewayError("invalid-request", `\`${field}\` must be ${words}`, { param: field });
  }
  const model = body["model"];
  const stream = options.streams && body["stream"] === true;
  return {
    dialect: options.name,
    model: typeof model === "string" ? model : "",
    stream,
    wantsStreamUsage: asksUsage(body["stream_options"]),
    messages: [{ role: "user", parts: textsIn(input).map((text) => ({ type: "text", text })) }],
    tools: [],
    ...(typeof body["max_tokens"] === "number" ? { maxOutputTokens: body["max_tokens"] } : {}),
    onlyHere: [options.word],
    extra: {},
  };
}

function asksUsage(options: JsonValue | undefined): boolean {
  return (
    typeof options === "object" &&
    options !== null &&
    !Array.isArray(options) &&
    (options as JsonObject)["include_usage"] === true
  );
}

/** The texts, for an estimate of their tokens; input that is tokens already stands for so many short words. */
function textsIn(input: JsonValue): string[] {
  if (typeof input === "string") return [input];
  if (!Array.isArray(input)) return [];
  const items = input as readonly JsonValue[];
  if (typeof items[0] === "number") return [" a".repeat(items.length)];
  return items.flatMap(textsIn);
}

/** A whole answer: whatever it holds is passed on, and what it used is read. */
export class CountingDecoder implements Decoder {
  readonly #chunks: Uint8Array[] = [];
  readonly #readUsage: ForwardedOptions["readUsage"];
  readonly #readContent: NonNullable<ForwardedOptions["readContent"]>;

  constructor(readUsage: ForwardedOptions["readUsage"], readContent: ForwardedOptions["readContent"] = () => []) {
    this.#readUsage = readUsage;
    this.#readContent = readContent;
  }

  push(bytes: Uint8Array): ChatEvent[] {
    this.#chunks.push(bytes);
    return [];
  }

  end(): ChatEvent[] {
    const answer = objectIn(Buffer.concat(this.#chunks));
    if (answer === undefined) {
      return [{ type: "error", error: { status: 502, message: "the provider's answer is not JSON", ours: true } }];
    }
    const model = answer["model"];
    return [
      { type: "start", ...(typeof model === "string" ? { model } : {}) },
      ...this.#readContent(answer),
      { type: "usage", usage: this.#readUsage(answer) },
      { type: "finish", reason: "stop" },
      { type: "done" },
    ];
  }
}

function objectIn(bytes: Buffer): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}
