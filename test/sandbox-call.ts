/** Calls to the sandbox as a client makes them, for the tests. */
import type { JsonObject, JsonValue } from "../src/chat.ts";
import type { RunningSandbox } from "../bench/sandbox/index.ts";

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; a text that is none fails the test that looks at it. */
  readonly body: JsonObject;
}

const CHAT_PATHS: Readonly<Record<string, string>> = { anthropic: "/v1/messages", ollama: "/api/chat" };

export interface CallOptions {
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
  readonly method?: string;
  readonly signal?: AbortSignal;
}

/** The answer as it begins. */
export function open(
  sandbox: RunningSandbox,
  provider: string,
  body: JsonValue | string | undefined,
  options: CallOptions = {},
): Promise<Response> {
  const path = options.path ?? CHAT_PATHS[provider] ?? "/v1/chat/completions";
  return fetch(`${sandbox.url}/${provider}${path}`, {
    method: options.method ?? (body === undefined ? "GET" : "POST"),
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${options.key ?? "key"}`,
      "x-api-key": options.key ?? "key",
      "anthropic-version": "2023-06-01",
      ...options.headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

export async function call(
  sandbox: RunningSandbox,
  provider: string,
  body: JsonValue | string | undefined,
  options: CallOptions = {},
): Promise<Answered> {
  const response = await open(sandbox, provider, body, options);
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    get body() {
      return JSON.parse(text) as JsonObject;
    },
  };
}

/** Text of exactly so many of the sandbox's tokens; another `word`, another text. */
export function words(count: number, word: string = "word"): string {
  return Array.from({ length: count }, () => word).join(" ");
}

/** The value at a path of keys and indexes. */
export function at(value: JsonValue | undefined, ...path: (string | number)[]): JsonValue | undefined {
  let found = value;
  for (const step of path) {
    if (typeof found !== "object" || found === null) return undefined;
    found = (found as { readonly [key: string | number]: JsonValue | undefined })[step];
  }
  return found;
}

/** The `data:` of a stream's events, `[DONE]` included; of a stream that is made of lines, the lines. */
export function eventsIn(text: string): string[] {
  return text
    .split(/\r?\n/)
    .filter((line) => line.startsWith("data:") || line.startsWith("{"))
    .map((line) => line.replace(/^data:/, "").trim());
}

/** Messages and tools in OpenAI's words. */
export function user(content: JsonValue): JsonObject {
  return { role: "user", content };
}
export function calling(...ids: string[]): JsonObject {
  const calls = ids.map((id) => ({ id, type: "function", function: { name: "look", arguments: "{}" } }));
  return { role: "assistant", content: null, tool_calls: calls };
}
export function result(id: string): JsonObject {
  return { role: "tool", tool_call_id: id, content: "seen" };
}
export function functionTool(parameters: JsonValue, more: JsonObject = {}): JsonObject {
  return { type: "function", function: { name: "look", parameters, ...more } };
}
export const FUNCTION_TOOL: JsonObject = functionTool({ type: "object", properties: {} });

export function hello(model: string): JsonObject {
  return { model, messages: [user("Hello")] };
}

/** A small chat for each of the simulated providers. */
export const CHATS: readonly { readonly provider: string; readonly body: JsonObject }[] = [
  { provider: "openai", body: hello("gpt-5.4-nano") },
  { provider: "anthropic", body: { ...hello("claude-haiku-4-5"), max_tokens: 400 } },
  { provider: "mistral", body: hello("mistral-small-latest") },
  { provider: "vllm", body: hello("mistralai/Mistral-Small-4-119B-2603") },
  { provider: "ollama", body: { ...hello("llama3.1"), stream: false } },
];

/** An event without what differs from call to call. */
export function withoutIds(event: string): string {
  return event.replaceAll(/"(?:id|signature|request_id|created_at)":"[^"]*"|"created":\d+/g, "");
}
