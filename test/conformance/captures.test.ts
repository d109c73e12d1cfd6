/**
 * What real agents and SDKs put on the wire: in their own dialect it arrives as it was, headers included; in the other one nothing is
 * lost that it can say, and a conversation that only grew at the client only grows at the upstream, or its cache would be gone.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { json } from "../fake-upstream.ts";
import { objects, type Api } from "./answer.ts";
import { factsOf, type Utterance } from "./facts.ts";
import { capturedCalls, captures, describeMaterial, type CapturedCall, type Json } from "./material.ts";
import { changesOf } from "./quirks.ts";
import { asChat } from "./responses.ts";
import { CLIENT_KEY, startStage, type Stage } from "./stage.ts";

const conversations = captures().flatMap((capture) => {
  const calls = capturedCalls(capture);
  return calls.length === 0 ? [] : [{ name: capture.name, calls }];
});

/** Of each dialect the upstreams that speak it, or that are told the same in Responses, as `provider/model`. */
const UPSTREAMS: Readonly<Record<Api, readonly string[]>> = {
  chat: ["openai/gpt-4.1-mini", "openai/gpt-5.4-nano", "mistral/mistral-medium-3.5", "vllm/qwen3-8b"],
  messages: ["anthropic/claude-sonnet-4-5", "anthropic/claude-opus-4-8", "anthropic/claude-haiku-5-5"],
};

describeMaterial("what a real client sent", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await startStage();
  });
  afterAll(() => stage.close());

  for (const { name, calls } of conversations) {
    describe(name, () => {
      const own = calls[0]?.api ?? "chat";
      test("arrives in its own dialect as it was", async () => {
        for (const call of calls) await arrivesUntouched(stage, call);
      });
      for (const upstream of UPSTREAMS[own === "chat" ? "messages" : "chat"]) {
        test(`says the same to ${upstream}, and only grows`, () => arrivesWhole(stage, calls, upstream));
      }
    });
  }
});

async function arrivesUntouched(stage: Stage, { api, search, headers, body }: CapturedCall): Promise<void> {
  // Bare names go where such models live, and then nothing at all is to be changed for them.
  // Mistral's client is known by its name, and Mistral alone speaks its dialect.
  const isMistral = JSON.stringify(headers).includes("mistral-client-");
  const providers = isMistral ? ["mistral"] : api === "chat" ? ["openai", "mistral"] : ["anthropic"];
  for (const provider of providers) {
    const model = String(body["model"]);
    const text = JSON.stringify({ ...body, model: `${provider}/${model}` }, null, 1);
    const arrived = await arrival(stage, provider, { api, search, headers, body: text });
    const got = JSON.parse(arrived.text) as Json;
    const { quirks, unasked } = changesOf(provider, body, got);
    expect(unasked).toEqual([]);
    if (quirks.length === 0 && JSON.stringify(got) === JSON.stringify(body))
      expect(arrived.text).toBe(JSON.stringify(body, null, 1));
    if (provider === "anthropic") expect(quirks).toEqual([]);
    expect(arrived.path.endsWith(search)).toBe(true);
    for (const name of ["anthropic-beta", "anthropic-version"]) {
      expect(arrived.headers[name]).toBe(api === "messages" ? headers[name] : undefined);
    }
    expect(JSON.stringify(arrived.headers) + arrived.text).not.toContain(CLIENT_KEY);
    if (provider === "anthropic") {
      const bare = JSON.stringify(body, null, 1);
      expect((await arrival(stage, provider, { api, search, headers, body: bare })).text).toBe(bare);
    }
  }
}

async function arrivesWhole(stage: Stage, calls: readonly CapturedCall[], upstream: string): Promise<void> {
  const provider = upstream.slice(0, upstream.indexOf("/"));
  const before: { readonly said: Prefix; readonly heard: Prefix }[] = [];
  for (const call of calls) {
    const { api, search, headers, body } = call;
    // A thread's earlier messages are at its provider; see the test of threads.
    if (body["thread"] !== undefined) continue;
    const arrived = await arrival(stage, provider, {
      api,
      search,
      headers,
      body: JSON.stringify({ ...body, model: upstream }),
    });
    const other: Api = api === "chat" ? "messages" : "chat";
    const written = JSON.parse(arrived.text) as Json;
    const got = other === "chat" ? asChat(written) : written;
    saysTheSame(api, body, other, got);
    for (const loss of arrived.losses) expect(SAYABLE).not.toContain(loss);
    const now = { said: prefixOf(api, body), heard: prefixOf(other, got) };
    for (const earlier of before) {
      if (begins(now.said, earlier.said)) expect(begins(now.heard, earlier.heard)).toBe(true);
    }
    before.push(now);
  }
}

