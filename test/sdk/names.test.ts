/** What a client may call a model, and what it is told of those there are. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { echoOf, failure, present, PROVIDERS, type Simulation, startSimulation, TARGETS } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation({
    yaml: `
retries: { backoffMs: 1 }
aliases:
  fast: mistral/mistral-small-2603
  any: [openai/gpt-5.4-nano, anthropic/claude-haiku-5-5]
policy: { targets: [openai/gpt-5.4-nano, mistral/mistral-small-2603] }
`,
  });
});
afterAll(() => simulation.close());

/** Who answers, asked by either SDK. */
async function answering(model: string): Promise<readonly (string | null)[]> {
  const messages = [{ role: "user" as const, content: "Who are you?" }];
  const answers = await Promise.all([
    simulation.openai.chat.completions.create({ model, messages }).withResponse(),
    simulation.anthropic.messages.create({ model, max_tokens: 500, messages }).withResponse(),
  ]);
  return answers.map(({ response }) => response.headers.get("x-sluice-target"));
}

const both = (target: string) => [target, target];

test.each(TARGETS)("`$name` is exactly that one", async ({ name }) => {
  expect(await answering(name)).toEqual(both(name));
});

test("a bare id goes to the provider that the table gives it", async () => {
  expect(await answering("gpt-5.4-nano")).toEqual(both("openai/gpt-5.4-nano"));
  expect(await answering("claude-haiku-5-5")).toEqual(both("anthropic/claude-haiku-5-5"));
  expect(await answering("mistral-small-2603")).toEqual(both("mistral/mistral-small-2603"));
});

test("a dated snapshot goes where its model goes", async () => {
  expect(await answering("gpt-5.4-nano-2026-03-17")).toEqual(both("openai/gpt-5.4-nano-2026-03-17"));
});

test("an alias goes to its target; one of several, to what the policy chooses", async () => {
  expect(await answering("fast")).toEqual(both("mistral/mistral-small-2603"));
  // The default is what costs least.
  expect(await answering("any")).toEqual(both("anthropic/claude-haiku-5-5"));
});

test("`auto` is the policy's choice, and the client may name the policy", async () => {
  expect(await answering("auto:ordered")).toEqual(both("openai/gpt-5.4-nano"));
  const cheapest = await answering("auto:cheapest-task");
  expect(await answering("auto")).toEqual(cheapest);
  const rows = await simulation.gateway.allAttempts();
  expect(rows.at(-1)).toMatchObject({ policy: "cheapest-task", requested_model: "auto" });
  expect(rows.at(-1)?.reason).toMatch(/cheapest-task: .* < /);
});

test("`auto` goes on to the next target when the first one fails, and the SDK sees only the answer", async () => {
  simulation.sandbox.faults.next({ provider: "openai", name: "503" });
  const { data, response } = await simulation.openai.chat.completions
    .create({ model: "auto:ordered", messages: [{ role: "user", content: "Are you there?" }] })
    .withResponse();
  expect(data.choices[0]?.message.content).toBe(echoOf("Are you there?"));
  expect(response.headers.get("x-sluice-target")).toBe("mistral/mistral-small-2603");
  const rows = await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"));
  expect(rows.map((row) => [row.target, row.outcome])).toEqual([
    ["openai/gpt-5.4-nano", "failed"],
    ["mistral/mistral-small-2603", "complete"],
  ]);
});

test("both SDKs list the models, and find one by each name that it lists", async () => {
  const openai: string[] = [];
  for await (const model of simulation.openai.models.list()) openai.push(model.id);
  const anthropic: string[] = [];
  for await (const model of simulation.anthropic.models.list()) anthropic.push(model.id);
  expect(anthropic).toEqual(openai);
  expect(openai).toEqual(expect.arrayContaining(["auto", "fast", "any", "gpt-5.4-nano", "openai/gpt-5.4-nano"]));
  for (const id of ["auto", "fast", "openai/gpt-5.4-nano", "claude-haiku-5-5"]) {
    expect((await simulation.openai.models.retrieve(id)).id).toBe(id);
    expect((await simulation.anthropic.models.retrieve(id)).id).toBe(id);
  }
  for (const { kind } of PROVIDERS.filter((provider) => provider.isPriced))
    expect(openai.some((id) => id.startsWith(`${kind}/`))).toBe(true);
});

