/** Prompts at their cache boundary, end to end: the simulator's cache bills as the provider's does. */
import { afterEach, describe, expect, test } from "vitest";
import type { AttemptRow } from "../../src/ledger-query.ts";
import { until } from "../running.ts";
import { QUICK_RETRIES, startSimulation, type Simulation } from "./simulated.ts";

const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ";
const CLAUDE = "anthropic/claude-haiku-5-5";
/** Of its input. */
const DOLLARS_A_TOKEN = 0.1 / 1e6;

let simulation: Simulation;
afterEach(() => simulation.close());

interface Said {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

async function ask(messages: readonly Said[], { model = CLAUDE, stream = false } = {}): Promise<AttemptRow> {
  const call = await simulation.openai.chat.completions
    .create({ model, messages: [...messages], stream })
    .withResponse();
  if (stream) for await (const _ of call.data as AsyncIterable<unknown>) continue;
  const rows = await simulation.gateway.attempts(call.response.headers.get("x-sluice-exchange"));
  const row = rows.at(-1);
  if (row === undefined) throw new Error("there is no row");
  return row;
}

/** Uncached, read, written for five minutes, written for an hour. */
function buckets({ usage }: AttemptRow): readonly (number | null)[] {
  return [usage.input_uncached, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h];
}

function readOf(row: AttemptRow): number {
  return row.usage.cache_read ?? Number.NaN;
}

const SYSTEM: Said = { role: "system", content: WORDS.repeat(220) };

describe("a client that sets no marks, routed to Claude", () => {
  test("pays at most a quarter of its uncached input over a session of 30 turns, and reads what was predicted", async () => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const messages: Said[] = [SYSTEM];
    const rows: AttemptRow[] = [];
    for (let turn = 0; turn < 30; turn += 1) {
      messages.push({ role: "user", content: `Turn ${turn}: ${WORDS.repeat(6)}` });
      rows.push(await ask(messages));
      messages.push({ role: "assistant", content: `Answer ${turn}: ${WORDS.repeat(3)}` });
    }
    const sum = (of: (row: AttemptRow) => number | null) => rows.reduce((total, row) => total + (of(row) ?? 0), 0);
    const uncached = sum(({ usage }) => usage.input_uncached);
    const read = sum(({ usage }) => usage.cache_read);
    const written = sum(({ usage }) => usage.cache_write_5m);
    const writtenLong = sum(({ usage }) => usage.cache_write_1h);
    const paid = uncached + 0.1 * read + 1.25 * written + 2 * writtenLong;
    expect(paid / (uncached + read + written + writtenLong)).toBeLessThanOrEqual(0.25);
    for (const row of rows) expect(row.predicted_read).toBe(row.usage.cache_read);
    expect(sum(({ cache_saved_usd }) => cache_saved_usd)).toBeGreaterThan(0);
    expect(
      await simulation.gateway.metric(
        'sluice_cache_prediction_error_tokens_total{provider="anthropic",model="claude-haiku-5-5"}',
      ),
    ).toBe(0);
  });

  test("is told what was read and saved, of a stream as well, as it is told that at its beginning", async () => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const messages: Said[] = [SYSTEM, { role: "user", content: "One." }];
    await ask(messages);
    const create = { model: CLAUDE, messages };
    const whole = await simulation.openai.chat.completions.create(create).withResponse();
    const said = whole.response.headers.get("x-sluice-cache") ?? "";
    expect(said).toMatch(/^read=\d+;write5m=0;write1h=0;write=0;saved_usd=0\.000\d+$/);
    const streamed = await simulation.openai.chat.completions.create({ ...create, stream: true }).withResponse();
    for await (const _ of streamed.data) continue;
    // It has no word for writes of other classes.
    expect(streamed.response.headers.get("x-sluice-cache")).toBe(said.replace(";write=0", ""));
    const [row] = await simulation.gateway.attempts(streamed.response.headers.get("x-sluice-exchange"));
    expect(streamed.response.headers.get("x-sluice-cache")).toContain(`saved_usd=${row?.cache_saved_usd?.toFixed(8)}`);
  });

