/** Several base URLs are replicas of one service: one that is down costs the calls nothing but the try that found it out. */
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { json, startFakeUpstream, type FakeUpstream } from "./fake-upstream.ts";
import { startGateway, type RunningGateway } from "./running.ts";

let gateway: RunningGateway | undefined;
let good: FakeUpstream | undefined;

afterEach(async () => {
  await gateway?.close();
  await good?.close();
});

const ANSWER = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "Hi." }, finish_reason: "stop" }],
  usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
};

/** A port where nobody listens. */
async function deadUrl(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => void server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

test("a dead replica is tried once, without a wait before the next, and the target stays in use", async () => {
  good = await startFakeUpstream(json(ANSWER));
  // A wait would be longer than the test may take.
  const yaml = "retries: { backoffMs: 60000, waitMaxMs: 60000 }";
  gateway = await startGateway({ environment: { VLLM_BASE_URL: `${await deadUrl()},${good.url}` }, yaml });
  for (let call = 0; call < 4; call += 1) {
    const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "vllm/m", messages: [{ role: "user", content: "Hello" }] }),
    });
    expect(answer.status).toBe(200);
    await answer.text();
  }
  const rows = await gateway.allAttempts();
  expect(rows.map((row) => row.outcome)).toEqual(["failed", "complete", "complete", "complete", "complete"]);
  expect(rows.every((row) => row.outcome === "complete" || row.cost_usd === 0)).toBe(true);
  expect(gateway.logged.join("")).toMatch(/"event":"attempt-failed".*"code":"ECONNREFUSED"/);
});
