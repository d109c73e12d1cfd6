import { describe, expect, test } from "vitest";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { GatewayError, type ErrorKindName } from "../src/errors.ts";

describe("an error answer", () => {
  const read = (status: number, body: unknown) =>
    openaiChat.readError(status, Buffer.from(typeof body === "string" ? body : JSON.stringify(body)));

  test.each([
    [
      "OpenAI's",
      400,
      {
        error: {
          message: "too long",
          type: "invalid_request_error",
          param: "messages",
          code: "context_length_exceeded",
        },
      },
      {
        status: 400,
        message: "too long",
        type: "invalid_request_error",
        param: "messages",
        code: "context_length_exceeded",
      },
    ],
    [
      "vLLM's",
      404,
      { error: { message: "no model", type: "NotFoundError", param: null, code: 404 } },
      { status: 404, message: "no model", type: "NotFoundError" },
    ],
    [
      "an older vLLM's",
      400,
      { object: "error", message: "bad", type: "BadRequestError", param: null, code: 400 },
      { status: 400, message: "bad", type: "BadRequestError", foreign: true },
    ],
    [
      "Mistral's",
      400,
      {
        object: "error",
        message: "bad id",
        type: "invalid_request_invalid_args",
        param: null,
        code: "3280",
        raw_status_code: 400,
      },
      { status: 400, message: "bad id", type: "invalid_request_invalid_args", code: "3280", foreign: true },
    ],
    [
      "Mistral's validation",
      422,
      {
        detail: [
          { type: "extra_forbidden", loc: ["body", "stream_options"], msg: "Extra inputs are not permitted" },
          { loc: ["body", "messages", 0], msg: "bad" },
        ],
      },
      {
        status: 422,
        message: "stream_options: Extra inputs are not permitted; messages.0: bad",
        type: "extra_forbidden",
        param: "stream_options",
        foreign: true,
      },
    ],
    [
      "Mistral's validation, wrapped",
      422,
      {
        object: "error",
        message: { detail: [{ type: "missing", loc: ["body", "model"], msg: "Field required" }] },
        type: "invalid_request_error",
      },
      { status: 422, message: "model: Field required", type: "invalid_request_error", param: "model", foreign: true },
    ],
    ["FastAPI's", 401, { detail: "Unauthorized" }, { status: 401, message: "Unauthorized", foreign: true }],
    ["Ollama's", 404, { error: "model not found" }, { status: 404, message: "model not found", foreign: true }],
    ["a bare one", 403, { message: "no" }, { status: 403, message: "no", foreign: true }],
    ["plain words", 400, "model is required", { status: 400, message: "model is required", foreign: true }],
    // Foreign: clients of this dialect would find no words in it.
  ])("of %s form is read", (_what, status, body, expected) => {
    expect(read(status, body)).toEqual(expected);
  });

  test.each([
    [502, "<html><body>nginx 10.0.0.7</body></html>"],
    [500, ""],
    [503, "upstream connect error 10.0.0.7:8000"],
    [400, '{"error":'],
    [500, "{}"],
    [500, "null"],
  ])("that says nothing to a client (%d %j) gives a plain message", (status, body) => {
    const error = read(status, body);
    expect(error.status).toBe(status);
    expect(error.message).toMatch(/^the provider answered/);
  });
});
describe("an error of ours", () => {
  const kinds: readonly [ErrorKindName, string, string | null][] = [
    ["invalid-request", "invalid_request_error", null],
    ["context-too-long", "invalid_request_error", "context_length_exceeded"],
    ["unsupported", "invalid_request_error", "unsupported_value"],
    ["unauthenticated", "authentication_error", "invalid_api_key"],
    ["forbidden", "permission_error", null],
    ["model-not-found", "invalid_request_error", "model_not_found"],
    ["rate-limited", "rate_limit_error", "rate_limit_exceeded"],
    ["quota-exhausted", "rate_limit_error", "insufficient_quota"],
    ["internal", "server_error", null],
    ["upstream-failed", "server_error", null],
    ["overloaded", "service_unavailable_error", "server_is_overloaded"],
    ["upstream-timeout", "server_error", null],
  ];
  test.each(kinds)("%s is said in OpenAI's words", (kind, type, code) => {
    const message = "it exceeds the context window";
    const error = new GatewayError(kind, message, { param: "messages" });
    expect(openaiChat.writeError(error, "x-1")).toEqual({ error: { message, type, param: "messages", code } });
  });

  test("a prompt that does not fit is said in words that OpenAI's clients look for, once", () => {
    for (const said of ["request (9 tokens) exceeds the context size", "your input exceeds the context window"]) {
      const body = JSON.stringify(openaiChat.writeError(new GatewayError("context-too-long", said), "x"));
      expect(body.match(/exceeds the context window/g)).toHaveLength(1);
      expect(body).toContain(said);
    }
  });

  test("keeps the upstream's words where OpenAI's clients know them", () => {
    const error = new GatewayError("rate-limited", "slow down", { type: "tokens", code: "rate_limit_exceeded" });
    expect(openaiChat.writeError(error, "x")).toEqual({
      error: { message: "slow down", type: "tokens", param: null, code: "rate_limit_exceeded" },
    });
    const other = new GatewayError("overloaded", "busy", { type: "overloaded_error", status: 529 });
    expect(openaiChat.writeError(other, "x")).toMatchObject({ error: { type: "service_unavailable_error" } });
  });

  test("inside a stream is one event that a decoder reads as an error", () => {
    const text = openaiChat.errorEvent(new GatewayError("upstream-failed", "gone"), "x-1");
    expect(text).toMatch(/^data: \{.*\}\n\n$/);
    const decoder = openaiChat.decoder(true);
    expect(decoder.push(Buffer.from(text))).toEqual([
      { type: "error", error: { status: 500, message: "gone", type: "server_error" } },
    ]);
  });
});