test("a model that nobody has is a NotFoundError in both SDKs, and says what would be right", async () => {
  const bare = await startSimulation({ withoutSandbox: true });
  try {
    const messages = [{ role: "user" as const, content: "Hello." }];
    for (const model of ["mystery-1", "nobody/gpt-5.4-nano"]) {
      const error = await failure(bare.openai.chat.completions.create({ model, messages }));
      expect(error).toBeInstanceOf(OpenAI.NotFoundError);
      expect(error).toMatchObject({ code: "model_not_found", param: "model", type: "invalid_request_error" });
      const other = await failure(bare.anthropic.messages.create({ model, max_tokens: 9, messages }));
      expect(other).toBeInstanceOf(Anthropic.NotFoundError);
      expect(other).toMatchObject({ type: "not_found_error" });
      expect((other as Error).message).toMatch(/provider\/model-id|there are openai, anthropic/);
    }
  } finally {
    await bare.close();
  }
});

test("Anthropic's client turns the pages of the list, forwards and backwards", async () => {
  const { models } = simulation.anthropic;
  const all: string[] = [];
  for await (const model of models.list()) all.push(model.id);
  const paged: string[] = [];
  for await (const model of models.list({ limit: 7 })) paged.push(model.id);
  expect(paged).toEqual(all);
  const ids = async (query: Anthropic.ModelListParams) => {
    const page = await models.list(query);
    expect([page.first_id, page.last_id]).toEqual([page.data.at(0)?.id ?? null, page.data.at(-1)?.id ?? null]);
    return [page.data.map(({ id }) => id), page.has_more];
  };
  const [first, second, third, fourth] = all;
  expect(await ids({ limit: 3 })).toEqual([all.slice(0, 3), true]);
  expect(await ids({ limit: 1000 })).toEqual([all, false]);
  expect(await ids({ limit: 2, after_id: present(second, "a second model") })).toEqual([[third, fourth], true]);
  expect(await ids({ limit: 2, before_id: present(fourth, "a fourth model") })).toEqual([[second, third], true]);
  expect(await ids({ limit: 2, before_id: present(third, "a third model") })).toEqual([[first, second], false]);
  expect(await ids({ limit: 2, after_id: present(all.at(-1), "a last model") })).toEqual([[], false]);
  for (const query of [
    { limit: 0 },
    { limit: 1001 },
    { limit: 1.5 },
    { after_id: "nobody" },
    { before_id: "nobody" },
  ]) {
    const error = await failure(models.list(query));
    expect(error, JSON.stringify(query)).toBeInstanceOf(Anthropic.BadRequestError);
    expect((error as Error).message).toContain(Object.keys(query)[0]);
  }
});

test("whatever can be called can be looked up, by whatever name, its slashes encoded or not", async () => {
  const bare = await startSimulation({ withoutSandbox: true });
  try {
    const names = {
      "vllm/mistralai/Mistral-Small-4-119B-2603": "vllm",
      "mistralai/Mistral-Small-4-119B-2603": "vllm",
      "ollama/llama3.1": "ollama",
      "llama3.1": "ollama",
      "openai/some-new-model": "openai",
      "gpt-5.4-nano-2026-03-17": "openai",
    };
    for (const [name, owner] of Object.entries(names)) {
      expect(await bare.openai.models.retrieve(name), name).toMatchObject({ id: name, owned_by: owner });
      expect((await bare.anthropic.models.retrieve(name)).id).toBe(name);
      const answer = await fetch(`${bare.gateway.url}/mistral/v1/models/${name}`);
      expect(await answer.json(), name).toMatchObject({ id: name, owned_by: owner });
    }
    for (const name of ["vllm/no/such", "ollama/no-such", "no-such", "no-such/model"]) {
      expect(await failure(bare.openai.models.retrieve(name)), name).toBeInstanceOf(OpenAI.NotFoundError);
      expect(await failure(bare.anthropic.models.retrieve(name)), name).toBeInstanceOf(Anthropic.NotFoundError);
    }
  } finally {
    await bare.close();
  }
});
