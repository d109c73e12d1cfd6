/** Lines that change by themselves, moved: by the front door, on the provider's bill, and in the bytes that it gets. */
import { afterEach, describe, expect, test } from "vitest";
import { MOVED_HEADING } from "../src/cache/moving.ts";
import type { JsonObject, JsonValue } from "../src/chat.ts";
import type { AttemptRow } from "../src/ledger-query.ts";
import { present, QUICK_RETRIES, startSimulation, type Simulation } from "./sdk/simulated.ts";

const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ";
const STATIC = WORDS.repeat(320);
const CLAUDE = "anthropic/claude-haiku-5-5";
const MOVE = `${QUICK_RETRIES}cache: { move: { triage: { rules: [timestamps] } } }\n`;

let simulation: Simulation;
afterEach(() => simulation.close());

/** The system text as an application writes it that knows what time it is. */
function systemAt(minute: number): string {
  return `You answer tickets.\nCurrent time: 2026-11-25 10:${String(10 + minute)}:00\n${STATIC}`;
}

interface Session {
  readonly model: string;
  readonly taskClass?: string;
  /** Without one, GPT-5.6 and later are answered by whichever machine comes. */
  readonly key?: string;
}

interface Turned {
  readonly row: AttemptRow;
  readonly headers: Headers;
}

/** A conversation whose client sends everything again each time, with the time as it is by then. */
async function converse(turns: number, { model, taskClass = "triage", key }: Session): Promise<readonly Turned[]> {
  const said: { role: "user" | "assistant"; content: string }[] = [];
  const all: Turned[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    said.push({ role: "user", content: `Turn ${turn}: ${WORDS.repeat(6)}` });
    const call = await simulation.openai.chat.completions
      .create(
        {
          model,
          messages: [{ role: "system", content: systemAt(turn) }, ...said],
          ...(key === undefined ? {} : { prompt_cache_key: key }),
        },
        { headers: { "x-sluice-task-class": taskClass } },
      )
      .withResponse();
    const [row] = await simulation.gateway.attempts(call.response.headers.get("x-sluice-exchange"));
    all.push({ row: present(row, "the row"), headers: call.response.headers });
    said.push({ role: "assistant", content: `Answer ${turn}: ${WORDS.repeat(3)}` });
  }
  return all;
}

function sent(): JsonObject {
  return present(simulation.sandbox.requests.at(-1), "the request").body as JsonObject;
}

function sum(turned: readonly Turned[], of: (row: AttemptRow) => number | null): number {
  return turned.reduce((total, { row }) => total + (of(row) ?? 0), 0);
}

describe("a system text that says the time, of an OpenAI client on Claude", () => {
  test("is paid for each time where nothing is moved, and read from the cache where it is", async () => {
    simulation = await startSimulation({ yaml: MOVE });
    const left = await converse(8, { model: CLAUDE, taskClass: "other" });
    const moved = await converse(8, { model: CLAUDE });
    expect(sum(left, ({ usage }) => usage.cache_read)).toBe(0);
    for (const { row, headers } of left) {
      expect((row.usage.input_uncached ?? 0) + (row.usage.cache_write_5m ?? 0)).toBeGreaterThan(4_000);
      expect(headers.get("x-sluice-moved")).toBeNull();
    }
    for (const { row, headers } of moved) {
      expect(headers.get("x-sluice-moved")).toBe("timestamps=1");
      expect(row.predicted_read).toBe(row.usage.cache_read);
      expect(row.cache_bust).toBeNull();
    }
    // From the second call on, everything up to the end of what the user said before; of the rest, the line and the latest turn.
    for (const { row } of moved.slice(1)) {
      expect(row.usage.cache_read).toBeGreaterThan(4_000);
      expect((row.usage.input_uncached ?? 0) + (row.usage.cache_write_5m ?? 0)).toBeLessThan(400);
    }
    expect(sum(moved.slice(2), ({ usage }) => usage.cache_read)).toBeGreaterThan(
      sum(moved.slice(1, -1), ({ usage }) => usage.cache_read),
    );
    expect(sum(moved, ({ cost_usd }) => cost_usd)).toBeLessThan(0.4 * sum(left, ({ cost_usd }) => cost_usd));
    // One conversation is one task, though it begins otherwise each time.
    expect(new Set(moved.map(({ row }) => row.task)).size).toBe(1);
    expect(await simulation.gateway.metric('sluice_cache_moved_lines_total{rule="timestamps"}')).toBe(8);
  });

  test("stands behind what the user says, under its heading", async () => {
    simulation = await startSimulation({ yaml: MOVE });
    await converse(1, { model: CLAUDE });
    const { system, messages } = sent();
    expect(textOf(system)).toBe(`You answer tickets.\n${STATIC}`);
    const [user] = messages as readonly JsonObject[];
    const blocks = present(user, "the message")["content"] as readonly JsonObject[];
    expect(blocks.map(({ text }) => text)).toEqual([
      `Turn 0: ${WORDS.repeat(6)}`,
      `\n\n${MOVED_HEADING}\nCurrent time: 2026-11-25 10:10:00`,
    ]);
    // The mark is before what is another text next time.
    expect(blocks[1]).not.toHaveProperty("cache_control");
  });
});

