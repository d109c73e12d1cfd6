/**
 * OpenAI's own client as the judge of what is written: its stream helper checks the grammar, and throws where it is not kept.
 */
import OpenAI, { APIError } from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { ChatEvent } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { openaiResponses } from "../src/dialects/openai-responses.ts";
import { GatewayError } from "../src/errors.ts";
import { bodyBytes, entries, present, recording } from "./openai-chat-material.ts";
import { decode, portable, reading } from "./openai-chat-readings.ts";
import { responsesEntries, simpleResponse, type WireResponse } from "./openai-responses-readings.ts";

/** The SDK in front of an answer, which it asks for as it likes. */
function client(events: readonly ChatEvent[], trailer = ""): OpenAI {
  return new OpenAI({
    apiKey: "none",
    maxRetries: 0,
    fetch: (_url, init) => {
      const { stream = false } = JSON.parse(String(init?.body)) as { stream?: boolean };
      const encoder = openaiResponses.encoder(
        { stream, model: "m", includeUsage: true, id: "x-1", createdSeconds: 1 },
        [],
      );
      const said = events.map((event) => encoder.push(event)).join("");
      const text = said + (trailer === "" ? encoder.end() : trailer);
      const type = stream ? "text/event-stream" : "application/json";
      return Promise.resolve(new Response(text, { headers: { "content-type": type } }));
    },
  });
}

const ASKED = { model: "m", input: "hi" };

const ANSWER: readonly ChatEvent[] = [
  { type: "start", id: "x", model: "m" },
  { type: "reasoning-delta", text: "hm" },
  { type: "reasoning-end", signature: "c2ln", issuer: "anthropic-messages" },
  { type: "text-delta", text: '{"city":' },
  { type: "text-delta", text: '"Paris"}' },
  { type: "tool-call-start", index: 0, id: "c0", name: "f" },
  { type: "tool-call-start", index: 1, id: "c1", name: "g" },
  { type: "tool-call-delta", index: 1, arguments: '{"b":2}' },
  { type: "tool-call-delta", index: 0, arguments: '{"a":1}' },
  { type: "tool-call-end", index: 0 },
  { type: "tool-call-end", index: 1 },
  { type: "finish", reason: "tool-calls" },
  { type: "done" },
];

describe("OpenAI's client", () => {
  test("reads a whole answer", async () => {
    const response = await client(ANSWER).responses.create(ASKED);
    expect(response.output_text).toBe('{"city":"Paris"}');
    expect(response.output.map((item) => item.type)).toEqual([
      "reasoning",
      "message",
      "function_call",
      "function_call",
    ]);
  });

  test("puts a stream together as the whole answer is", async () => {
    const stream = client(ANSWER).responses.stream(ASKED);
    const snapshots: string[] = [];
    stream.on("response.output_text.delta", (event) => snapshots.push(event.snapshot));
    const response = await stream.finalResponse();
    expect(snapshots).toEqual(['{"city":', '{"city":"Paris"}']);
    expect(response.output_text).toBe('{"city":"Paris"}');
    const whole = await client(ANSWER).responses.create(ASKED);
    expect(response.output.map((item) => item.id)).toEqual(whole.output.map((item) => item.id));
    expect(response.output).toMatchObject([
      { type: "reasoning", summary: [{ text: "hm" }] },
      { type: "message" },
      { type: "function_call", call_id: "c0", arguments: '{"a":1}' },
      { type: "function_call", call_id: "c1", arguments: '{"b":2}' },
    ]);
  });

  test("parses what was asked for in a format", async () => {
    const format = zodTextFormat(z.object({ city: z.string() }), "place");
    const events = ANSWER.filter((event) => !event.type.startsWith("tool-call"));
    const parsed = await client(events).responses.parse({ ...ASKED, text: { format } });
    expect(parsed.output_parsed).toEqual({ city: "Paris" });
    const streamed = await client(events)
      .responses.stream({ ...ASKED, text: { format } })
      .finalResponse();
    expect(streamed.output_parsed).toEqual({ city: "Paris" });
  });

  test("is told of an answer that was cut short", async () => {
    const events: ChatEvent[] = [
      { type: "start" },
      { type: "text-delta", text: "hel" },
      { type: "finish", reason: "length" },
      { type: "done" },
    ];
    const response = await client(events).responses.stream(ASKED).finalResponse();
    expect(response.status).toBe("incomplete");
    expect(response.incomplete_details).toEqual({ reason: "max_output_tokens" });
    expect(response.output_text).toBe("hel");
  });

  test.each<[string, readonly ChatEvent[], string]>([
    [
      "an upstream's error",
      [{ type: "error", error: { status: 429, code: "rate_limit_exceeded", message: "slow" } }],
      "",
    ],
    ["a failure of ours", [], openaiResponses.errorEvent(new GatewayError("rate-limited", "slow"), "x-1")],
  ])("throws at %s inside a stream", async (_what, events, trailer) => {
    const begun: ChatEvent[] = [{ type: "start" }, { type: "text-delta", text: "a" }, ...events];
    const ways: readonly (() => Promise<unknown>)[] = [
      () => client(begun, trailer).responses.stream(ASKED).finalResponse(),
      async () => {
        const stream = await client(begun, trailer).responses.create({ ...ASKED, stream: true });
        for await (const event of stream) expect(event.type).not.toBe("response.completed");
      },
    ];
    for (const way of ways) {
      const error = await way().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(APIError);
      expect(error).toMatchObject({ code: "rate_limit_exceeded", message: expect.stringContaining("slow") });
    }
  });
});

describe.skipIf(!present)("OpenAI's client before recorded answers of every dialect", () => {
  const isAnswer = ({ id }: { id: string }) =>
    !/dings-8fe0bae4|prompt_content_filtering|openai-error|count_tokens/.test(id);
  const sources = [
    ...entries("openai").map((entry) => ({ entry, dialect: openaiChat })),
    ...entries("anthropic").map((entry) => ({ entry, dialect: anthropicMessages })),
    ...responsesEntries().map((entry) => ({ entry, dialect: openaiResponses })),
  ].filter(({ entry }) => entry.status === 200 && entry.kind === "sse" && isAnswer(entry));

  test("hears what was said, through its stream helper", async () => {
    expect(sources.length).toBeGreaterThan(200);
    for (const { entry, dialect } of sources) {
      const events = decode(dialect, bodyBytes(recording(entry).response.body), true, Number.POSITIVE_INFINITY);
      const response = await client(events).responses.stream(ASKED).finalResponse();
      const heard = simpleResponse(response as unknown as WireResponse);
      expect(portable(heard), entry.id).toEqual(portable(reading(events)));
    }
  }, 60_000);
});