  test("is told what a stream wrote when nothing was expected to be read", async () => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const messages: Said[] = [SYSTEM, { role: "user", content: "One." }];
    const streamed = await simulation.openai.chat.completions
      .create({ model: CLAUDE, messages, stream: true })
      .withResponse();
    for await (const _ of streamed.data) continue;
    expect(streamed.response.headers.get("x-sluice-cache")).toMatch(
      /^read=0;write5m=4\d{3};write1h=0;saved_usd=-0\.000\d+$/,
    );
  });

  test("is told what is expected of a stream whose provider tells at its end", async () => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const slow: Said = { role: "user", content: "[[sandbox: tokens=4 tps=100]] One." };
    const create = { model: "openai/gpt-5.4-nano", messages: [SYSTEM, slow] };
    await simulation.openai.chat.completions.create(create);
    const whole = await simulation.openai.chat.completions.create(create).withResponse();
    const read = /^read=(\d+);/.exec(whole.response.headers.get("x-sluice-cache") ?? "")?.[1];
    const streamed = await simulation.openai.chat.completions.create({ ...create, stream: true }).withResponse();
    for await (const _ of streamed.data) continue;
    expect(Number(read)).toBeGreaterThan(1_024);
    expect(streamed.response.headers.get("x-sluice-cache")).toBe(`predicted_read=${read}`);
  });
});

test.each([
  ["off", "the prompt is sent as it is", false],
  ["respect", "a client of the provider's own dialect is left as it is", false],
  ["improve", "ours are set there, too", true],
])("cache: %s: %s", async (mode, _what, isMarked) => {
  simulation = await startSimulation({ yaml: `${QUICK_RETRIES}cache: { mode: ${mode} }\n` });
  const answer = await simulation.anthropic.messages.create({
    model: "claude-haiku-5-5",
    max_tokens: 50,
    system: SYSTEM.content,
    messages: [{ role: "user", content: "Hello" }],
  });
  expect((answer.usage.cache_creation_input_tokens ?? 0) > 0).toBe(isMarked);
});

test("improve: ours stand in the place of the client's", async () => {
  simulation = await startSimulation({ yaml: `${QUICK_RETRIES}cache: { mode: improve }\n` });
  const create = {
    model: "claude-haiku-5-5",
    max_tokens: 50,
    system: [{ type: "text" as const, text: SYSTEM.content }],
    messages: [
      {
        role: "user" as const,
        content: [
          { type: "text" as const, text: "Short", cache_control: { type: "ephemeral" as const, ttl: "1h" as const } },
        ],
      },
    ],
  };
  const first = await simulation.anthropic.messages.create(create);
  expect(first.usage.cache_creation?.ephemeral_1h_input_tokens).toBe(0);
  expect(first.usage.cache_creation?.ephemeral_5m_input_tokens).toBeGreaterThan(3_000);
  const again = await simulation.anthropic.messages.create(create);
  expect(again.usage.cache_read_input_tokens).toBeGreaterThan(3_000);
});

describe("the client's own boundary", () => {
  const dynamic = (now: string): Said => ({
    role: "system",
    content: `${SYSTEM.content}\n<!-- sluice:dynamic -->\nThe time is ${now}.`,
  });

  test("parts what is static from what is not, and never reaches the model", async () => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const first = await ask([dynamic("12:00"), { role: "user", content: "One." }]);
    const second = await ask([dynamic("12:01"), { role: "user", content: "Two." }]);
    expect(readOf(first)).toBe(0);
    expect(readOf(second)).toBeGreaterThan(3_000);
    expect(JSON.stringify(simulation.sandbox.requests)).not.toContain("sluice:dynamic");
  });
});

