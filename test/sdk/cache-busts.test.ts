/** Why a prompt was not read, from the front door: what the row says where nothing, the client, or the gateway itself broke it. */
import { afterEach, expect, test } from "vitest";
import type { AttemptRow } from "../../src/ledger-query.ts";
import { startSimulation, type Simulation } from "./simulated.ts";

const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ".repeat(220);
const YAML = `
retries: { attemptsMax: 2, backoffMs: 1 }
aliases: { all: [anthropic/claude-haiku-5-5, anthropic/claude-sonnet-5-5] }
`;

let simulation: Simulation;
afterEach(() => simulation.close());

interface Ask {
  readonly model?: string;
  readonly settings?: { readonly tool_choice: "required" };
}

async function ask(turns: readonly string[], { model = "all", settings }: Ask = {}): Promise<AttemptRow> {
  const { response } = await simulation.openai.chat.completions
    .create(
      {
        model,
        messages: [
          { role: "system", content: WORDS },
          ...turns.map((content, at) => ({ role: at % 2 === 0 ? ("user" as const) : ("assistant" as const), content })),
        ],
        tools: [{ type: "function", function: { name: "look", parameters: { type: "object", properties: {} } } }],
        ...settings,
      },
      { headers: { "x-sluice-task": "one" } },
    )
    .withResponse();
  const row = (await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"))).at(-1);
  if (row === undefined) throw new Error("there is no row");
  return row;
}

const LONG = "and on it goes ".repeat(150);
const TURNS = [`One. ${LONG}`, `Yes. ${LONG}`, "Two.", "Yes.", "Three."];

test("a conversation that goes on has lost nothing, and neither have branches of it", async () => {
  simulation = await startSimulation({ yaml: YAML });
  for (const count of [1, 3, 5]) expect((await ask(TURNS.slice(0, count))).cache_bust).toBeNull();
  for (const text of ["Or this?", `Or that? ${LONG}`]) {
    const branch = await ask([...TURNS.slice(0, 2), text]);
    expect(branch.usage.cache_read).toBeGreaterThan(3_000);
    expect(branch.cache_bust).toBeNull();
  }
});

test("a call that another target answered is the gateway's doing, and that it is back is nobody's loss", async () => {
  simulation = await startSimulation({ yaml: YAML });
  await ask(TURNS.slice(0, 1));
  simulation.sandbox.faults.next({ provider: "anthropic", name: "529" });
  const elsewhere = await ask(TURNS.slice(0, 3));
  expect(elsewhere.target).toBe("anthropic/claude-sonnet-5-5");
  expect(elsewhere.cache_bust).toMatch(/^gateway target: \d+ tokens$/);
  const back = await ask(TURNS);
  expect(back).toMatchObject({ target: "anthropic/claude-haiku-5-5", cache_bust: null });
});

test("another model that the client asks for is its own doing", async () => {
  simulation = await startSimulation({ yaml: YAML });
  await ask(TURNS.slice(0, 1));
  const asked = await ask(TURNS.slice(0, 3), { model: "anthropic/claude-sonnet-5-5" });
  expect(asked.cache_bust).toMatch(/^client model model: \d+ tokens$/);
});

test("a setting that the provider's cache tells apart is named", async () => {
  simulation = await startSimulation({ yaml: YAML });
  for (const count of [1, 3]) await ask(TURNS.slice(0, count));
  const forced = await ask(TURNS, { settings: { tool_choice: "required" } });
  // What stands before the messages is read all the same.
  expect(forced.usage.cache_read).toBeGreaterThan(3_000);
  expect(forced.cache_bust).toMatch(/^client toolChoice: \d+ tokens$/);
});

test.each([
  [false, /^client messages\[\d\](?:\.content\[\d\])?[^"]*: \d+ tokens$/],
  [true, /^client messages\[\d\](?:\.content\[\d\])?[^"]* "[^"]*Other[^"]*": \d+ tokens$/],
])("what stood there is quoted only where content may be logged (%s)", async (content, form) => {
  simulation = await startSimulation({ yaml: `${YAML}\nlog: { content: ${content} }` });
  await ask(TURNS.slice(0, 3));
  await ask(TURNS);
  const changed = await ask([`Other words. ${LONG}`, ...TURNS.slice(1)]);
  expect(changed.cache_bust).toMatch(form);
});
