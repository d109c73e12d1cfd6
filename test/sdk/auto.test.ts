/** `auto` under the clients of every dialect: the choice is the policy's, and why is told in a header, on the row, and in dollars. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { present, startSimulation, type Simulation } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation({
    withoutSandbox: true,
    yaml: `
retries: { backoffMs: 1 }
policy: { default: cheapest-task, targets: [openai/gpt-5.4-mini, openai/gpt-5.4-nano, anthropic/claude-sonnet-5-5] }
`,
  });
});
afterAll(() => simulation.close());

const messages = [{ role: "user" as const, content: "Where does this go?" }];

const clients: readonly { readonly name: string; readonly ask: (model: string) => Promise<unknown> }[] = [
  { name: "openai-chat", ask: (model) => simulation.openai.chat.completions.create({ model, messages }) },
  { name: "openai-responses", ask: (model) => simulation.openai.responses.create({ model, input: messages }) },
  {
    name: "anthropic-messages",
    ask: (model) => simulation.anthropic.messages.create({ model, max_tokens: 200, messages }),
  },
  { name: "mistral-chat", ask: (model) => simulation.mistral.chat.complete({ model, messages }) },
  { name: "ollama-chat", ask: (model) => simulation.ollama.chat({ model, messages, stream: false }) },
];

interface Decision {
  readonly policy: string;
  readonly reason: string;
  readonly tried: readonly string[];
  readonly candidates: readonly {
    readonly target: string;
    readonly total_usd: number;
    readonly price: { readonly source: string };
  }[];
}

describe.each(clients)("$name", ({ name, ask }) => {
  test.each(["auto", "auto:cheapest-task"])("%s goes where the task is finished for the least", async (model) => {
    await ask(model);
    const row = present((await simulation.gateway.allAttempts()).at(-1), "the row");
    expect(row).toMatchObject({ outcome: "complete", policy: "cheapest-task", requested_model: model });
    expect(`${row.provider}/${row.model}`).toBe("openai/gpt-5.4-nano");
    const answer = await simulation.gateway.app.request(`/sluice/v1/decisions/${row.exchange}`);
    const decision = (await answer.json()) as Decision;
    expect(decision).toMatchObject({ policy: "cheapest-task", reason: row.reason, tried: ["openai/gpt-5.4-nano"] });
    expect(decision.candidates.map(({ target }) => target)).toEqual([
      "openai/gpt-5.4-nano",
      "openai/gpt-5.4-mini",
      "anthropic/claude-sonnet-5-5",
    ]);
    const totals = decision.candidates.map(({ total_usd }) => total_usd);
    expect(totals).toEqual(totals.toSorted((one, other) => one - other));
    expect(decision.candidates.map(({ price }) => price.source)).toEqual(decision.candidates.map(() => "price table"));
    expect(name).toBe(row.client_dialect);
  });
});

test("the reason is one line of ASCII, also where it is long", async () => {
  const { response } = await simulation.openai.chat.completions.create({ model: "auto", messages }).withResponse();
  expect(response.headers.get("x-sluice-reason")).toMatch(
    /^cheapest-task: openai\/gpt-5\.4-nano \$0\.\d+ [\x20-\x7e]{1,220}$/,
  );
});