test.each([
  "openai/gpt-5.4-nano",
  "openai/gpt-6-luna",
  "vllm/mistralai/Mistral-Small-4-119B-2603",
  "ollama/llama3.1:latest",
])("%s reads what stands before the line that was moved", async (model) => {
  simulation = await startSimulation({ yaml: MOVE });
  await converse(4, { model, taskClass: "other" });
  const systems = simulation.sandbox.requests.map(({ body }) => JSON.stringify(body ?? "").includes(MOVED_HEADING));
  expect(systems.some(Boolean)).toBe(false);
  const moved = await converse(4, { model, ...(model.startsWith("openai/") ? { key: "a" } : {}) });
  for (const { headers } of moved) expect(headers.get("x-sluice-moved")).toBe("timestamps=1");
  expect(JSON.stringify(sent())).toContain(MOVED_HEADING);
  for (const { row } of moved.slice(1)) {
    if (row.usage.cache_read !== null) expect(row.usage.cache_read).toBeGreaterThan(3_000);
  }
});

describe("in the provider's own dialect", () => {
  async function post(body: JsonObject, taskClass: string): Promise<Response> {
    const answer = await fetch(`${simulation.gateway.url}/v1/messages`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-sluice-task-class": taskClass },
      body: JSON.stringify(body),
    });
    expect(answer.status, await answer.clone().text()).toBe(200);
    return answer;
  }

  function claude(minute: number, more: JsonObject = {}): JsonObject {
    return {
      model: "claude-haiku-5-5",
      max_tokens: 50,
      system: [{ type: "text", text: systemAt(minute), cache_control: { type: "ephemeral" } }],
      messages: [{ role: "user", content: "Hello" }],
      ...more,
    };
  }

  test("a client of another class is passed on byte for byte", async () => {
    simulation = await startSimulation({ yaml: MOVE });
    const body = claude(0);
    await post(body, "other");
    expect(sent()).toEqual(body);
  });

  test("the client's own mark is read, as what it ends does not change any more", async () => {
    simulation = await startSimulation({ yaml: MOVE });
    for (const [minute, read] of [0, 4_000, 4_000].entries()) {
      const { usage } = (await (await post(claude(minute), "triage")).json()) as { usage: Record<string, number> };
      expect(usage["cache_read_input_tokens"]).toBeGreaterThanOrEqual(read);
    }
    expect(sent()).toEqual(
      claude(0, {
        system: [{ type: "text", text: `You answer tickets.\n${STATIC}`, cache_control: { type: "ephemeral" } }],
        messages: [
          {
            role: "user",
            content: [
              { type: "text", text: "Hello" },
              { type: "text", text: `\n\n${MOVED_HEADING}\nCurrent time: 2026-11-25 10:12:00` },
            ],
          },
        ],
      }),
    );
  });

  test("the mark of a block that goes is set on the one before it", async () => {
    simulation = await startSimulation({ yaml: MOVE });
    const mark = { type: "ephemeral", ttl: "1h" };
    const time = { type: "text", text: "Current time: 10:15:00", cache_control: mark };
    await post(claude(0, { system: [{ type: "text", text: STATIC }, time] }), "triage");
    expect(sent()["system"]).toEqual([{ type: "text", text: STATIC, cache_control: mark }]);
  });

  test("a mark on the request as a whole is set where the client's own words end", async () => {
    simulation = await startSimulation({ yaml: MOVE });
    const mark: JsonObject = { type: "ephemeral" };
    const reads: number[] = [];
    const messages: JsonObject[] = [];
    for (let minute = 0; minute < 3; minute += 1) {
      messages.push({ role: "user", content: `Hello ${minute}. ${WORDS}` });
      const body = claude(minute, { system: systemAt(minute), cache_control: mark, messages: [...messages] });
      const answer = (await (await post(body, "triage")).json()) as { usage: Record<string, number> };
      reads.push(answer.usage["cache_read_input_tokens"] ?? 0);
      messages.push({ role: "assistant", content: "I see." });
    }
    expect(sent()["cache_control"]).toBeUndefined();
    const last = present((sent()["messages"] as readonly JsonObject[]).at(-1), "the message");
    expect((last["content"] as readonly JsonObject[]).map((block) => block["cache_control"])).toEqual([
      mark,
      undefined,
    ]);
    expect(reads[0]).toBe(0);
    expect(reads[1]).toBeGreaterThan(4_000);
    expect(reads[2]).toBeGreaterThan(reads[1] ?? 0);
  });

  test("what a tool said last is followed by it, and stays as it was", async () => {
    simulation = await startSimulation({ yaml: MOVE });
    const result = { type: "tool_result", tool_use_id: "toolu_1", content: "It rains." };
    const messages = [
      { role: "user", content: "And the weather?" },
      { role: "assistant", content: [{ type: "tool_use", id: "toolu_1", name: "look", input: {} }] },
      { role: "user", content: [result] },
    ];
    const tools = [{ name: "look", input_schema: { type: "object" } }];
    await post(claude(0, { tools, messages }), "triage");
    const last = present((sent()["messages"] as readonly JsonObject[]).at(-1), "the message");
    expect(last["content"]).toEqual([
      result,
      { type: "text", text: `${MOVED_HEADING}\nCurrent time: 2026-11-25 10:10:00` },
    ]);
  });
});

