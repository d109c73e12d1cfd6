import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ChatRequest, JsonObject, Loss, Part } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { GatewayError } from "../src/errors.ts";
import { captured, entries, material, present, recording, requestsOf } from "./openai-chat-material.ts";

describe.skipIf(!present)("recorded and captured requests", () => {
  test("every recorded request that was answered is read, and written to either dialect to the same bytes twice", () => {
    let read = 0;
    for (const entry of entries("openai")) {
      const body = recording(entry).request?.body;
      if (entry.status !== 200 || typeof body !== "object" || body === null) continue;
      // Azure's clients name the model in the path.
      if (typeof (body as JsonObject)["model"] !== "string") continue;
      checkRequest(body as JsonObject, entry.id);
      read += 1;
    }
    expect(read).toBeGreaterThan(350);
  });

  test("every captured chat request is read and written", () => {
    let read = 0;
    for (const { path, body } of captured()) {
      if (!/\/chat\/completions(\?|$)/.test(path) || typeof body !== "object" || body === null) continue;
      checkRequest(body as JsonObject, path);
      read += 1;
    }
    expect(read).toBeGreaterThan(3);
  });

  test("every captured messages request is written to this dialect, with every text, call and result in it", () => {
    let written = 0;
    for (const { path, body } of captured()) {
      if (!/\/v1\/messages(\?|$)/.test(path) || typeof body !== "object" || body === null) continue;
      const request = anthropicMessages.readRequest(body as JsonObject);
      // With nothing but hosted tools, or with the messages before kept at the provider, it can be answered there only.
      if (request.tools.length > 0 && request.tools.every((tool) => tool.type === "opaque")) continue;
      if (request.extra["thread"] !== undefined) continue;
      const losses: Loss[] = [];
      const out = openaiChat.writeRequest(request, { model: "m", record: undefined }, losses);
      const again = openaiChat.readRequest(out);
      expect(contents(again), path).toEqual(contents(request));
      expect(again.tools.length).toBe(request.tools.filter((tool) => tool.type === "function").length);
      expect(losses.map((loss) => loss.field).filter((field) => !EXPECTED_LOSSES.has(field))).toEqual([]);
      written += 1;
    }
    expect(written).toBeGreaterThan(20);
  });

  test("what a captured conversation was written as stays the beginning of what its next turn is written as", () => {
    let compared = 0;
    for (const file of readdirSync(join(material, "captures"))) {
      if (!/^claude-code--(tools-loop|continue|toolsearch)\.json$/.test(file)) continue;
      const bodies = requestsOf(file).filter(({ path }) => /\/v1\/messages(\?|$)/.test(path));
      const writes = bodies.map(({ body }) =>
        openaiChat.writeRequest(
          anthropicMessages.readRequest(body as JsonObject),
          { model: "m", record: undefined },
          [],
        ),
      );
      for (const [at, next] of writes.entries()) {
        const before = writes[at - 1];
        if (before === undefined) continue;
        const [shorter, longer] = [before["messages"], next["messages"]] as [unknown[], unknown[]];
        if (shorter.length >= longer.length || JSON.stringify(shorter[0]) !== JSON.stringify(longer[0])) continue;
        expect(longer.slice(0, shorter.length), file).toEqual(shorter);
        compared += 1;
      }
    }
    expect(compared).toBeGreaterThan(3);
  });
});

/** What an agent of the other dialect says that this one has no word for. */
const EXPECTED_LOSSES: ReadonlySet<string> = new Set([
  "output_config",
  "context_management",
  "eager_input_streaming",
  "reasoning",
  "unknown-block",
  "user",
  "is_error",
  "budget_tokens",
  "hosted-tool",
  "strict",
  "orphan-tool-call",
]);

function checkRequest(body: JsonObject, where: string): void {
  const request = openaiChat.readRequest(body);
  expect(request.model, where).toBe(body["model"]);
  const options = { model: request.model, record: undefined };
  const losses: Loss[] = [];
  const own = openaiChat.writeRequest(request, options, losses);
  expect(
    losses.filter((loss) => !loss.field.startsWith("orphan")),
    where,
  ).toEqual([]);
  expect(JSON.stringify(own)).toBe(JSON.stringify(openaiChat.writeRequest(request, options, [])));
  const again = openaiChat.readRequest(own);
  expect(withoutForm(again), where).toEqual(withoutForm(request));
  // The other dialect refuses what it cannot say, and says so; whatever it takes, it takes whole.
  const other = () => JSON.stringify(anthropicMessages.writeRequest(request, options, []));
  try {
    expect(other(), where).toBe(other());
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    expect(error.kind, where).toBe("unsupported");
    return;
  }
  const through = contents(anthropicMessages.readRequest(JSON.parse(other()) as JsonObject)).join("\n");
  // Arguments that are no object are kept as text inside one.
  const isSayable = (one: string) => one.trim() !== "" && !one.endsWith(" null");
  for (const one of contents(request).filter(isSayable)) expect(through, where).toContain(one);
}

/** The reading, but for what is always said (the usage of a stream), what says nothing (a choice among no tools), and marks for a cache that this model may not have. */
function withoutForm(request: ChatRequest): unknown {
  const choice = request.tools.length === 0 ? { toolChoice: undefined, parallelToolCalls: undefined } : {};
  const bare = JSON.parse(
    JSON.stringify(request, (key, value: unknown) => (key === "cache" ? undefined : value)),
  ) as object;
  return { ...bare, wantsStreamUsage: undefined, ...choice };
}

/** Everything that was said, in order, in a form that both dialects share. */
function contents(request: ChatRequest): string[] {
  return request.messages.flatMap((message) => message.parts.flatMap(said));
}

function said(part: Part): string[] {
  switch (part.type) {
    case "text":
    case "refusal":
      return [part.text];
    case "tool-call":
      return [`${part.name} ${JSON.stringify(JSON.parse(part.arguments === "" ? "{}" : part.arguments))}`];
    case "tool-result":
      return part.content.flatMap(said);
    case "image":
      return [part.source.type];
    default:
      return [];
  }
}
