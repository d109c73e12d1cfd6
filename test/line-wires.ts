/**
 * The dialects of OpenAI and Anthropic as they stand on the wire, for tests that run over each of them: what a client sends and reads,
 * and what a provider answers. Nothing here uses the code under test.
 */
import { expect } from "vitest";

/** What a provider says in an answer, in whatever dialect. */
export interface Said {
  readonly texts: readonly string[];
  /** The whole prompt, what was read from cache included. */
  readonly input: number;
  readonly cacheRead: number;
  readonly output: number;
}

export const SAID: Said = { texts: ["Hel", "lo, ", "wörld ✓"], input: 40, cacheRead: 10, output: 7 };

/** What `SAID` costs at either model's price ($0.10, $0.01 read, $0.50 out per million tokens). */
export const SAID_PICO_USD: bigint = 30n * 100_000n + 10n * 10_000n + 7n * 500_000n;

export interface WireRequest {
  readonly model: string;
  readonly stream?: boolean;
  readonly text?: string;
}

export interface WireError {
  readonly message: string;
  readonly type: string;
  readonly code: string | undefined;
}

export interface Wire {
  /** The dialect's name, as the ledger has it. */
  readonly dialect: string;
  /** Where clients call. */
  readonly path: string;
  /** The provider's kind, the path it is called at, and a model of its own that has a price. */
  readonly kind: string;
  /** A kind of provider that changes nothing of its own in a body of this dialect. */
  readonly plainKind: string;
  readonly upstreamPath: string;
  readonly model: string;
  /** A header by which its provider tells what is left of a limit. */
  readonly limitHeader: string;
  request(fields: WireRequest): Record<string, unknown>;
  /** The request headers of an official client with this key. */
  headers(key: string): Record<string, string>;
  whole(said: Said): Record<string, unknown>;
  /** One text for each event, the terminal mark last. */
  events(said: Said): readonly string[];
  /** How many of them come before the answer has begun: an error behind these is still another provider's chance. */
  readonly opening: number;
  /** Whether the last of them is only a mark: all was said before it. */
  readonly endsWithMark: boolean;
  error(status: number, message: string, code?: string): Record<string, unknown>;
  errorEvent(status: number, message: string): string;
  /** What a client reads. */
  textOfWhole(body: string): string;
  textOfStream(body: string): string;
  isComplete(stream: string): boolean;
  /** @throws when the body is not an error in this dialect. */
  errorIn(body: string): WireError;
  /** The in-band error of a stream; `undefined` when there is none. */
  errorInStream(stream: string): WireError | undefined;
}

const COMMON = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_763_800_000 };

const openaiChat: Wire = {
  dialect: "openai-chat",
  opening: 0,
  endsWithMark: true,
  path: "/v1/chat/completions",
  kind: "openai",
  plainKind: "openai-compatible",
  upstreamPath: "/v1/chat/completions",
  model: "gpt-6-luna",
  limitHeader: "x-ratelimit-remaining-tokens",
  request: ({ model, stream, text }) => ({
    model,
    messages: [{ role: "user", content: text ?? "Greet the world." }],
    ...(stream === true ? { stream: true, stream_options: { include_usage: true } } : {}),
  }),
  headers: (key) => ({ authorization: `Bearer ${key}` }),
  whole: (said) => ({
    ...COMMON,
    object: "chat.completion",
    model: "gpt-6-luna",
    choices: [
      { index: 0, message: { role: "assistant", content: said.texts.join(""), refusal: null }, finish_reason: "stop" },
    ],
    usage: openaiUsage(said),
  }),
  events(said) {
    const chunk = (fields: object) => `data: ${JSON.stringify({ ...COMMON, model: "gpt-6-luna", ...fields })}\n\n`;
    const choice = (delta: object, reason: string | null = null) =>
      chunk({ choices: [{ index: 0, delta, finish_reason: reason }], usage: null });
    return [
      choice({ role: "assistant", content: "" }),
      ...said.texts.map((content) => choice({ content })),
      choice({}, "stop"),
      chunk({ choices: [], usage: openaiUsage(said) }),
      "data: [DONE]\n\n",
    ];
  },
  error: (status, message, code) => ({
    error: { message, type: status === 429 ? "rate_limit_error" : "server_error", param: null, code: code ?? null },
  }),
  errorEvent(status, message) {
    const code = status === 401 ? "invalid_api_key" : "server_is_overloaded";
    return `data: ${JSON.stringify({ error: { message, type: "server_error", param: null, code } })}\n\n`;
  },
  textOfWhole: (body) => (JSON.parse(body) as OpenaiAnswer).choices[0]?.message?.content ?? "",
  textOfStream: (body) =>
    dataOf(body)
      .filter((data) => data !== "[DONE]")
      .map((data) => (JSON.parse(data) as OpenaiAnswer).choices?.[0]?.delta?.content ?? "")
      .join(""),
  isComplete: (stream) => dataOf(stream).at(-1) === "[DONE]",
  errorIn(body) {
    const answer = JSON.parse(body) as { error: Record<string, unknown> };
    expect(answer).toMatchObject({ error: { message: expect.any(String), type: expect.any(String) } });
    return wireError(answer.error);
  },
  errorInStream(stream) {
    const last = dataOf(stream).at(-1);
    if (last === undefined || last === "[DONE]") return undefined;
    const { error } = JSON.parse(last) as { error?: Record<string, unknown> };
    return error === undefined ? undefined : wireError(error);
  },
};