test("a prompt that is written on purpose is the one that calls after it read", async () => {
  simulation = await startSimulation({ yaml: MOVE });
  const body = (minute: number) => ({
    model: CLAUDE,
    messages: [
      { role: "system" as const, content: systemAt(minute) },
      { role: "user" as const, content: "Hello" },
    ],
    metadata: { task_class: "triage" },
  });
  const answer = await fetch(`${simulation.gateway.url}/sluice/v1/prewarm?until=static`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body(0)),
  });
  const { written } = (await answer.json()) as { written: number };
  expect(written).toBeGreaterThan(4_000);
  await simulation.openai.chat.completions.create(body(1));
  const row = (await simulation.gateway.allAttempts()).at(-1);
  expect(row?.usage.cache_read).toBe(written);
});

test("an answer that is gone on from by its id has the client's own words before it", async () => {
  simulation = await startSimulation({ yaml: MOVE });
  const headers = { "x-sluice-task-class": "triage" };
  const ask = (input: string, minute: number, previous?: string) =>
    simulation.openai.responses.create(
      {
        model: CLAUDE,
        instructions: systemAt(minute),
        input,
        ...(previous === undefined ? {} : { previous_response_id: previous }),
      },
      { headers },
    );
  const first = await ask("One.", 0);
  await ask("Two.", 1, first.id);
  const messages = sent()["messages"] as readonly JsonObject[];
  // The simulator repeats in its answers what it was told.
  const [one, two] = messages.filter(({ role }) => role === "user").map(({ content }) => textOf(content));
  expect(one).toBe("One.");
  expect(two).toBe(`Two.\n\n${MOVED_HEADING}\nCurrent time: 2026-11-25 10:11:00`);
  const row = (await simulation.gateway.allAttempts()).at(-1);
  expect(row?.usage.cache_read).toBeGreaterThan(4_000);
});

test.each([
  ["{ triage: { rules: [dates] } }", "rules"],
  ["{ triage: { patterns: ['('] } }", "no regular expression"],
  ["{ triage: { patterns: ['(?=a)'] } }", "looks around"],
  ["{ 'a class': { rules: [ids] } }", "cannot be used here"],
])("the config says what is wrong with `move: %s`", async (move, words) => {
  simulation = await startSimulation();
  await expect(startSimulation({ yaml: `cache: { move: ${move} }\n` })).rejects.toThrow(words);
});

function textOf(value: JsonValue | undefined): string {
  if (typeof value === "string") return value;
  return (value as readonly JsonObject[]).map(({ text }) => String(text)).join("");
}
