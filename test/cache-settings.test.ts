/** What besides a prompt's text its provider's cache tells apart: the prediction is the bill, whatever a client changes. */
import type Anthropic from "@anthropic-ai/sdk";
import { afterEach, describe, expect, test } from "vitest";
import { createPlacer, type PlacedPrompt, type Placer, type Prompt } from "../src/cache/placer.ts";
import { createPlanner } from "../src/cache/planner.ts";
import { cacheSettings } from "../src/cache/settings.ts";
import type { ChatRequest } from "../src/chat.ts";
import { request, said, target } from "./made-target.ts";
import { prefixesOf } from "./prefix-places.ts";
import { QUICK_RETRIES, startSimulation, type Simulation } from "./sdk/simulated.ts";

const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ".repeat(200);
const MESSAGES = [said(`System: ${WORDS}`, "system"), said(`One: ${WORDS}`), said("Two.", "assistant"), said("Three.")];
const TOOL = { type: "function", name: "look", description: WORDS } as const;

function promptOf(change: Partial<ChatRequest>): Prompt {
  const asked = request({ stream: true, messages: MESSAGES, tools: [TOOL], ...change });
  return {
    request: asked,
    prefixes: prefixesOf(asked, "acme"),
    namespace: "acme",
    session: undefined,
    task: "t",
    taskClass: undefined,
    mode: "improve",
    siblings: 0,
  };
}

function sent(placer: Placer, model: string, change: Partial<ChatRequest>, nowMs: number): PlacedPrompt {
  const placed = placer.place(promptOf(change), target(model), true, nowMs);
  placed.sent([], nowMs);
  return placed;
}

/** The levels of a prompt of which each is found after such a change. */
function foundAfter(model: string, before: Partial<ChatRequest>, change: Partial<ChatRequest>): string {
  const placer = createPlacer(createPlanner());
  sent(placer, model, before, 0).readable(500);
  const warm = placer.warmTokens(promptOf(change), target(model), true, 1000);
  const { prefixes } = promptOf(change);
  const ratio = target(model).record?.tokenRatio ?? 1;
  const tokensTo = (place: number) => Math.ceil((prefixes.tokens[place] ?? 0) * ratio);
  if (warm === 0) return "nothing";
  if (warm <= tokensTo(0)) return "tools";
  return warm <= tokensTo(prefixes.staticPlace) ? "system" : "all";
}

describe("Claude finds again", () => {
  const found = (change: Partial<ChatRequest>, before: Partial<ChatRequest> = {}) =>
    foundAfter("claude-haiku-5-5", before, change);

  test.each<[string, Partial<ChatRequest>]>([
    ["tool choice", { toolChoice: { type: "required" } }],
    ["way to call tools", { parallelToolCalls: false }],
    ["effort", { reasoning: { effort: "low" } }],
    ["way to think", { reasoning: { enabled: false } }],
  ])("tools and system text after another %s, and no more", (_, change) => {
    expect(found(change)).toBe("system");
    expect(found({}, change)).toBe("system");
    expect(found(change, change)).toBe("all");
  });

  test("no more than tools where the speed is another", () => {
    expect(["nothing", "tools"]).toContain(found({ extra: { speed: "fast" } }));
  });

  test("all of it where what is said holds anyway, or is not documented", () => {
    expect(found({ toolChoice: { type: "auto" }, parallelToolCalls: true, extra: { speed: "standard" } })).toBe("all");
    expect(found({ temperature: 0.5, maxOutputTokens: 7, serviceTier: "auto", verbosity: "low" })).toBe("all");
  });

  test("tools and system text once there are images", () => {
    const image = { type: "image", source: { type: "url", url: "https://a.example/1.png" } } as const;
    expect(found({ messages: [...MESSAGES, { role: "user", parts: [image] }] })).toBe("system");
    const before = { messages: [...MESSAGES, { role: "user", parts: [image] }] } as const;
    expect(found({ messages: [...before.messages, said("Four.", "assistant"), said("Five.")] }, before)).toBe("all");
  });

  test("and nobody waits for what it will not find", () => {
    const placer = createPlacer(createPlanner());
    sent(placer, "claude-haiku-5-5", {}, 0);
    const holdOf = (change: Partial<ChatRequest>) =>
      placer.place(promptOf(change), target("claude-haiku-5-5"), true, 10).hold?.moreTokens ?? 0;
    expect(holdOf({ reasoning: { effort: "low" } })).toBeLessThan(holdOf({}) - 2000);
  });
});