describe("siblings of a fork", () => {
  const sibling = (index: number): readonly Said[] => [
    SYSTEM,
    { role: "user", content: `Question ${index}: ${WORDS.repeat(3)}` },
  ];

  test.each([true, false])("eight at once are one write and seven reads (streamed: %s)", async (stream) => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const rows = await Promise.all(Array.from({ length: 8 }, (_, index) => ask(sibling(index), { stream })));
    const cold = rows.filter((row) => readOf(row) === 0);
    expect(cold).toHaveLength(1);
    expect(buckets(cold[0] as AttemptRow)[2]).toBeGreaterThan(3_000);
    for (const row of rows.filter((one) => !cold.includes(one))) {
      expect(readOf(row)).toBeGreaterThan(3_000);
      expect(row.usage.cache_write_5m).toBeLessThan(200);
      expect(row.predicted_read).toBe(row.usage.cache_read);
    }
  });

  test("whoever waits has it said, on the row, in a header and in the metrics", async () => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const rows = await Promise.all(Array.from({ length: 8 }, (_, index) => ask(sibling(index))));
    const held = rows.filter(({ held_ms }) => held_ms !== null);
    expect(held.length).toBeGreaterThan(0);
    const labels = '{provider="anthropic",model="claude-haiku-5-5"}';
    expect(await simulation.gateway.metric(`sluice_held_attempts_total${labels}`)).toBe(held.length);
    expect(await simulation.gateway.metric(`sluice_held_read_tokens_total${labels}`)).toBe(
      held.reduce((sum, row) => sum + readOf(row), 0),
    );
    // Nothing of it could be read when they arrived: each would have written it once more, at 1.25 in place of 0.1.
    const saved = held.reduce((sum, row) => sum + readOf(row), 0);
    expect(await simulation.gateway.metric(`sluice_held_saved_tokens_total${labels}`)).toBe(saved);
    expect(await simulation.gateway.metric(`sluice_held_saved_usd_total${labels}`)).toBeCloseTo(
      saved * 1.15 * DOLLARS_A_TOKEN,
      9,
    );
  });

  test.each(["500", "429 retry-after=9", "reset after-events=1", "529"])(
    "a leader that ends in %s hands over: one of the others writes, the rest read",
    async (fault) => {
      simulation = await startSimulation({ yaml: "retries: { attemptsMax: 1 }\n" });
      const failing = ask([SYSTEM, { role: "user", content: `[[sandbox: fault=${fault}]] Hello` }]).catch(
        () => undefined,
      );
      const rows = await Promise.all(Array.from({ length: 6 }, (_, index) => ask(sibling(index))));
      await failing;
      expect(rows.filter((row) => readOf(row) === 0).length).toBeLessThanOrEqual(1);
      expect(rows.filter((row) => readOf(row) > 3_000).length).toBeGreaterThanOrEqual(5);
    },
  );

  test("siblings of other dialects wait for the same leader", async () => {
    simulation = await startSimulation({ yaml: `${QUICK_RETRIES}cache: { mode: improve }\n` });
    const read = await Promise.all([
      ask(sibling(0)).then(readOf),
      ask(sibling(1)).then(readOf),
      simulation.anthropic.messages
        .create({
          model: "claude-haiku-5-5",
          max_tokens: 50,
          system: SYSTEM.content,
          messages: [{ role: "user", content: "Another." }],
        })
        .then(({ usage }) => usage.cache_read_input_tokens ?? Number.NaN),
    ]);
    expect(read.filter((tokens) => tokens === 0)).toHaveLength(1);
    expect(read.filter((tokens) => tokens > 3_000)).toHaveLength(2);
  });

  test("one that leaves while it waits was never sent, and holds up nobody", async () => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const leader = ask(sibling(0), { stream: true });
    const left = new AbortController();
    const leaving = simulation.openai.chat.completions
      .create({ model: CLAUDE, messages: [...sibling(1)] }, { signal: left.signal })
      .catch((error: unknown) => error);
    left.abort();
    await leader;
    await leaving;
    expect(readOf(await ask(sibling(2)))).toBeGreaterThan(3_000);
    await until(() => simulation.gateway.sluice.admission.inFlight === 0);
  });

  test("an announced fan-out is written as far as the siblings have in common", async () => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const history: readonly Said[] = [
      SYSTEM,
      { role: "user", content: `Read this: ${WORDS.repeat(100)}` },
      { role: "assistant", content: "I have read it." },
    ];
    const read = await Promise.all(
      ["one", "two", "three"].map(async (part) => {
        const { response } = await simulation.openai.chat.completions
          .create(
            { model: CLAUDE, messages: [...history, { role: "user", content: `Work on part ${part}.` }] },
            { headers: { "x-sluice-fork": "3" } },
          )
          .withResponse();
        const rows = await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"));
        return readOf(rows[0] as AttemptRow);
      }),
    );
    expect(read.filter((tokens) => tokens === 0)).toHaveLength(1);
    expect(read.filter((tokens) => tokens > 5_500)).toHaveLength(2);
  });

  test.each(["0", "-1", "two", "1.5"])("a fan-out of %s is refused in words", async (count) => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const call = simulation.openai.chat.completions.create(
      { model: CLAUDE, messages: [SYSTEM] },
      { headers: { "x-sluice-fork": count } },
    );
    await expect(call).rejects.toMatchObject({ status: 400, message: expect.stringContaining("x-sluice-fork") });
  });

  test("nobody waits where that is switched off", async () => {
    simulation = await startSimulation({ yaml: `${QUICK_RETRIES}cache: { hold: false }\n` });
    const rows = await Promise.all(Array.from({ length: 8 }, (_, index) => ask(sibling(index))));
    expect(rows.every(({ held_ms }) => held_ms === null)).toBe(true);
  });
});

