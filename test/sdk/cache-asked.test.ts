/** What a client of Claude's asks of the gateway in `respect`, by the front door and the simulator's bill: its own bytes, and a mark more. */
import { afterEach, expect, test } from "vitest";
import type { JsonObject } from "../../src/chat.ts";
import type { AttemptRow } from "../../src/ledger-query.ts";
import { present, QUICK_RETRIES, startSimulation, type Simulation } from "./simulated.ts";

const STATIC = "the quick brown fox jumps over the lazy dog and runs away from it ".repeat(220);

let simulation: Simulation;
afterEach(() => simulation.close());

async function call(body: JsonObject, headers: Readonly<Record<string, string>> = {}): Promise<AttemptRow> {
  const response = await fetch(`${simulation.gateway.url}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: "claude-haiku-5-5", max_tokens: 50, ...body }),
  });
  expect(response.status).toBe(200);
  await response.arrayBuffer();
  const rows = await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"));
  return present(rows.at(-1), "the row");
}

function turns(last: string): JsonObject {
  return {
    system: STATIC,
    messages: [
      { role: "user", content: "Read it." },
      { role: "assistant", content: "I have." },
      { role: "user", content: last },
    ],
  };
}

test("what stands before a boundary line is written once, and read by whatever goes on otherwise", async () => {
  simulation = await startSimulation({ yaml: QUICK_RETRIES });
  const dated = (date: string): JsonObject => ({
    system: `${STATIC}\n<!-- sluice:dynamic -->\nIt is ${date}.`,
    messages: [{ role: "user", content: `What is to be done on ${date}?` }],
  });
  const rows: AttemptRow[] = [];
  for (const date of ["Monday", "Tuesday", "Wednesday"]) rows.push(await call(dated(date)));
  const last = present(rows.at(-1), "the last row");
  expect(last.usage.cache_read).toBeGreaterThan(3_000);
  expect(last.predicted_read).toBe(last.usage.cache_read);
});

test("of eight announced siblings one writes what they have in common, and seven read it", async () => {
  simulation = await startSimulation({ yaml: QUICK_RETRIES });
  const rows = await Promise.all(
    Array.from({ length: 8 }, (_, part) => call(turns(`Work on part ${part}.`), { "x-sluice-fork": "8" })),
  );
  expect(rows.filter(({ usage }) => usage.cache_read === 0)).toHaveLength(1);
  expect(rows.filter(({ usage }) => (usage.cache_read ?? 0) > 3_000)).toHaveLength(7);
  for (const { predicted_read: predicted, usage } of rows) expect(predicted).toBe(usage.cache_read);
});

test.each(["openai/gpt-6-luna", "mistral/mistral-small-2603"])(
  "%s is found by a key: announced siblings are given one, and the conversation keeps it",
  async (model) => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const ask = async (messages: readonly JsonObject[], headers: Readonly<Record<string, string>> = {}) => {
      const response = await fetch(`${simulation.gateway.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify({
          model,
          max_completion_tokens: 50,
          messages: [{ role: "system", content: STATIC }, ...messages],
        }),
      });
      expect(response.status).toBe(200);
      await response.arrayBuffer();
      const rows = await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"));
      return present(rows.at(-1), "the row");
    };
    const keySent = () =>
      (present(simulation.sandbox.requests.at(-1), "the request").body as JsonObject)["prompt_cache_key"];
    const part = (at: number): JsonObject => ({ role: "user", content: `Work on part ${at}.` });
    await ask([part(99)]);
    expect(keySent()).toBeUndefined();
    const rows = await Promise.all(Array.from({ length: 8 }, (_, at) => ask([part(at)], { "x-sluice-fork": "8" })));
    expect(rows.filter(({ usage }) => usage.cache_read === 0)).toHaveLength(1);
    const key = keySent();
    expect(key).toMatch(/^[\w-]{32}$/);
    const next = await ask([part(3), { role: "assistant", content: "Done." }, { role: "user", content: "Go on." }]);
    expect(keySent()).toBe(key);
    expect(next.usage.cache_read).toBeGreaterThan(2_000);
    await ask([part(98)]);
    expect(keySent()).toBeUndefined();
  },
);

test("with `off`, siblings are given no key", async () => {
  simulation = await startSimulation({ yaml: `${QUICK_RETRIES}cache: { mode: off }\n` });
  const response = await fetch(`${simulation.gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-sluice-fork": "8" },
    body: JSON.stringify({ model: "openai/gpt-6-luna", messages: [{ role: "user", content: STATIC }] }),
  });
  expect(response.status).toBe(200);
  expect(simulation.sandbox.requests.at(-1)?.body).not.toHaveProperty("prompt_cache_key");
});

test("who asks for nothing pays for no write", async () => {
  simulation = await startSimulation({ yaml: QUICK_RETRIES });
  for (const part of ["one", "two"]) {
    const row = await call(turns(`Work on part ${part}.`));
    expect([row.cache_marks, row.usage.cache_read, row.usage.cache_write_5m]).toEqual([null, 0, 0]);
  }
});