describe("GPT finds again", () => {
  test.each<[string, string, Partial<ChatRequest>, string]>([
    ["gpt-5.6-luna", "nothing after another effort", { reasoning: { effort: "high" } }, "nothing"],
    ["gpt-5.6-luna", "nothing in another form of the answer", { responseFormat: { type: "json-object" } }, "nothing"],
    ["gpt-5.6-luna", "nothing at another verbosity", { verbosity: "low" }, "nothing"],
    ["gpt-5.6-luna", "nothing in another service tier", { serviceTier: "priority" }, "nothing"],
    ["gpt-5.6-luna", "all after another tool choice", { toolChoice: { type: "required" } }, "all"],
    ["gpt-5.4-nano", "nothing after another effort", { reasoning: { effort: "high" } }, "nothing"],
    ["gpt-5.4-nano", "all in another service tier", { serviceTier: "priority" }, "all"],
  ])("%s: %s", (model, _, change, expected) => {
    expect(foundAfter(model, {}, change)).toBe(expected);
  });
});

test("what a model's record does not name is no setting, and neither is its usual effort", () => {
  const { prefixes } = promptOf({});
  const record = target("claude-haiku-5-5").record;
  const usual = record?.reasoning.defaultEffort;
  if (record === undefined || usual === undefined) throw new Error("it has one");
  const settings = (change: Partial<ChatRequest>, own = record) => cacheSettings(request(change), prefixes, own);
  expect(settings({ reasoning: { effort: usual } })).toBeUndefined();
  expect(settings({ reasoning: { effort: usual, budgetTokens: 5 } })).toHaveLength(1);
  expect(
    settings({ toolChoice: { type: "none" } }, { ...record, cache: { kind: "local", stepTokens: 1 } }),
  ).toBeUndefined();
});

describe("end to end, at a provider whose cache keeps to its documentation", () => {
  let simulation: Simulation | undefined;
  afterEach(async () => {
    await simulation?.close();
    simulation = undefined;
  });

  test(
    "an agent that changes its tool choice from turn to turn is billed what was predicted",
    { timeout: 30_000 },
    async () => {
      simulation = await startSimulation({ yaml: `${QUICK_RETRIES}cache: { mode: improve }\n` });
      const messages: Anthropic.MessageParam[] = [{ role: "user", content: `Begin: ${WORDS}` }];
      const reads: number[] = [];
      for (let turn = 0; turn < 8; turn += 1) {
        const { response } = await simulation.anthropic.messages
          .create({
            model: "anthropic/claude-haiku-5-5",
            max_tokens: 50,
            system: `Be brief. ${WORDS}`,
            tools: [{ name: "look", input_schema: { type: "object" } }],
            tool_choice: turn % 2 === 0 ? { type: "auto" } : { type: "auto", disable_parallel_tool_use: true },
            messages,
          })
          .withResponse();
        const [row] = await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"));
        const read = row?.usage.cache_read ?? 0;
        // Where a place was never billed its tokens are an estimate.
        expect(Math.abs((row?.predicted_read ?? 0) - read), `turn ${turn}`).toBeLessThan(0.01 * read + 1);
        reads.push(row?.usage.cache_read ?? 0);
        messages.push({ role: "assistant", content: `Answer ${turn}.` }, { role: "user", content: `Go on ${turn}.` });
      }
      // The second finds the system text only, as the choice is another; from the third on each finds its own kind's.
      expect(reads[1]).toBeGreaterThan(2000);
      expect(reads[2]).toBeGreaterThan((reads[1] ?? 0) + 2000);
      expect(reads[3]).toBeGreaterThan((reads[1] ?? 0) + 2000);
    },
  );
});
