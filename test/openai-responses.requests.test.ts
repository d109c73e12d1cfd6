import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ChatRequest, JsonObject, Loss, Part } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import type { Dialect } from "../src/dialects/dialect.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { openaiResponses } from "../src/dialects/openai-responses.ts";
import { GatewayError } from "../src/errors.ts";
import { createModelTable } from "../src/models.ts";
import { captured, entries, material, present, recording, requestsOf, type Captured } from "./openai-chat-material.ts";
import { responsesEntries } from "./openai-responses-readings.ts";

const isResponses = ({ path }: Captured) => /\/v1\/responses(\?|$)/.test(path);
const isMessages = ({ path }: Captured) => /\/v1\/messages(\?|$)/.test(path);
const isChat = ({ path }: Captured) => /\/chat\/completions(\?|$)/.test(path);
const isObject = (value: unknown): value is JsonObject => typeof value === "object" && value !== null;

describe.skipIf(!present)("recorded and captured requests of this dialect", () => {
  const recorded = responsesEntries()
    .filter((entry) => entry.status === 200)
    .map((entry) => ({ where: entry.id, body: recording(entry).request?.body }));
  const caught = captured()
    .filter(isResponses)
    .map(({ path, body }) => ({ where: path, body }));
  const bodies = [...recorded, ...caught].filter(
    (one): one is { where: string; body: JsonObject } => isObject(one.body) && "model" in one.body,
  );

  test("are many", () => {
    expect(recorded.length).toBeGreaterThan(120);
    expect(caught.length).toBeGreaterThan(25);
    expect(bodies.length).toBeGreaterThan(140);
  });

  test("are read, and written again as they were but for their form", () => {
    for (const { where, body } of bodies) {
      const request = openaiResponses.readRequest(body);
      const losses: Loss[] = [];
      const options = { model: request.model, record: undefined };
      const own = openaiResponses.writeRequest(request, options, losses);
      expect(losses, where).toEqual([]);
      expect(JSON.stringify(own)).toBe(JSON.stringify(openaiResponses.writeRequest(request, options, [])));
      expect(plainForm(own), where).toEqual(plainForm(body));
      expect(openaiResponses.readRequest(own), where).toEqual(request);
    }
  });

  test.each([openaiChat, anthropicMessages])(
    "say the same in $name, or are refused for what cannot be said there",
    (dialect) => {
      let written = 0;
      for (const { where, body } of bodies) {
        const request = openaiResponses.readRequest(body);
        const through = wordsThrough(request, dialect, where);
        if (through === undefined) continue;
        for (const one of contents(request).filter(isSayable)) expect(through, where).toContain(one);
        written += 1;
      }
      expect(written).toBeGreaterThan(130);
    },
  );

  test.each([openaiChat, anthropicMessages])(
    "stay the beginning of what the next turn is written as, in $name",
    (dialect) => {
      let compared = 0;
      for (const file of readdirSync(join(material, "captures"))) {
        if (!/^(codex|opencode--openai|sdk--ai-openai)/.test(file)) continue;
        const writes = requestsOf(file)
          .filter(isResponses)
          .map(({ body }) =>
            dialect.writeRequest(
              openaiResponses.readRequest(body as JsonObject),
              { model: "m", record: undefined },
              [],
            ),
          );
        compared += comparePrefixes(writes, "messages", file);
      }
      expect(compared).toBeGreaterThan(12);
    },
  );
});

describe.skipIf(!present)("requests of the other dialects", () => {
  const bodies = [
    ...entries("openai")
      .filter((entry) => entry.status === 200)
      .map((entry) => ({ where: entry.id, dialect: openaiChat, body: recording(entry).request?.body })),
    ...entries("anthropic")
      .filter((entry) => entry.status === 200)
      .map((entry) => ({ where: entry.id, dialect: anthropicMessages, body: recording(entry).request?.body })),
    ...captured()
      .filter(isChat)
      .map(({ path, body }) => ({ where: path, dialect: openaiChat, body })),
    ...captured()
      .filter(isMessages)
      .map(({ path, body }) => ({ where: path, dialect: anthropicMessages, body })),
  ].filter((one): one is { where: string; dialect: Dialect; body: JsonObject } => {
    // Azure's clients name the model in the path.
    return isObject(one.body) && typeof one.body["model"] === "string";
  });

  test("say the same here, with their tools, or are refused for what cannot be said here", () => {
    let written = 0;
    for (const { where, dialect, body } of bodies) {
      const request = dialect.readRequest(body);
      const through = wordsThrough(request, openaiResponses, where);
      if (through === undefined) continue;
      for (const one of contents(request).filter(isSayable)) expect(through, where).toContain(one);
      written += 1;
    }
    expect(written).toBeGreaterThan(500);
  });

  const table = createModelTable();
  test.each(["gpt-5.4", "gpt-5.6-sol", undefined])(
    "stay the beginning of what the next turn is written as, for %s",
    (model) => {
      let compared = 0;
      const record = model === undefined ? undefined : table.find(model);
      for (const file of readdirSync(join(material, "captures"))) {
        if (
          !/^(claude-code--(tools-loop|continue|toolsearch)|opencode--(anthropic|chat)|sdk--(openai-tools|anthropic))/.test(
            file,
          )
        )
          continue;
        for (const [is, dialect] of [
          [isMessages, anthropicMessages],
          [isChat, openaiChat],
        ] as const) {
          const writes = requestsOf(file)
            .filter((one) => is(one) && isObject(one.body) && one.body["thread"] === undefined)
            .map(({ body }) => {
              const request = dialect.readRequest(body as JsonObject);
              return openaiResponses.writeRequest(request, { model: "m", record }, []);
            });
          compared += comparePrefixes(writes, "input", file);
        }
      }
      expect(compared).toBeGreaterThan(8);
    },
  );
});

