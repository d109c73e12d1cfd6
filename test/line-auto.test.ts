/** A client that leaves the choice to us gets an answer, also where its own words are another generation's. */
import { afterEach, expect, test } from "vitest";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { startGateway, type RunningGateway } from "./running.ts";

let gateway: RunningGateway | undefined;
let sandbox: RunningSandbox | undefined;

afterEach(async () => {
  await gateway?.close();
  await sandbox?.close();
});

async function ask(
  model: string,
): Promise<{ readonly status: number; readonly losses: string | null; readonly lane: string | null }> {
  sandbox = await startSandbox({ host: "127.0.0.1", port: 0 });
  gateway = await startGateway({
    environment: { ANTHROPIC_API_KEY: "sk-ant-test", ANTHROPIC_BASE_URL: `${sandbox.url}/anthropic` },
  });
  const answer = await fetch(`${gateway.url}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json", "anthropic-version": "2023-06-01" },
    body: JSON.stringify({
      model,
      max_tokens: 2_048,
      thinking: { type: "enabled", budget_tokens: 1_024 },
      messages: [
        { role: "user", content: "Hello" },
        { role: "system", content: "Be brief." },
      ],
    }),
  });
  await answer.text();
  const [row] = await gateway.attempts(answer.headers.get("x-sluice-exchange"));
  return { status: answer.status, losses: answer.headers.get("x-sluice-losses"), lane: row?.lane ?? null };
}

test("auto writes anew what the chosen model is known to refuse", async () => {
  expect(await ask("auto")).toMatchObject({ status: 200, lane: "translated" });
});

test("who names the model is told by its provider what it refuses", async () => {
  expect(await ask("claude-haiku-5-5")).toMatchObject({ status: 400, lane: "same" });
});
