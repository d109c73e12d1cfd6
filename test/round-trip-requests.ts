/** Requests of what two dialects can both say, and how two readings of one are compared. */
import * as fc from "fast-check";
import type { ChatRequest, JsonObject, Message, Part, Tool, ToolChoice } from "../src/chat.ts";
import { PNG } from "./translation/said.ts";

/** What not every dialect has a word for. */
export type Word = "stop" | "seed" | "penalties" | "forced" | "parallel" | "images";

export const WORDS: Readonly<Record<string, readonly Word[]>> = {
  "openai-chat": ["stop", "seed", "penalties", "forced", "parallel", "images"],
  "openai-responses": ["forced", "parallel", "images"],
  "anthropic-messages": ["stop", "forced", "parallel", "images"],
  "mistral-chat": ["stop", "seed", "penalties", "forced", "parallel", "images"],
  "ollama-chat": ["stop", "seed", "penalties", "images"],
};

/** No white space at the ends, nothing that is a mark in any template. */
const text: fc.Arbitrary<string> = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 12 })
  .map((said) => `a${said.replaceAll(/\s/gu, "_")}z`);
const name: fc.Arbitrary<string> = fc.stringMatching(/^[a-z][a-z0-9_]{2,8}$/);
const id: fc.Arbitrary<string> = fc.stringMatching(/^[a-zA-Z0-9]{9}$/);
const schema: fc.Arbitrary<JsonObject> = fc
  .uniqueArray(fc.stringMatching(/^k[a-z]{1,5}$/), { minLength: 1, maxLength: 3 })
  .map((keys) => ({
    type: "object",
    properties: Object.fromEntries(keys.map((key) => [key, { type: "string" }])),
    required: keys,
    additionalProperties: false,
  }));

export function requestOf(words: readonly Word[]): fc.Arbitrary<ChatRequest> {
  const can = new Set(words);
  const optional = <Value>(word: Word, value: fc.Arbitrary<Value>) =>
    can.has(word) ? fc.option(value, { nil: undefined }) : fc.constant(undefined);
  return fc
    .record({
      system: fc.option(text, { nil: undefined }),
      turns: fc.array(turn(can.has("images")), { minLength: 1, maxLength: 4 }),
      last: text,
      tools: fc.uniqueArray(tool(), { minLength: 1, maxLength: 3, selector: (one) => one.name }),
      choice: optional("forced", fc.constantFrom<ToolChoice["type"]>("auto", "none", "required", "named")),
      parallel: optional("parallel", fc.boolean()),
      stream: fc.boolean(),
      maxOutputTokens: fc.integer({ min: 16, max: 9000 }),
      temperature: fc.option(fc.constantFrom(0.1, 0.25, 1), { nil: undefined }),
      topP: fc.option(fc.constantFrom(0.5, 0.75), { nil: undefined }),
      stop: optional("stop", fc.uniqueArray(text, { minLength: 1, maxLength: 4 })),
      seed: optional("seed", fc.nat()),
      penalty: optional("penalties", fc.constantFrom(-0.5, 0, 0.5)),
      format: fc.option(schema, { nil: undefined }),
    })
    .map((made) => {
      const [first] = made.tools;
      const { choice } = made;
      const toolChoice: ToolChoice | undefined =
        choice === "named" && first !== undefined
          ? { type: "named", name: first.name }
          : choice === "auto" || choice === "none" || choice === "required"
            ? { type: choice }
            : undefined;
      return {
        dialect: "",
        model: "m",
        stream: made.stream,
        wantsStreamUsage: true,
        messages: messagesOf(made.system, made.turns, made.last),
        tools: made.tools,
        maxOutputTokens: made.maxOutputTokens,
        ...present({
          toolChoice,
          // Some say it as a part of the choice.
          parallelToolCalls: toolChoice === undefined || toolChoice.type === "none" ? undefined : made.parallel,
          temperature: made.temperature,
          topP: made.topP,
          stop: made.stop,
          seed: made.seed,
          frequencyPenalty: made.penalty,
          presencePenalty: made.penalty,
        }),
        ...(made.format === undefined
          ? {}
          : { responseFormat: { type: "json-schema", schema: made.format, name: "answer", strict: true } }),
        extra: {},
      } satisfies ChatRequest;
    });
}

interface Turn {
  readonly said: string;
  readonly picture: boolean;
  readonly answer: string | undefined;
  readonly calls: readonly {
    readonly id: string;
    readonly name: string;
    readonly key: string;
    readonly result: string;
  }[];
}

function turn(images: boolean): fc.Arbitrary<Turn> {
  const call = fc.record({ id, name, key: text, result: text });
  return fc.record({
    said: text,
    picture: images ? fc.boolean() : fc.constant(false),
    answer: fc.option(text, { nil: undefined }),
    calls: fc.array(call, { maxLength: 3 }),
  });
}

function tool(): fc.Arbitrary<Extract<Tool, { type: "function" }>> {
  return fc.record({ type: fc.constant("function" as const), name, description: text, parameters: schema });
}

/** Each id once; a turn that says nothing says something. */
function messagesOf(system: string | undefined, turns: readonly Turn[], last: string): Message[] {
  const used = new Set<string>();
  const messages: Message[] = system === undefined ? [] : [{ role: "system", parts: [{ type: "text", text: system }] }];
  for (const { said, picture, answer, calls } of turns) {
    const own = calls.filter((call) => !used.has(call.id) && used.add(call.id));
    const image: Part = { type: "image", source: { type: "base64", mediaType: "image/png", data: PNG } };
    messages.push({ role: "user", parts: [...(picture ? [image] : []), { type: "text", text: said }] });
    const texts: Part[] = answer === undefined && own.length > 0 ? [] : [{ type: "text", text: answer ?? "So." }];
    const called = own.map((call): Part => ({
      type: "tool-call",
      id: call.id,
      name: call.name,
      arguments: JSON.stringify({ key: call.key }),
    }));
    messages.push({ role: "assistant", parts: [...texts, ...called] });
    if (own.length === 0) continue;
    messages.push({
      role: "tool",
      parts: own.map((call) => ({
        type: "tool-result",
        callId: call.id,
        content: [{ type: "text", text: call.result }],
      })),
    });
  }
  return [...messages, { role: "user", parts: [{ type: "text", text: last }] }];
}

function present(members: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

/** The reading without what only says on which wire it was: how messages are cut, and a schema's name. */
export function canonical(request: ChatRequest): object {
  const { responseFormat: format, toolChoice, stop, tools } = request;
  return {
    stream: request.stream,
    said: request.messages.flatMap(({ role, parts }) => parts.map((part) => ({ role, ...plain(part) }))),
    tools: tools.map((one) => (one.type === "function" ? [one.name, one.description, one.parameters] : one)),
    toolChoice,
    // That calls may come side by side is what holds where nothing is said.
    parallelToolCalls: request.parallelToolCalls === false ? false : undefined,
    maxOutputTokens: request.maxOutputTokens,
    temperature: request.temperature,
    topP: request.topP,
    stop,
    seed: request.seed,
    frequencyPenalty: request.frequencyPenalty,
    presencePenalty: request.presencePenalty,
    schema: format?.type === "json-schema" ? format.schema : undefined,
  };
}

function plain(part: Part): object {
  const { envelope: _envelope, ...rest } = part;
  if (rest.type === "tool-result") return { ...rest, content: rest.content.map(plain) };
  // Of a picture's detail, "auto" is what holds where nothing is said.
  return rest.type === "image" ? { type: "image", source: rest.source, detail: rest.detail ?? "auto" } : rest;
}
