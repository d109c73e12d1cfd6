/** Thoughts that nobody asked for do not change the form of an answer that a client reads as text. */
import { afterEach, expect, test } from "vitest";
import { json, startFakeUpstream, type FakeUpstream } from "./fake-upstream.ts";
import { startGateway, type RunningGateway } from "./running.ts";

let gateway: RunningGateway | undefined;
let upstream: FakeUpstream | undefined;

afterEach(async () => {
  await gateway?.close();
  await upstream?.close();
});

const ANSWER = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices: [
    {
      index: 0,
      message: { role: "assistant", content: "Four.", reasoning_content: "Two and two." },
      finish_reason: "stop",
    },
  ],
  usage: { prompt_tokens: 5, completion_tokens: 9, total_tokens: 14 },
};

async function contentFor(wish: object): Promise<unknown> {
  upstream = await startFakeUpstream(json(ANSWER));
  gateway = await startGateway({ environment: { VLLM_BASE_URL: upstream.url } });
  const answer = await fetch(`${gateway.url}/mistral/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "vllm/m", messages: [{ role: "user", content: "2 + 2?" }], ...wish }),
  });
  const body = (await answer.json()) as { choices: readonly { message: { content: unknown } }[] };
  return body.choices[0]?.message.content;
}

test("a Mistral client that asked for no thoughts gets text", async () => {
  expect(await contentFor({})).toBe("Four.");
});

test("one that asked gets them as chunks", async () => {
  expect(await contentFor({ reasoning_effort: "high" })).toMatchObject([
    { type: "thinking" },
    { type: "text", text: "Four." },
  ]);
});
