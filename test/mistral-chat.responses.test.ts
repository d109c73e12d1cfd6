/** Mistral's dialect and OpenAI's Responses: answers told to Mistral's client, requests written to Mistral. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { JsonObject, Loss } from "../src/chat.ts";
import { mistralChat } from "../src/dialects/mistral-chat.ts";
import { openaiResponses } from "../src/dialects/openai-responses.ts";
import { expectAccepted } from "./mistral-chat-accepted.ts";
import { checked, checkedWhole, encode, sealsBrought } from "./mistral-chat-wire.ts";
import { bodyBytes, captured, material, present, recording, type RecordEntry } from "./openai-chat-material.ts";
import { decode, portable, reading, seals } from "./openai-chat-readings.ts";

const WHOLE = Number.POSITIVE_INFINITY;

function recorded(): readonly RecordEntry[] {
  if (!present) return [];
  const index = JSON.parse(readFileSync(join(material, "recordings/index.json"), "utf8")) as { records: RecordEntry[] };
  return index.records.filter((entry) => entry.api === "responses" && entry.status === 200);
}

describe.skipIf(!present)("recorded answers of Responses", () => {
  test.each(recorded())("$id says the same to Mistral's client, whole and streamed", (entry) => {
    const { body } = recording(entry).response;
    const events = decode(openaiResponses, bodyBytes(body), entry.kind === "sse", WHOLE);
    if (events.some((event) => event.type === "error")) return;
    for (const stream of [true, false]) {
      const text = encode(events, { stream });
      if (stream) checked(text);
      else checkedWhole(text);
      const again = decode(mistralChat, Buffer.from(text), stream, WHOLE);
      expect(portable(reading(again))).toEqual(portable(reading(events)));
      expect(reading(again).reasoning).toBe(reading(events).reasoning);
      expect(seals(again)).toHaveLength(sealsBrought(events).length);
    }
  });
});

describe.skipIf(!present)("recorded and captured requests to Responses", () => {
  const bodies = [
    ...recorded().map((entry) => ({ id: entry.id, body: recording(entry).request?.body })),
    ...captured().flatMap(({ path, body }) => (/\/responses(\?|$)/.test(path) ? [{ id: path, body }] : [])),
  ];

  test("are written as Mistral's API takes them", () => {
    let written = 0;
    for (const { id, body } of bodies) {
      if (typeof body !== "object" || body === null || !("model" in body)) continue;
      const out = attempt(() => {
        const request = openaiResponses.readRequest(body as JsonObject);
        return mistralChat.writeRequest(request, { model: "m", record: undefined }, []);
      });
      if (out === undefined) continue;
      expectAccepted(out, id);
      written += 1;
    }
    expect(written).toBeGreaterThan(60);
  });
});

test("what was sealed for Responses goes to Mistral's client and comes back as it was", () => {
  const output = [
    { id: "rs_1", type: "reasoning", summary: [], encrypted_content: "ZW5j" },
    { id: "fc_1", type: "function_call", call_id: "call_1", name: "f", arguments: '{"a":1}', status: "completed" },
  ];
  const answer = { id: "resp_1", object: "response", created_at: 7, model: "gpt", status: "completed", output };
  const events = decode(openaiResponses, Buffer.from(JSON.stringify(answer)), false, WHOLE);
  // Nobody asked for thoughts: the seal goes along all the same, as there is a call.
  const { choices } = checkedWhole(encode(events, { stream: false, wantsReasoning: false }));
  const { message } = choices[0];
  const [call] = message["tool_calls"] as unknown as [{ id: string }];
  const request = mistralChat.readRequest({
    model: "gpt",
    messages: [{ role: "user", content: "hi" }, message, { role: "tool", tool_call_id: call.id, content: "1" }],
  });
  const losses: Loss[] = [];
  const back = openaiResponses.writeRequest(request, { model: "gpt", record: undefined }, losses);
  expect(back["input"]).toMatchObject([
    { role: "user" },
    { type: "reasoning", encrypted_content: "ZW5j" },
    { type: "function_call", call_id: call.id, name: "f", arguments: '{"a":1}' },
    { type: "function_call_output", call_id: call.id },
  ]);
  expect(losses).toEqual([]);
});

/** `undefined` for what cannot be read alone or said here. */
function attempt(write: () => JsonObject): JsonObject | undefined {
  try {
    return write();
  } catch (error) {
    expect(error).toMatchObject({ kind: expect.stringMatching(/^(unsupported|invalid-request)$/) });
    return undefined;
  }
}
