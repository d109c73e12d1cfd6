import { afterEach, expect, test } from "vitest";
import { json, startFakeUpstream, type FakeUpstream, type Script } from "./fake-upstream.ts";
import { startGateway, until, type RunningGateway } from "./running.ts";

let gateway: RunningGateway | undefined;
let server: FakeUpstream | undefined;

afterEach(async () => {
  await gateway?.close();
  await server?.close();
});

const ANSWER = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "org/small",
  choices: [{ index: 0, message: { role: "assistant", content: "Hi." }, finish_reason: "stop" }],
  usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
};

const vllm: Script = (outgoing, arrived, number) =>
  json(arrived.method === "GET" ? { object: "list", data: [{ id: "org/small" }, { id: "" }, {}] } : ANSWER)(
    outgoing,
    arrived,
    number,
  );

const call = (url: string) =>
  fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "auto", messages: [{ role: "user", content: "Hello" }] }),
  });

test("with a self-hosted server alone, auto is what that server says it serves", async () => {
  server = await startFakeUpstream(vllm);
  gateway = await startGateway({ environment: { VLLM_BASE_URL: server.url } });
  const answer = await call(gateway.url);
  expect([answer.status, answer.headers.get("x-sluice-target")]).toEqual([200, "vllm/org/small"]);
  const models = (await (await fetch(`${gateway.url}/v1/models`)).json()) as { data: { id: string }[] };
  expect(models.data.map((model) => model.id)).toEqual(["auto", "vllm/org/small"]);
});

test("a server that was down at the start is asked again until it answers", async () => {
  let isUp = false;
  server = await startFakeUpstream((outgoing, arrived, number) =>
    isUp ? vllm(outgoing, arrived, number) : json({}, 503)(outgoing, arrived, number),
  );
  gateway = await startGateway({ environment: { VLLM_BASE_URL: server.url }, discoverAgainMs: 5 });
  expect((await call(gateway.url)).status).toBe(404);
  isUp = true;
  const { setup } = gateway.sluice;
  await until(() => setup().targets.toAsk().length === 0);
  expect((await call(gateway.url)).status).toBe(200);
});

test("no server is asked when auto has something to choose from without it", async () => {
  server = await startFakeUpstream(vllm);
  gateway = await startGateway({
    environment: { VLLM_BASE_URL: server.url, OPENAI_API_KEY: "sk-test", OPENAI_BASE_URL: `${server.url}/v1` },
  });
  expect(server.requests).toEqual([]);
});
