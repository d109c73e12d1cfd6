/**
 * A conversation that uses everything, on its way to each kind of upstream: nothing of it is lost, results stay with their calls,
 * and the same request is the same bytes.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { json } from "../fake-upstream.ts";
import { object, objects, type Api } from "./answer.ts";
import { factsOf, type Facts, type Utterance } from "./facts.ts";
import type { Json } from "./material.ts";
import { asChat } from "./responses.ts";
import { richRequest, VARIANTS, type Variant } from "./rich.ts";
import { startStage, type Stage } from "./stage.ts";

interface Upstream {
  readonly provider: string;
  readonly model: string;
  readonly api: Api;
}

const UPSTREAMS: readonly Upstream[] = [
  { provider: "openai", model: "gpt-4.1-mini", api: "chat" },
  { provider: "openai", model: "gpt-5.4-nano", api: "chat" },
  { provider: "anthropic", model: "claude-haiku-4-5", api: "messages" },
  { provider: "anthropic", model: "claude-sonnet-4-5", api: "messages" },
  { provider: "mistral", model: "mistral-medium-3.5", api: "chat" },
  { provider: "mistral", model: "mistral-large-latest", api: "chat" },
  { provider: "vllm", model: "qwen3-8b", api: "chat" },
];
const CLIENTS: readonly Api[] = ["chat", "messages"];

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.close());

for (const upstream of UPSTREAMS) {
  describe(`to ${upstream.provider}/${upstream.model}`, () => {
    for (const client of CLIENTS) {
      for (const variant of VARIANTS) {
        test(`the ${variant} conversation of a ${client} client arrives whole, twice alike`, async () => {
          const sent = richRequest(client, variant, `${upstream.provider}/${upstream.model}`);
          const [first, second] = [await arrival(client, upstream, sent), await arrival(client, upstream, sent)];
          expect(second.equals(first)).toBe(true);
          const got = JSON.parse(first.toString("utf8")) as Json;
          expect(got["model"]).toBe(upstream.model);
          const [said, heard] = [
            factsOf(client, sent),
            factsOf(upstream.api, upstream.api === "chat" ? asChat(got) : got),
          ];
          sameConversation(said, heard);
          sameWishes(said, heard, upstream);
          if (upstream.provider === "mistral") ninesOnly(heard);
          if (upstream.api === "messages") fitsMessages(got);
          if (variant === "marked" && upstream.api === "messages") expect(marks(got)).toEqual(["careful", "weather"]);
          if (client === upstream.api) isClientsOwn(sent, got, upstream, variant);
        });
      }
    }
  });
}

async function arrival(client: Api, upstream: Upstream, body: Json): Promise<Buffer> {
  stage.upstream.answer(json({ error: { type: "invalid_request_error", message: "heard enough" } }, 400));
  const before = stage.upstream.requests.length;
  const answer = await stage.send(upstream.provider, { api: client, body: JSON.stringify(body) });
  // The upstream refuses: what it was sent is all that counts here.
  expect(answer.bytes.toString("utf8")).toContain("heard enough");
  expect(stage.upstream.requests.length - before).toBe(1);
  return stage.upstream.requests.at(-1)?.body ?? Buffer.alloc(0);
}

function sameConversation(said: Facts, heard: Facts): void {
  expect(numbered(heard.utterances)).toEqual(numbered(said.utterances));
  expect(heard.tools).toEqual(said.tools);
  const calls = heard.utterances.flatMap((one) => (one.kind === "call" ? [one.id] : []));
  const results = heard.utterances.flatMap((one) => (one.kind === "result" ? [one.id] : []));
  expect(new Set(calls).size).toBe(calls.length);
  expect(results).toEqual(calls);
}

/** Ids are the dialects' own: what counts is which stand for the same call. */
function numbered(utterances: readonly Utterance[]): unknown[] {
  const places = new Map<string, number>();
  return utterances.map((one) => {
    if (one.kind !== "call" && one.kind !== "result") return one;
    if (!places.has(one.id)) places.set(one.id, places.size);
    return { ...one, id: places.get(one.id) };
  });
}

function sameWishes(said: Facts, heard: Facts, { api }: Upstream): void {
  expect({ ...heard, utterances: 0, tools: 0, maxTokens: 0 }).toEqual({
    ...said,
    utterances: 0,
    tools: 0,
    maxTokens: 0,
  });
  // Messages need a cap where the client gave none.
  if (said.maxTokens !== undefined || api === "chat") expect(heard.maxTokens).toBe(said.maxTokens);
  else expect(heard.maxTokens).toBeGreaterThanOrEqual(1_024);
}

function ninesOnly({ utterances }: Facts): void {
  for (const one of utterances) if ("id" in one) expect(one.id).toMatch(/^[a-zA-Z0-9]{9}$/);
}

/** What this surface refuses: results away from their calls, a turn of the same speaker twice, ids of another form. */
function fitsMessages(body: Json): void {
  const turns = objects(body["messages"]);
  expect(turns[0]?.["role"]).toBe("user");
  const spoken = turns.filter((turn) => turn["role"] !== "system");
  for (const [at, turn] of spoken.entries()) expect(turn["role"]).toBe(at % 2 === 0 ? "user" : "assistant");
  for (const turn of turns) {
    const blocks = objects(turn["content"]);
    const kinds = blocks.map((block) => block["type"]);
    const results = kinds.filter((kind) => kind === "tool_result").length;
    expect(kinds.slice(0, results).every((kind) => kind === "tool_result")).toBe(true);
    for (const block of blocks) {
      if (block["type"] === "tool_use") expect(block["id"]).toMatch(/^[a-zA-Z0-9_-]+$/);
      if (block["type"] === "text") expect(block["text"]).not.toBe("");
    }
  }
}

/** One telling word of each place that is marked. */
function marks(body: Json): string[] {
  const places = [body["system"], ...objects(body["messages"]).map((turn) => turn["content"])].flatMap(objects);
  return places.flatMap((block) => {
    if (Object.keys(object(block["cache_control"])).length === 0) return [];
    return /careful|weather/.exec(String(block["text"])) ?? ["?"];
  });
}

/** In the client's own dialect not even the form changes, but for what the provider insists on. */
function isClientsOwn(sent: Json, got: Json, { model, provider }: Upstream, variant: Variant): void {
  if (provider === "anthropic") expect(got).toEqual({ ...sent, model });
  if (provider === "openai" && model === "gpt-4.1-mini" && variant !== "odd") expect(got).toEqual({ ...sent, model });
}
