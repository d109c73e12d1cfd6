/**
 * What clients ask beside their conversations: which models there are, whether anybody is there, and threads whose earlier messages
 * are kept at the provider.
 */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { json } from "../fake-upstream.ts";
import { call } from "../line-client.ts";
import { object } from "./answer.ts";
import { captures, describeMaterial, type Json } from "./material.ts";
import { CLIENT_KEY, startStage, type Stage } from "./stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.close());

test("both SDKs list the models, and find each one that is listed", async () => {
  const { url } = stage.gateway("openai");
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: CLIENT_KEY, maxRetries: 0 });
  const ids: string[] = [];
  for await (const model of openai.models.list()) ids.push(model.id);
  expect(ids).toContain("auto");
  expect(ids).toContain("gpt-5.4-nano");
  for (const id of ids.slice(0, 5)) expect(await openai.models.retrieve(id)).toMatchObject({ id, object: "model" });
  const anthropic = new Anthropic({ baseURL: url, apiKey: CLIENT_KEY, maxRetries: 0 });
  const same: string[] = [];
  for await (const model of anthropic.models.list()) same.push(model.id);
  expect(same).toEqual(ids);
  expect(await anthropic.models.retrieve("claude-haiku-4-5")).toMatchObject({ type: "model", id: "claude-haiku-4-5" });
});

test.each(["/", "/api/hello"])("HEAD %s is answered at once", async (path) => {
  const answer = await call(stage.gateway("openai").url, path, { method: "HEAD" });
  expect([200, 204, 404]).toContain(answer.status);
  expect(answer.body.length).toBe(0);
});

describeMaterial("a message thread", () => {
  const threads = captures()
    .flatMap(({ requests }) => requests)
    .filter(({ body }) => Object.keys(object(object(body)["thread"])).length > 0);

  test("begins and goes on at the provider that has threads", async () => {
    expect(threads.length).toBeGreaterThan(1);
    for (const { headers, body } of threads) {
      stage.upstream.answer(json(answerOf("msg_1")));
      const sent = await stage.send("anthropic", {
        api: "messages",
        headers: Object.fromEntries(headers.filter(([name]) => name === "anthropic-beta")),
        body: JSON.stringify({ ...body, model: `anthropic/${String(body["model"])}` }),
      });
      expect(sent.status).toBe(200);
      const arrived = stage.upstream.requests.at(-1);
      expect(JSON.parse(String(arrived?.body))).toEqual(body);
      expect(arrived?.headers["anthropic-beta"]).toMatch(/message-threads/);
    }
  });

  test("that the provider does not know any more is told in the words that make the client go on", async () => {
    const details = { error_code: "thread_not_found" };
    const error = { type: "error", error: { type: "not_found_error", message: "thread not found", details } };
    stage.upstream.answer(json(error, 404));
    const body = threads.at(-1)?.body ?? {};
    const sent = await stage.send("anthropic", {
      api: "messages",
      body: JSON.stringify({ ...body, model: `anthropic/${String(body["model"])}` }),
    });
    expect(sent.status).toBe(404);
    expect(JSON.parse(sent.bytes.toString("utf8"))).toEqual(error);
  });

  test.each(["openai/gpt-4.1-mini", "mistral/mistral-medium-3.5", "vllm/qwen3-8b"])(
    "is refused for %s, and the client goes on without",
    async (model) => {
      for (const { body } of threads) {
        const before = stage.upstream.requests.length;
        const sent = await stage.send(model.slice(0, model.indexOf("/")), {
          api: "messages",
          body: JSON.stringify({ ...body, model }),
        });
        expect(sent.status).toBe(400);
        const error = object((JSON.parse(sent.bytes.toString("utf8")) as Json)["error"]);
        expect(object(error["details"])["error_code"]).toBe("thread_unsupported_request");
        expect(stage.upstream.requests.length).toBe(before);
      }
    },
  );
});

function answerOf(id: string): Json {
  return {
    id,
    type: "message",
    role: "assistant",
    model: "claude-opus-4-8",
    content: [{ type: "text", text: "It is 22 °C." }],
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 3, output_tokens: 7 },
  };
}
