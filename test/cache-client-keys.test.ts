/** A cache that is found by a key: what is expected of it is what this prompt's key leads to. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { type RunningSandbox, startSandbox } from "../bench/sandbox/index.ts";
import { type RunningGateway, startGateway } from "./running.ts";

const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ";

let sandbox: RunningSandbox;
let gateway: RunningGateway;
beforeEach(async () => {
  sandbox = await startSandbox({ host: "127.0.0.1", port: 0 });
  gateway = await startGateway({
    environment: {
      MISTRAL_API_KEY: "sk-simulated-3",
      MISTRAL_BASE_URL: `${sandbox.url}/mistral/v1`,
      OPENAI_API_KEY: "sk-simulated-1",
      OPENAI_BASE_URL: `${sandbox.url}/openai/v1`,
    },
  });
});
afterEach(async () => {
  await gateway.close();
  await sandbox.close();
});

/** Predicted, and read. */
async function ask(model: string, key: string | undefined): Promise<readonly (number | null | undefined)[]> {
  const response = await gateway.app.request("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model,
      messages: [
        { role: "system", content: WORDS.repeat(220) },
        { role: "user", content: "Hello" },
      ],
      ...(key === undefined ? {} : { prompt_cache_key: key }),
    }),
  });
  await response.text();
  const row = (await gateway.attempts(response.headers.get("x-sluice-exchange")))[0];
  return [row?.predicted_read, row?.usage.cache_read];
}

test("where nothing is found without a key, nothing is expected without one", async () => {
  const model = "mistral/mistral-small-latest";
  await ask(model, undefined);
  expect(await ask(model, undefined)).toEqual([0, 0]);
});

test.each(["mistral/mistral-small-latest", "openai/gpt-6-luna", "openai/gpt-5.4-nano"])(
  "%s: what one key's prompt wrote is expected of that key only",
  async (model) => {
    expect(await ask(model, "one")).toEqual([0, 0]);
    expect(await ask(model, "two")).toEqual([0, 0]);
    const [predicted, read] = await ask(model, "one");
    expect(read).toBeGreaterThan(2_500);
    expect(predicted).toBe(read);
  },
);