/** How many of these bodies go on with the one before, whose every message must then be the beginning of theirs. */
function comparePrefixes(bodies: readonly JsonObject[], key: string, file: string): number {
  let compared = 0;
  for (const [at, next] of bodies.entries()) {
    const before = bodies[at - 1];
    if (before === undefined) continue;
    const [shorter, longer] = [withoutMarks(before[key]), withoutMarks(next[key])];
    const opening = Math.min(2, shorter.length);
    if (shorter.length >= longer.length) continue;
    if (JSON.stringify(shorter.slice(0, opening)) !== JSON.stringify(longer.slice(0, opening))) continue;
    expect(longer.slice(0, shorter.length), file).toEqual(shorter);
    compared += 1;
  }
  return compared;
}

/** A mark moves on with every turn; what stood before it stays. */
function withoutMarks(messages: unknown): unknown[] {
  const text = JSON.stringify(messages, (key, value: unknown) =>
    key === "prompt_cache_breakpoint" || key === "cache_control" ? undefined : value,
  );
  return JSON.parse(text) as unknown[];
}

/** What a request written to a dialect says there; `undefined` where it is refused for good reason. */
function wordsThrough(request: ChatRequest, dialect: Dialect, where: string): string | undefined {
  const options = { model: request.model, record: undefined };
  if (request.messages.length === 0) return undefined;
  try {
    const written = JSON.stringify(dialect.writeRequest(request, options, []));
    expect(JSON.stringify(dialect.writeRequest(request, options, [])), where).toBe(written);
    const again = dialect.readRequest(JSON.parse(written) as JsonObject);
    const functions = (one: ChatRequest) => one.tools.flatMap((tool) => (tool.type === "function" ? [tool.name] : []));
    expect(functions(again).toSorted(), where).toEqual(functions(request).toSorted());
    return contents(again).join("\n");
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    expect(error.kind, where).toBe("unsupported");
    return undefined;
  }
}

const isSayable = (one: string) => one.trim() !== "" && !one.endsWith(" null");

/** Everything that was said, in order, in a form that all dialects share. */
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

/** A body in the one form that what is written has: lists of typed parts, nulls and empty lists left out. */
function plainForm(body: JsonObject): unknown {
  const input = typeof body["input"] === "string" ? [{ role: "user", content: body["input"] }] : body["input"];
  const items = (input as JsonObject[] | undefined)?.flatMap((item) => {
    const { type = "message", content, ...rest } = item;
    if (type !== "message") return [silent({ type, ...rest, content })];
    const kind = item["role"] === "assistant" ? "output_text" : "input_text";
    const parts = typeof content === "string" ? (content === "" ? [] : [{ type: kind, text: content }]) : content;
    if (item["role"] === "assistant" && (parts as unknown[]).length === 0) return [];
    const typed = (parts as JsonObject[]).map((part) => ({
      ...part,
      type: part["type"] === "text" ? kind : part["type"],
    }));
    return [silent({ type, ...rest, content: typed.map(silent) })];
  });
  const { user, ...others } = silent(body) as JsonObject;
  return {
    ...others,
    ...(user === undefined ? {} : { safety_identifier: user }),
    ...(items === undefined ? {} : { input: items }),
  };
}

function silent(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, inner: unknown) => {
      if (inner === null || (Array.isArray(inner) && inner.length === 0 && key !== "input")) return undefined;
      if (key === "text" && isObject(inner) && Object.keys(inner).length === 0) return undefined;
      if (key === "stream" && inner === false) return undefined;
      return key === "instructions" && inner === "" ? undefined : inner;
    }),
  );
}
