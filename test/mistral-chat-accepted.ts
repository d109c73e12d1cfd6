/**
 * What Mistral's API takes, for requests that are written to it: its schema, which knows no other field, after the client's schemas of
 * requests (`src/models/components/` of 2.7.0, at the lines given) and the API's own words of refusal.
 */
import { expect } from "vitest";
import { z } from "zod";
import type { JsonObject } from "../src/chat.ts";

const anyObject = z.record(z.string(), z.unknown());

/** textchunk.ts 28–34, thinkchunk.ts 103–118, imageurlchunk.ts 71–81, documenturlchunk.ts 43–55, filechunk.ts 33–43, audiochunk.ts 34–44. */
const textChunk = z.strictObject({ type: z.literal("text"), text: z.string() });
const thinkChunk = z.strictObject({
  type: z.literal("thinking"),
  thinking: z.array(textChunk),
  signature: z.string().optional(),
  closed: z.boolean(),
});
const mediaChunks = [
  z.strictObject({
    type: z.literal("image_url"),
    image_url: z.union([z.string(), z.strictObject({ url: z.string(), detail: z.enum(["low", "auto", "high"]) })]),
  }),
  z.strictObject({
    type: z.literal("document_url"),
    document_url: z.string(),
    document_name: z.string().optional(),
  }),
  z.strictObject({ type: z.literal("file"), file_id: z.string() }),
  z.strictObject({ type: z.literal("input_audio"), input_audio: z.string() }),
] as const;

/** "Tool call id was … but must be a-z, A-Z, 0-9, with a length of 9." */
const callId = z.string().regex(/^[a-zA-Z0-9]{9}$/);

/** systemmessage.ts 50–59, usermessage.ts 45–53, assistantmessage.ts 95–109, toolmessage.ts 50–65. */
const message = z.discriminatedUnion("role", [
  z.strictObject({ role: z.literal("system"), content: z.union([z.string(), z.array(textChunk)]) }),
  z.strictObject({
    role: z.literal("user"),
    content: z.union([z.string(), z.array(z.discriminatedUnion("type", [textChunk, ...mediaChunks]))]),
  }),
  z.strictObject({
    role: z.literal("assistant"),
    content: z.union([z.string(), z.array(z.discriminatedUnion("type", [textChunk, thinkChunk]))]),
    tool_calls: z
      .array(
        z.strictObject({
          id: callId,
          type: z.literal("function"),
          function: z.strictObject({ name: z.string(), arguments: z.string() }),
        }),
      )
      .optional(),
    prefix: z.literal(true).optional(),
  }),
  z.strictObject({
    role: z.literal("tool"),
    content: z.union([z.string(), z.array(textChunk)]),
    tool_call_id: callId,
  }),
]);

/** chatcompletionrequest.ts 365–417, tool.ts 39–43, function.ts 34–43, toolchoice.ts 32–39, jsonschema.ts 40–53. */
const requestBody = z.strictObject({
  model: z.string(),
  messages: z.array(message).min(1),
  tools: z
    .array(
      z.strictObject({
        type: z.literal("function"),
        function: z.strictObject({
          name: z.string(),
          description: z.string().optional(),
          strict: z.boolean().optional(),
          parameters: anyObject,
        }),
      }),
    )
    .optional(),
  tool_choice: z
    .union([
      z.enum(["auto", "none", "any"]),
      z.strictObject({ type: z.literal("function"), function: z.strictObject({ name: z.string() }) }),
    ])
    .optional(),
  parallel_tool_calls: z.boolean().optional(),
  response_format: z
    .union([
      z.strictObject({ type: z.literal("json_object") }),
      z.strictObject({
        type: z.literal("json_schema"),
        json_schema: z.strictObject({
          name: z.string(),
          description: z.string().optional(),
          schema: anyObject,
          strict: z.boolean(),
        }),
      }),
    ])
    .optional(),
  reasoning_effort: z.string().optional(),
  max_tokens: z.int().min(1).optional(),
  stop: z.array(z.string().min(1)).optional(),
  temperature: z.number().min(0).max(1.5).optional(),
  top_p: z.number().optional(),
  frequency_penalty: z.number().optional(),
  presence_penalty: z.number().optional(),
  random_seed: z.int().optional(),
  n: z.int().optional(),
  metadata: anyObject.optional(),
  service_tier: z.enum(["auto", "standard_only"]).optional(),
  prompt_cache_key: z.string().optional(),
  stream: z.literal(true).optional(),
});

/** Fails the test with what the API would refuse of a body. */
export function expectAccepted(body: JsonObject, where?: string): void {
  // As it goes out: absent members are gone.
  const read = requestBody.safeParse(JSON.parse(JSON.stringify(body)));
  expect(read.error === undefined ? "" : z.prettifyError(read.error), where).toBe("");
  expectOrder(body, where);
  // "top_p must be 1 when using greedy sampling."
  if (body["temperature"] === 0) expect(body["top_p"] ?? 1, where).toBe(1);
}

interface Turn {
  readonly role: string;
  readonly content: unknown;
  readonly tool_calls?: readonly { readonly id: string }[];
  readonly tool_call_id?: string;
  readonly prefix?: boolean;
}

/** "Expected last role User or Tool (or Assistant with prefix True)", "Unexpected role … after role …", "Not the same number of function calls and responses". */
function expectOrder(body: JsonObject, where: string | undefined): void {
  const turns = body["messages"] as unknown as readonly Turn[];
  const last = turns.at(-1);
  expect(last?.role === "user" || last?.role === "tool" || last?.prefix === true, where).toBe(true);
  for (const [at, turn] of turns.entries()) {
    const before = turns[at - 1]?.role;
    if (turn.role === "system") expect([undefined, "system", "user", "assistant"], where).toContain(before);
    if (turn.role === "system")
      expect(turns[at + 1]?.role === "assistant" && at > 0 && before !== "system", where).toBe(false);
    if (turn.role !== "assistant") continue;
    const isEmpty = turn.content === "" || (Array.isArray(turn.content) && turn.content.length === 0);
    expect(isEmpty && (turn.tool_calls ?? []).length === 0, where).toBe(false);
    const wanted = (turn.tool_calls ?? []).map((call) => call.id);
    const given = turns.slice(at + 1, at + 1 + wanted.length).map((next) => next.tool_call_id);
    expect(new Set(given), where).toEqual(new Set(wanted));
  }
}
