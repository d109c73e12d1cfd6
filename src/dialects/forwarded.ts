/**
 * Calls that are not conversations (embeddings, text completion): forwarded as they are, and counted.
 *
 * Each is a dialect of its own with no word in any other: the line carries it like every call, and only a provider that speaks it is a
 * candidate. Nothing is written or encoded anew.
 */
import type { ChatEvent, ChatRequest, DialectName, JsonObject, JsonValue } from "../chat.ts";
import type { Edit } from "../edit.ts";
import { GatewayError } from "../errors.ts";
import type { Ability } from "../model.ts";
import type { Usage } from "../usage.ts";
import type { Decoder, Dialect, Encoder, Watcher } from "./dialect.ts";

export interface ForwardedOptions {
  readonly name: DialectName;
  /** What it is, in words for an error ("embeddings"). */
  readonly word: string;
  /** What a model must be for it; absent: any that converses. */
  readonly ability?: Ability;
  /** The dialect whose errors and streams it shares. */
  readonly like: Dialect;
  /** The field that must be there, and what it may be. */
  readonly input: { readonly field: string; readonly words: string; readonly isFit: (value: JsonValue) => boolean };
  /** Keeps its tenant's prompts apart; absent: nothing of it is in a cache. */
  readonly isolating?: Dialect["isolating"] & {};
  /** Whether the provider has streams of it, like its chat's. */
  readonly streams: boolean;
  /** From the whole answer. */
  readonly readUsage: (answer: JsonObject) => Usage;
  /** What of the answer can be told in another dialect; `undefined`: it does not have what was asked for. */
  readonly readContent: WholeForm["readContent"];
}

export function forwardedDialect(options: ForwardedOptions): Dialect {
  const { name, like, isolating } = options;
  // What it is like has a prompt and an answer: neither is there to be cached or to be left out.
  const { placing: _placing, prewarming: _prewarming, isolating: _isolating, ...rest } = like;
  return {
    ...rest,
    ...(isolating === undefined ? {} : { isolating }),
    name,
    readRequest: (body) => readRequest(body, options),
    writeRequest: () => {
      throw onlyForwarded(options);
    },
    edits: (body, edit) => (options.streams ? like.edits(body, edit) : renamed(body, edit.model)),
    decoder: (stream) => (stream ? like.decoder(true) : new CountingDecoder(options)),
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
    ...(options.ability === undefined ? {} : { abilities: [options.ability] }),
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

/** How a whole answer is read. */
export interface WholeForm extends Pick<ForwardedOptions, "word" | "like" | "readUsage"> {
  readonly parse?: (bytes: Buffer) => JsonObject | undefined;
  readonly readContent: (answer: JsonObject) => readonly ChatEvent[] | undefined;
}

/** A whole answer: what was asked for is passed on as it is, and what it used is read; anything else is an error. */
export class CountingDecoder implements Decoder {
  readonly #chunks: Uint8Array[] = [];
  readonly #form: WholeForm;

  constructor(form: WholeForm) {
    this.#form = form;
  }

  push(bytes: Uint8Array): ChatEvent[] {
    this.#chunks.push(bytes);
    return [];
  }

  end(): ChatEvent[] {
    const { parse = objectIn, readContent, readUsage } = this.#form;
    const answer = parse(Buffer.concat(this.#chunks));
    if (answer === undefined) return [broken("the provider's answer is not JSON")];
    const usage: ChatEvent = { type: "usage", usage: readUsage(answer) };
    const content = saysError(answer) ? undefined : readContent(answer);
    if (content === undefined) return [usage, errorIn(answer, this.#form)];
    const model = answer["model"];
    return [
      { type: "start", ...(typeof model === "string" ? { model } : {}) },
      ...content,
      usage,
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

/** Servers, and proxies before them, put errors under a status of 200, too: in any of these forms. */
function saysError({ error, object, type }: JsonObject): boolean {
  const isTold = typeof error === "string" ? error !== "" : error !== undefined && error !== null;
  return isTold || object === "error" || type === "error";
}

/** What went wrong, in the words of its own dialect's errors where the answer has some. */
function errorIn(answer: JsonObject, { like, word }: WholeForm): ChatEvent {
  const decoder = like.decoder(false);
  const events = [...decoder.push(Buffer.from(JSON.stringify(answer))), ...decoder.end()];
  const told = events.find((event) => event.type === "error");
  return told === undefined || told.error.ours === true ? broken(`the provider's answer has no ${word}`) : told;
}

function broken(message: string): ChatEvent {
  return { type: "error", error: { status: 502, message, ours: true } };
}
