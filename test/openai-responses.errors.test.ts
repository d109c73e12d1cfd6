import { describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { openaiResponses } from "../src/dialects/openai-responses.ts";
import { ERROR_KINDS, GatewayError, type ErrorKindName } from "../src/errors.ts";

describe("an error answer", () => {
  test.each(Object.keys(ERROR_KINDS) as ErrorKindName[])("of kind %s is the older API's", (kind) => {
    const error = new GatewayError(kind, "what was wrong", { param: "input[0]" });
    expect(openaiResponses.writeError(error, "x-1")).toEqual(openaiChat.writeError(error, "x-1"));
  });

  test("that nobody can read is a plain message for its status", () => {
    expect(openaiResponses.readError(503, Buffer.from("<html>"))).toEqual({
      status: 503,
      message: "the provider answered 503 without a reason that can be read",
    });
  });
});

describe("an error inside a stream that has begun", () => {
  const events = (error: GatewayError, id = "x-1") =>
    openaiResponses
      .errorEvent(error, id)
      .split("\n\n")
      .filter((frame) => frame !== "")
      .map((frame) => {
        const [name, data] = frame.split("\n");
        const event = JSON.parse((data ?? "").slice("data: ".length)) as JsonObject;
        expect(name).toBe(`event: ${String(event["type"])}`);
        return event;
      });

  test("is an error event, and a response that failed by it", () => {
    const [error, failed] = events(new GatewayError("overloaded", "too busy", { param: "p" }));
    const members = {
      type: "service_unavailable_error",
      code: "server_is_overloaded",
      message: "too busy",
      param: "p",
    };
    expect(error).toMatchObject({ code: members.code, message: "too busy", param: "p", error: members });
    expect(error?.["type"]).toBe("error");
    expect(failed).toMatchObject({
      type: "response.failed",
      response: {
        id: "resp_sluice_x-1",
        object: "response",
        status: "failed",
        output: [],
        error: { code: "server_is_overloaded", message: "too busy" },
      },
    });
  });

  test("has numbers behind all that a stream may have had", () => {
    const numbers = events(new GatewayError("internal", "no")).map((event) => event["sequence_number"] as number);
    expect(numbers[0]).toBeGreaterThan(1_000_000_000);
    expect(numbers[1]).toBe((numbers[0] ?? 0) + 1);
    // Clients of typed languages hold them in 32 bits.
    expect(numbers[1]).toBeLessThan(2 ** 31);
  });

  test("has a code wherever clients look for one, and an id of the dialect's form", () => {
    const [, failed] = events(new GatewayError("upstream-failed", "no"), "a b/c");
    expect(failed?.["response"]).toMatchObject({ id: "resp_sluice_a_b_c", error: { code: "server_error" } });
  });

  test("is read as the error that it is", () => {
    const decoder = openaiResponses.decoder(true);
    const text = openaiResponses.errorEvent(new GatewayError("rate-limited", "slow"), "x-1");
    expect([...decoder.push(Buffer.from(text)), ...decoder.end()]).toEqual([
      { type: "error", error: { status: 429, type: "rate_limit_error", code: "rate_limit_exceeded", message: "slow" } },
    ]);
  });
});

describe("edits to a client's own bytes", () => {
  test.each([
    [{ model: "m", input: "hi" }, []],
    [{ model: "x", input: "hi", stream: true }, [{ op: "set", path: ["model"], value: "m" }]],
  ])("%j", (body, edits) => {
    expect(openaiResponses.edits(body, { model: "m", askStreamUsage: true })).toEqual(edits);
  });
});
