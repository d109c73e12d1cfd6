import { describe, expect, test } from "vitest";
import { ollamaChat } from "../src/dialects/ollama-chat.ts";
import { classify } from "../src/errors.ts";

function read(status: number, body: unknown) {
  return ollamaChat.readError(status, Buffer.from(typeof body === "string" ? body : JSON.stringify(body)));
}

/** The engine's error as the server passes it on: JSON text inside its own text. */
function engine(code: number, message: string, type: string): object {
  return { error: JSON.stringify({ error: { code, message, type, n_ctx: 512 } }) };
}

describe("an error answer", () => {
  test.each([
    [
      "in words",
      404,
      { error: 'model "x" not found, try pulling it first' },
      { status: 404, message: 'model "x" not found, try pulling it first' },
      "model-not-found",
    ],
    [
      "that it is busy",
      503,
      { error: "server busy, please try again.  maximum pending requests exceeded" },
      { status: 503, message: "server busy, please try again.  maximum pending requests exceeded" },
      "overloaded",
    ],
    [
      "of the cloud's",
      401,
      { error: "unauthorized", signin_url: "https://x.test/connect" },
      { status: 401, message: "unauthorized" },
      "upstream-credential",
    ],
    [
      "with its status in words only",
      403,
      { StatusCode: 403, Status: "403 Forbidden", error: "" },
      { status: 403, message: "403 Forbidden" },
      "forbidden",
    ],
    [
      "of a prompt that does not fit, by its engine",
      400,
      engine(
        400,
        "request (2622 tokens) exceeds the available context size (512 tokens), try increasing it",
        "exceed_context_size_error",
      ),
      {
        status: 400,
        message: "request (2622 tokens) exceeds the available context size (512 tokens), try increasing it",
        type: "exceed_context_size_error",
        code: "context_length_exceeded",
      },
      "context-too-long",
    ],
    [
      "of a prompt that does not fit, by itself",
      400,
      { error: "the input length exceeds the context length" },
      { status: 400, message: "the input length exceeds the context length", code: "context_length_exceeded" },
      "context-too-long",
    ],
    [
      "of a prompt that does not fit, called a failure of the server",
      500,
      { error: "input after truncation exceeds maximum context length" },
      {
        status: 400,
        message: "input after truncation exceeds maximum context length",
        code: "context_length_exceeded",
      },
      "context-too-long",
    ],
    [
      "of its engine's about something else",
      400,
      engine(400, "Multimodal data provided, but model does not support multimodal requests.", "invalid_request_error"),
      {
        status: 400,
        message: "Multimodal data provided, but model does not support multimodal requests.",
        type: "invalid_request_error",
      },
      "invalid-request",
    ],
    [
      "in another API's form",
      429,
      { error: { message: "slow down", type: "rate_limit_error", code: "rate_limit_exceeded" } },
      { status: 429, message: "slow down", type: "rate_limit_error", code: "rate_limit_exceeded" },
      "rate-limited",
    ],
    ["in plain text", 404, "404 page not found", { status: 404, message: "404 page not found" }, "not-found"],
    [
      "as a page",
      502,
      "<html>10.0.0.7</html>",
      { status: 502, message: "the provider answered 502 without a reason that can be read" },
      "upstream-failed",
    ],
    [
      "with nothing in it",
      500,
      "",
      { status: 500, message: "the provider answered 500 without a reason that can be read" },
      "upstream-failed",
    ],
    ["without words", 418, {}, { status: 418, message: "the provider answered with status 418" }, "invalid-request"],
  ])("%s is read", (_what, status, body, expected, kind) => {
    const error = read(status, body);
    expect(error).toEqual(expected);
    expect(classify(error.status, error)).toBe(kind);
  });

  test("of any bytes at all is read without throwing", () => {
    for (const body of ["[]", "null", '"text"', "{", '{"error":7}', '{"error":"{"}', '{"error":"{}"}', "\u0000\uFFFF"])
      expect(read(500, body).message).not.toBe("");
  });
});
