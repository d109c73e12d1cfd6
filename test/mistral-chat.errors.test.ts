import { describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { mistralChat } from "../src/dialects/mistral-chat.ts";
import { ERROR_KINDS, type ErrorKindName, type ErrorOptions, GatewayError } from "../src/errors.ts";
import { validationError } from "./mistral-chat-schema.ts";

const written = (kind: ErrorKindName, options: ErrorOptions = {}): JsonObject =>
  mistralChat.writeError(new GatewayError(kind, "what was wrong", options), "r-1");

describe("an error", () => {
  test.each(Object.keys(ERROR_KINDS) as ErrorKindName[])("%s has every member that Mistral's have", (kind) => {
    expect(written(kind)).toMatchObject({
      object: "error",
      message: "what was wrong",
      type: expect.stringMatching(/^[a-z_]+$/),
      param: null,
      raw_status_code: ERROR_KINDS[kind].status,
    });
  });

  test.each([
    ["invalid-request", { param: "messages[2].content" }, "invalid_request_error", null],
    [
      "invalid-request",
      { type: "invalid_request_message_order", code: "3230" },
      "invalid_request_message_order",
      "3230",
    ],
    ["rate-limited", { type: "rate_limit_error" }, "rate_limited", "1300"],
    ["busy", {}, "rate_limited", "1300"],
    ["model-not-found", {}, "invalid_model", "1500"],
    ["model-not-found", { type: "invalid_request_error", code: "model_not_found" }, "invalid_model", "1500"],
    ["model-not-found", { type: "invalid_model", code: "1501" }, "invalid_model", "1501"],
    ["unauthenticated", { type: "invalid_api_key" }, "unauthorized", null],
    [
      "overloaded",
      { type: "overloaded_error", code: "server_is_overloaded" },
      "internal_server_error",
      "server_is_overloaded",
    ],
  ] as const)("%s %j is told in Mistral's words", (kind, options, type, code) => {
    expect(written(kind, options)).toMatchObject({ type, code });
  });

  test("of a validator has its list, with the place in it, and only it has", () => {
    const error = written("unprocessable", { param: "messages[2].content[0].image_url" });
    validationError.parse(error);
    expect(error["detail"]).toEqual([
      { type: "value_error", loc: ["body", "messages", 2, "content", 0, "image_url"], msg: "what was wrong" },
    ]);
    expect(written("unprocessable")["detail"]).toMatchObject([{ loc: ["body"] }]);
    expect(written("invalid-request")).not.toHaveProperty("detail");
  });

  test("inside a stream is an event that is no chunk", () => {
    const event = mistralChat.errorEvent(new GatewayError("upstream-failed", "cut"), "r-1");
    expect(event).toMatch(/^data: \{.*\}\n\n$/);
    const value = JSON.parse(event.slice("data: ".length)) as JsonObject;
    expect(value).toMatchObject({ object: "error", message: "cut", raw_status_code: 502 });
    expect(value).not.toHaveProperty("choices");
  });

  test.each([
    [
      { object: "error", message: "Rate limit exceeded", type: "rate_limited", param: null, code: "1300" },
      "Rate limit exceeded",
    ],
    [
      { object: "error", message: { detail: [{ loc: ["body", "x"], msg: "Extra inputs", type: "extra_forbidden" }] } },
      "x: Extra inputs",
    ],
    [
      { detail: [{ loc: ["body", "messages", 0], msg: "Field required", type: "missing" }] },
      "messages.0: Field required",
    ],
    [{ detail: "Unauthorized" }, "Unauthorized"],
    [{ message: "Unauthorized", request_id: "r" }, "Unauthorized"],
  ])("as Mistral says it is read: %j", (body, message) => {
    expect(mistralChat.readError(418, Buffer.from(JSON.stringify(body)))).toMatchObject({ status: 418, message });
  });

  test("that was written is read again as it was", () => {
    const error = new GatewayError("invalid-request", "no", {
      param: "stop",
      code: "3051",
      type: "invalid_request_invalid_args",
    });
    const bytes = Buffer.from(JSON.stringify(mistralChat.writeError(error, "r-1")));
    expect(mistralChat.readError(400, bytes)).toEqual({
      status: 400,
      message: "no",
      param: "stop",
      code: "3051",
      type: "invalid_request_invalid_args",
    });
  });
});