function saysTheSame(api: Api, body: Json, other: Api, got: Json): void {
  const said = factsOf(api, body);
  const heard = factsOf(other, got);
  expect(withoutIds(heard.utterances)).toEqual(withoutIds(said.utterances));
  // Loaded tools stand last: the ones before them are the prefix that is cached.
  const byName = (tools: typeof said.tools) => Object.fromEntries(tools.map((tool) => [tool.name, tool]));
  expect(heard.tools.length).toBe(said.tools.length);
  expect(byName(heard.tools)).toEqual(byName(said.tools));
  expect(heard.choice ?? "auto").toBe(said.choice ?? "auto");
  expect(heard.stream).toBe(said.stream);
  if (other === "messages") expect(heard.maxTokens).toBeGreaterThan(0);
}

/** What both dialects have a word for: a translation that loses one of these is wrong. */
const SAYABLE = ["messages", "system", "tools", "stop", "orphan-tool-result", "orphan-tool-call", "tool-arguments"];

function withoutIds(utterances: readonly Utterance[]): unknown[] {
  const places = new Map<string, number>();
  return utterances.map((one) => {
    if (one.kind !== "call" && one.kind !== "result") return one;
    if (!places.has(one.id)) places.set(one.id, places.size);
    return { ...one, id: places.get(one.id) };
  });
}

/** A prompt in the order in which it is cached: tools, then what was said, by value and without marks. */
interface Prefix {
  readonly tools: readonly string[];
  readonly said: readonly string[];
}

function prefixOf(api: Api, body: Json): Prefix {
  const tools = objects(body["tools"]).filter((tool) => tool["defer_loading"] !== true);
  const messages = objects(body["messages"]).flatMap((message) => {
    const content = typeof message["content"] === "string" ? [{ type: "text", text: message["content"] }] : [];
    const parts = content.length > 0 ? content : objects(message["content"]);
    // Turns of one speaker that follow each other may be one message later on: the pieces count.
    return api === "chat"
      ? [value({ ...message, content: parts.map((part) => value(part)) })]
      : parts.map((part) => `${String(message["role"])} ${value(part)}`);
  });
  const system = typeof body["system"] === "string" ? [body["system"]] : objects(body["system"]).map(value);
  return { tools: tools.map(value), said: [...system, ...messages] };
}

function value(part: object): string {
  return JSON.stringify(part, (key, inner: unknown) => (key === "cache_control" ? undefined : inner));
}

function begins(whole: Prefix, start: Prefix): boolean {
  const fits = (all: readonly string[], first: readonly string[]) => first.every((one, at) => all[at] === one);
  return fits(whole.tools, start.tools) && fits(whole.said, start.said);
}

interface Arrival {
  readonly text: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly losses: readonly string[];
}

async function arrival(
  stage: Stage,
  provider: string,
  call: Omit<CapturedCall, "body" | "path"> & { readonly body: string },
): Promise<Arrival> {
  stage.upstream.answer(json({ error: { type: "invalid_request_error", message: "heard enough" } }, 400));
  const before = stage.upstream.requests.length;
  const answer = await stage.send(provider, call);
  expect(answer.bytes.toString("utf8")).toContain("heard enough");
  expect(stage.upstream.requests.length - before).toBe(1);
  const arrived = stage.upstream.requests.at(-1);
  if (arrived === undefined) throw new Error("nothing arrived");
  const [row] = await stage.gateway(provider).attempts(String(answer.headers["x-sluice-exchange"]));
  return {
    text: arrived.body.toString("utf8"),
    path: arrived.path,
    headers: arrived.headers,
    losses: (row?.losses ?? []).map((loss) => loss.field),
  };
}
