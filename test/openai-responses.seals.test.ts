/**
 * Whatever client keeps it, what a provider sealed comes back to its issuer as it was, and to nobody else.
 */
import { describe, expect, test } from "vitest";
import { createBindings } from "../src/binding.ts";
import type { ChatEvent, JsonObject, Loss, ReasoningPart } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import type { Dialect } from "../src/dialects/dialect.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { openaiResponses } from "../src/dialects/openai-responses.ts";
import { applyEdits } from "../src/edit.ts";
import { RECORD_DEFAULTS } from "../src/model.ts";
import { target } from "./made-target.ts";

const haiku = target("claude-haiku-5-5");

/** An answer of each issuer: a thought that is shown, one that is not, a word and a call. */
const ISSUERS: readonly { readonly issuer: Dialect; readonly answer: JsonObject }[] = [
  {
    issuer: anthropicMessages,
    answer: {
      id: "msg_1",
      type: "message",
      role: "assistant",
      model: "m",
      content: [
        { type: "thinking", thinking: "hm: «so»", signature: "c2ln:bmF0dXJl" },
        { type: "redacted_thinking", data: "ZW5jcnlwdGVk" },
        { type: "thinking", thinking: "", signature: "b21pdHRlZA" },
        { type: "text", text: "ok" },
        { type: "tool_use", id: "call_1", name: "f", input: { a: 1 } },
      ],
      stop_reason: "tool_use",
      usage: { input_tokens: 1, output_tokens: 1 },
    },
  },
  {
    issuer: openaiResponses,
    answer: {
      id: "resp_1",
      object: "response",
      model: "m",
      status: "completed",
      output: [
        {
          type: "reasoning",
          id: "rs_1",
          summary: [{ type: "summary_text", text: "hm: «so»" }],
          encrypted_content: "c2ln:bmF0dXJl",
        },
        { type: "message", role: "assistant", id: "msg_1", content: [{ type: "output_text", text: "ok" }] },
        { type: "reasoning", id: "rs_2", summary: [], encrypted_content: "ZW5jcnlwdGVk" },
        { type: "function_call", id: "fc_1", call_id: "call_1", name: "f", arguments: '{"a":1}' },
      ],
    },
  },
];
const SEALS = ["c2ln:bmF0dXJl", "ZW5jcnlwdGVk", "b21pdHRlZA"];

function eventsOf(issuer: Dialect, answer: JsonObject): ChatEvent[] {
  const decoder = issuer.decoder(false);
  return [...decoder.push(Buffer.from(JSON.stringify(answer))), ...decoder.end()];
}

/** The next turn of a client that sends back what it got. */
function nextTurn(client: Dialect, events: readonly ChatEvent[]): JsonObject {
  const encoder = client.encoder({ stream: false, model: "m", includeUsage: true, id: "x", createdSeconds: 1 }, []);
  for (const event of events) encoder.push(event);
  const answer = JSON.parse(encoder.end()) as {
    content?: JsonObject[];
    output?: JsonObject[];
    choices?: [{ message: JsonObject }];
  };
  const question = { role: "user", content: "hi" };
  if (answer.output !== undefined) {
    const result = { type: "function_call_output", call_id: "call_1", output: "1" };
    return { model: "m", input: [question, ...answer.output, result] };
  }
  if (answer.choices !== undefined) {
    const result = { role: "tool", tool_call_id: "call_1", content: "1" };
    return { model: "m", messages: [question, answer.choices[0].message, result] };
  }
  return {
    model: "m",
    max_tokens: 100,
    messages: [
      question,
      { role: "assistant", content: answer.content ?? [] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "call_1", content: "1" }] },
    ],
  };
}

const CLIENTS: readonly Dialect[] = [openaiChat, anthropicMessages, openaiResponses];
const cases = ISSUERS.flatMap(({ issuer, answer }) =>
  CLIENTS.map((client) => ({ issuer, answer, client, name: `${issuer.name} by a client of ${client.name}` })),
);