test("what one tenant has sent changes no prediction of another's", async () => {
  simulation = await startSimulation({
    yaml: QUICK_RETRIES,
    environment: { SLUICE_API_KEYS: "sk-tenant-one-0123456789,sk-tenant-two-0123456789" },
  });
  const asked = async (key: string) => {
    const { response } = await simulation.openai
      .withOptions({ apiKey: key })
      .chat.completions.create({ model: CLAUDE, messages: [SYSTEM, { role: "user", content: "One." }] })
      .withResponse();
    return response.headers.get("x-sluice-exchange");
  };
  await asked("sk-tenant-one-0123456789");
  const other = await asked("sk-tenant-two-0123456789");
  const { gateway } = simulation;
  const rows = (await gateway.sluice.ledger.attempts({ exchange: other ?? "" })).data;
  expect(rows[0]?.predicted_read).toBe(0);
});

test("a client that breaks its own prefix is told where, and what it cost; the class's report sums it up", async () => {
  simulation = await startSimulation({ yaml: QUICK_RETRIES });
  const system = (time: string): Said => ({
    role: "system",
    content: `The time is 2026-11-25T${time}Z.\n${SYSTEM.content}`,
  });
  const headers = { "x-sluice-task": "t-1", "x-sluice-task-class": "triage" };
  const rows: AttemptRow[] = [];
  for (const time of ["12:00:00", "12:00:00", "12:00:31"]) {
    const { response } = await simulation.openai.chat.completions
      .create({ model: CLAUDE, messages: [system(time), { role: "user", content: "One." }] }, { headers })
      .withResponse();
    rows.push(...(await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"))));
  }
  expect(rows.map(({ cache_bust }) => cache_bust)).toEqual([
    null,
    null,
    expect.stringMatching(/^client system\S* \S+: \d{4} tokens$/),
  ]);
  const answer = await simulation.gateway.app.request("/sluice/v1/cache?class=triage");
  const { classes } = (await answer.json()) as { classes: Record<string, unknown>[] };
  expect(classes).toMatchObject([
    { class: "triage", calls: 3, breakers: [{ cause: "client", calls: 1, lost_tokens: expect.any(Number) }] },
  ]);
  expect(simulation.gateway.logged.join("")).not.toContain("12:00:31");
});