interface OpenaiAnswer {
  readonly choices: readonly {
    readonly message?: { readonly content: string };
    readonly delta?: { readonly content?: string };
  }[];
}

function openaiUsage(said: Said): object {
  return {
    prompt_tokens: said.input,
    completion_tokens: said.output,
    total_tokens: said.input + said.output,
    prompt_tokens_details: { cached_tokens: said.cacheRead, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
}

const anthropicMessages: Wire = {
  dialect: "anthropic-messages",
  opening: 0,
  endsWithMark: true,
  path: "/v1/messages",
  kind: "anthropic",
  plainKind: "anthropic",
  upstreamPath: "/v1/messages",
  model: "claude-haiku-5-5",
  limitHeader: "anthropic-ratelimit-tokens-remaining",
  request: ({ model, stream, text }) => ({
    model,
    max_tokens: 100,
    messages: [{ role: "user", content: text ?? "Greet the world." }],
    ...(stream === true ? { stream: true } : {}),
  }),
  headers: (key) => ({ "x-api-key": key, "anthropic-version": "2023-06-01" }),
  whole: (said) => ({
    ...message(said),
    content: [{ type: "text", text: said.texts.join("") }],
    stop_reason: "end_turn",
    usage: { ...anthropicUsage(said), output_tokens: said.output },
  }),
  events(said) {
    const event = (type: string, fields: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
    return [
      event("message_start", { message: { ...message(said), usage: { ...anthropicUsage(said), output_tokens: 1 } } }),
      event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
      ...said.texts.map((text) => event("content_block_delta", { index: 0, delta: { type: "text_delta", text } })),
      event("content_block_stop", { index: 0 }),
      event("message_delta", {
        delta: { stop_reason: "end_turn", stop_sequence: null },
        usage: { output_tokens: said.output },
      }),
      event("message_stop", {}),
    ];
  },
  error: (status, message, code) => ({
    type: "error",
    error: { type: code ?? anthropicType(status), message },
    request_id: "req_upstream",
  }),
  errorEvent: (status, message) =>
    `event: error\ndata: ${JSON.stringify({ type: "error", error: { type: anthropicType(status), message } })}\n\n`,
  textOfWhole: (body) =>
    (JSON.parse(body) as { content: { text: string }[] }).content.map((block) => block.text).join(""),
  textOfStream: (body) =>
    dataOf(body)
      .map((data) => (JSON.parse(data) as { delta?: { text?: string } }).delta?.text ?? "")
      .join(""),
  isComplete: (stream) => typesIn(stream).at(-1) === "message_stop",
  errorIn(body) {
    const answer = JSON.parse(body) as { error: Record<string, unknown> };
    expect(answer).toMatchObject({ type: "error", error: { type: expect.any(String), message: expect.any(String) } });
    return wireError(answer.error);
  },
  errorInStream(stream) {
    if (typesIn(stream).at(-1) !== "error") return undefined;
    const { error } = JSON.parse(dataOf(stream).at(-1) ?? "{}") as { error: Record<string, unknown> };
    return wireError(error);
  },
};

const RESPONSE = { id: "resp_1", object: "response", created_at: 1_763_800_000, model: "gpt-6-luna", error: null };

const openaiResponses: Wire = {
  dialect: "openai-responses",
  opening: 2,
  endsWithMark: false,
  path: "/v1/responses",
  kind: "openai",
  plainKind: "openai",
  upstreamPath: "/v1/responses",
  model: "gpt-6-luna",
  limitHeader: "x-ratelimit-remaining-tokens",
  request: ({ model, stream, text }) => ({
    model,
    input: text ?? "Greet the world.",
    store: false,
    ...(stream === true ? { stream: true } : {}),
  }),
  headers: (key) => ({ authorization: `Bearer ${key}` }),
  whole: (said) => ({ ...RESPONSE, status: "completed", output: [outputMessage(said)], usage: responsesUsage(said) }),
  events(said) {
    const event = (type: string, fields: object, at: number) =>
      `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: at, ...fields })}\n\n`;
    const begun = { response: { ...RESPONSE, status: "in_progress", output: [], usage: null } };
    const item = { output_index: 0, item: { ...outputMessage(said), status: "in_progress", content: [] } };
    const part = { item_id: "msg_1", output_index: 0, content_index: 0 };
    const text = said.texts.join("");
    const told: readonly (readonly [string, object])[] = [
      ["response.created", begun],
      ["response.in_progress", begun],
      ["response.output_item.added", item],
      ["response.content_part.added", { ...part, part: { type: "output_text", text: "", annotations: [] } }],
      ...said.texts.map((delta) => ["response.output_text.delta", { ...part, delta, logprobs: [] }] as const),
      ["response.output_text.done", { ...part, text, logprobs: [] }],
      ["response.content_part.done", { ...part, part: { type: "output_text", text, annotations: [] } }],
      ["response.output_item.done", { output_index: 0, item: outputMessage(said) }],
      ["response.completed", { response: this.whole(said) }],
    ];
    return told.map(([type, fields], at) => event(type, fields, at));
  },
  error: (status, message, code) => openaiChat.error(status, message, code),
  errorEvent(status, message) {
    const code = status === 401 ? "invalid_api_key" : "server_is_overloaded";
    const error = { type: "server_error", code, message, param: null };
    return `event: error\ndata: ${JSON.stringify({ type: "error", sequence_number: 9, error })}\n\n`;
  },
  textOfWhole: (body) =>
    (JSON.parse(body) as { output: { content?: { text: string }[] }[] }).output
      .flatMap((item) => (item.content ?? []).map((part) => part.text))
      .join(""),
  textOfStream: (body) =>
    dataOf(body)
      .map((data) => JSON.parse(data) as { type: string; delta?: string })
      .map(({ type, delta }) => (type === "response.output_text.delta" ? (delta ?? "") : ""))
      .join(""),
  isComplete: (stream) => typesIn(stream).at(-1) === "response.completed",
  errorIn: (body) => openaiChat.errorIn(body),
  errorInStream(stream) {
    const told = dataOf(stream).map((data) => JSON.parse(data) as { type: string; error?: Record<string, unknown> });
    if (!["error", "response.failed"].includes(told.at(-1)?.type ?? "")) return undefined;
    const said = told.findLast(({ type }) => type === "error");
    return said?.error === undefined ? undefined : wireError(said.error);
  },
};

function outputMessage(said: Said): object {
  const content = [{ type: "output_text", text: said.texts.join(""), annotations: [], logprobs: [] }];
  return { id: "msg_1", type: "message", role: "assistant", status: "completed", content };
}

function responsesUsage(said: Said): object {
  return {
    input_tokens: said.input,
    input_tokens_details: { cached_tokens: said.cacheRead },
    output_tokens: said.output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: said.input + said.output,
  };
}

function message(said: Said): object {
  return {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "claude-haiku-5-5",
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: anthropicUsage(said),
  };
}

function anthropicUsage(said: Said): object {
  return {
    input_tokens: said.input - said.cacheRead,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: said.cacheRead,
  };
}

function anthropicType(status: number): string {
  const types: Readonly<Record<number, string>> = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
  };
  return types[status] ?? "api_error";
}

/** The data of each event; complete ones only. */
function dataOf(stream: string): string[] {
  return stream
    .split("\n\n")
    .slice(0, -1)
    .flatMap((event) => event.split("\n").filter((line) => line.startsWith("data: ")))
    .map((line) => line.slice("data: ".length));
}

function typesIn(stream: string): string[] {
  return dataOf(stream).map((data) => (JSON.parse(data) as { type: string }).type);
}

function wireError(error: Record<string, unknown>): WireError {
  const code = error["code"];
  return {
    message: String(error["message"]),
    type: String(error["type"]),
    code: typeof code === "string" ? code : undefined,
  };
}

export const wires: readonly Wire[] = [openaiChat, anthropicMessages, openaiResponses];

/** Who calls, and who answers. */
export interface Lane {
  readonly client: Wire;
  readonly upstream: Wire;
  readonly isSame: boolean;
  /** For the test's name: `$name` in a table. */
  readonly name: string;
}

/** A provider of several dialects is spoken to in the client's own, or else in its first. */
export const lanes: readonly Lane[] = wires.flatMap((client) =>
  wires
    .filter(
      (upstream) =>
        upstream ===
        wires.find((wire) => wire.kind === upstream.kind && (client.kind !== wire.kind || wire === client)),
    )
    .map((upstream) => ({
      client,
      upstream,
      isSame: client === upstream,
      name: client === upstream ? client.dialect : `${client.dialect} over ${upstream.dialect}`,
    })),
);