/** Where both are the same, bytes pass as they are. */
const translated = cases.filter(({ issuer, client }) => client !== issuer);

describe("what was thought at", () => {
  test.each(translated)("$name comes back as it was", ({ issuer, answer, client }) => {
    const request = client.readRequest(nextTurn(client, eventsOf(issuer, answer)));
    const losses: Loss[] = [];
    const written = issuer.writeRequest(request, { model: "m", record: undefined }, losses);
    if (issuer === anthropicMessages) {
      const [, assistant] = written["messages"] as unknown as { content: unknown }[];
      expect(assistant?.content).toEqual(answer["content"]);
      expect(losses).toEqual([]);
      return;
    }
    const items = (written["input"] as unknown as JsonObject[]).slice(1, -1);
    const sealed = items.filter((item) => item["type"] === "reasoning");
    const output = answer["output"] as unknown as JsonObject[];
    // A client of the older API keeps thoughts apart from what they led to: only the last still stands before something.
    const isApart = client === openaiChat;
    const wanted = output.filter((item) => item["type"] === "reasoning").slice(isApart ? 1 : 0);
    expect(sealed).toEqual(wanted);
    expect(losses.map((loss) => loss.field)).toEqual(isApart ? ["orphan-reasoning"] : []);
    for (const [at, item] of items.entries()) {
      if (item["type"] !== "reasoning") continue;
      expect(items[at + 1]?.["type"]).toMatch(/^(message|function_call)$/);
    }
  });

  test.each(cases)("$name goes to nobody else", ({ issuer, answer, client }) => {
    const body = nextTurn(client, eventsOf(issuer, answer));
    const request = client.readRequest(body);
    for (const other of CLIENTS.filter((dialect) => dialect !== issuer && dialect !== client)) {
      const losses: Loss[] = [];
      const text = JSON.stringify(other.writeRequest(request, { model: "m", record: undefined }, losses));
      for (const seal of SEALS) expect(text).not.toContain(seal);
      expect(text).toContain("ok");
      expect(losses.map((loss) => loss.field)).toContain("reasoning");
    }
  });

  test.each(translated.filter(({ client }) => client !== openaiChat))(
    "$name is taken out of the client's own bytes",
    ({ issuer, answer, client }) => {
      const body = nextTurn(client, eventsOf(issuer, answer));
      const raw = Buffer.from(JSON.stringify(body));
      const edits = client.edits(body, { model: "m", askStreamUsage: false });
      const edited = Buffer.from(applyEdits(raw, edits)).toString();
      for (const seal of SEALS) expect(edited).not.toContain(seal);
      expect(edited).not.toContain("sluice");
      // And the ids that were made here.
      expect(edits.every((edit) => edit.loss === "reasoning" || edit.path.at(-1) === "id")).toBe(true);
      const [said, kept] = [raw.toString(), edited].map((text) => client.readRequest(JSON.parse(text) as JsonObject));
      const rest = said?.messages.map(({ parts }) => parts.filter((part) => part.type !== "reasoning"));
      expect(kept?.messages.map(({ parts }) => parts)).toEqual(rest);
    },
  );

  test.each(cases.filter(({ issuer, client }) => client === issuer))(
    "$name stands untouched in the client's own bytes",
    ({ issuer, answer, client }) => {
      const body =
        client === anthropicMessages
          ? { model: "m", messages: [{ role: "assistant", content: answer["content"] }] }
          : { model: "m", input: answer["output"] };
      expect(issuer.edits(body, { model: "m", askStreamUsage: false })).toEqual([]);
    },
  );

  test.each(cases)("$name leads the request to who issued it", ({ issuer, answer, client }) => {
    const bindings = createBindings();
    const events = eventsOf(issuer, answer);
    for (const event of events) {
      if (event.type === "reasoning-end" && event.signature !== undefined)
        bindings.learnSignature(event.signature, haiku, "");
      if (event.type === "reasoning-redacted") bindings.learnSignature(event.data, haiku, "");
    }
    const found = bindings.of(client.readRequest(nextTurn(client, events)), "");
    expect(new Set(found.map(({ origin }) => origin?.instance))).toEqual(new Set(["anthropic"]));
  });
});

describe("a seal", () => {
  const reasoning = (origin: Partial<ReasoningPart>) =>
    ({
      dialect: "openai-chat",
      model: "m",
      stream: false,
      wantsStreamUsage: true,
      messages: [
        { role: "user", parts: [{ type: "text", text: "hi" }] },
        {
          role: "assistant",
          parts: [
            { type: "reasoning", text: "hm", signature: "c2ln", ...origin },
            { type: "text", text: "ok" },
          ],
        },
        { role: "user", parts: [{ type: "text", text: "and?" }] },
      ],
      tools: [],
      extra: {},
    }) as const;

  test.each([{}, { issuer: "thinking-chunk" }, { issuer: "openai-responses-v1" }, { issuer: "a-plugin" }])(
    "of %j is sent to neither",
    (origin) => {
      for (const dialect of [anthropicMessages, openaiResponses]) {
        const losses: Loss[] = [];
        const written = dialect.writeRequest(reasoning(origin), { model: "m", record: undefined }, losses);
        expect(JSON.stringify(written)).not.toContain("c2ln");
        expect(losses.map((loss) => loss.field)).toEqual(["reasoning"]);
      }
    },
  );

  test("of another does not make a Claude of 4.5 think on in a tool loop that it has forgotten", () => {
    const budget = { ...RECORD_DEFAULTS, id: "m", provider: "p", reasoning: { kind: "budget", efforts: [] } } as const;
    const loop = (issuer: string) => ({
      ...reasoning({}),
      reasoning: { effort: "high" },
      messages: [
        { role: "user", parts: [{ type: "text", text: "hi" }] },
        {
          role: "assistant",
          parts: [
            { type: "reasoning", text: "hm", signature: "c2ln", issuer },
            { type: "tool-call", id: "c", name: "f", arguments: "{}" },
          ],
        },
        { role: "tool", parts: [{ type: "tool-result", callId: "c", content: [] }] },
      ],
    });
    const thinking = (issuer: string) =>
      anthropicMessages.writeRequest(loop(issuer) as never, { model: "m", record: budget }, [])["thinking"];
    expect(thinking("anthropic-messages")).toMatchObject({ type: "enabled" });
    expect(thinking("openai-responses")).toEqual({ type: "disabled" });
  });

  test("that a message holds alone goes with its message", () => {
    const body = {
      model: "m",
      messages: [
        { role: "user", content: "hi" },
        {
          role: "assistant",
          content: [{ type: "redacted_thinking", data: "sluice:openai-responses:redacted:rs_1:x" }],
        },
        { role: "user", content: "go on" },
      ],
    };
    const edits = anthropicMessages.edits(body, { model: "m", askStreamUsage: false });
    expect(edits).toEqual([{ op: "delete", path: ["messages", 1], loss: "reasoning" }]);
  });

  test("that was never given, under a thought written here, is not looked for by its id", () => {
    const events: ChatEvent[] = [
      { type: "start" },
      { type: "reasoning-delta", text: "hm" },
      { type: "reasoning-end" },
      { type: "text-delta", text: "ok" },
      { type: "finish", reason: "stop" },
      { type: "done" },
    ];
    const body = nextTurn(openaiResponses, events);
    expect(openaiResponses.edits(body, { model: "other", askStreamUsage: false })).toEqual([
      { op: "set", path: ["model"], value: "other" },
      { op: "delete", path: ["input", 1], loss: "reasoning" },
      { op: "delete", path: ["input", 2, "id"] },
    ]);
  });
});
