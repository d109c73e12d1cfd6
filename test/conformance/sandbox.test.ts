/**
 * Captured conversations against the provider simulator, which refuses what the real ones refuse and caches as they do: every turn is
 * answered in the client's dialect, and what the turn before left in the cache is found there again.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { startSandbox, type RunningSandbox } from "../../bench/sandbox/index.ts";
import { call } from "../line-client.ts";
import { startGateway, type RunningGateway } from "../running.ts";
import { objects, readAnswer } from "./answer.ts";
import { chatGrammar, messagesGrammar } from "./grammar.ts";
import { capturedCalls, captures, describeMaterial, type CapturedCall } from "./material.ts";

/** Conversations of several turns; in each of them every turn begins as the one before it. */
const CONVERSATIONS = [
  "claude-code--tools-loop",
  "claude-code--continue",
  "opencode--anthropic-tools-loop",
  "opencode--chat-tools-loop",
];
/** The models that the client named: in its own dialect nothing is to be translated. */
const THEIR_OWN = "the models that it named";
const TO_CHAT = ["openai/gpt-5.4-nano", "mistral/mistral-small-2603", "vllm/Qwen/Qwen3-8B"];
const TO_MESSAGES = ["anthropic/claude-haiku-5-5", "anthropic/claude-opus-5-5"];

/** Where prefixes are found again without a key or a mark that these clients would have to give; Claude Code gives its marks. */
const CACHES_ALONE = ["openai/gpt-5.4-nano", "vllm/Qwen/Qwen3-8B", THEIR_OWN];
/** Caches go by steps, of 128 tokens at most. */
const STEP_TOKENS = 130;

describeMaterial("a captured conversation, answered by the simulator,", () => {
  let sandbox: RunningSandbox;
  let gateway: RunningGateway;
  beforeAll(async () => {
    sandbox = await startSandbox({
      port: 0,
      vllm: { reportsCached: true },
      // Captured thoughts were signed by somebody else.
      anthropic: { checksSignatures: false },
    });
    const { url } = sandbox;
    gateway = await startGateway({
      environment: {
        OPENAI_API_KEY: "sk-1",
        OPENAI_BASE_URL: `${url}/openai/v1`,
        ANTHROPIC_API_KEY: "sk-2",
        ANTHROPIC_BASE_URL: `${url}/anthropic`,
        MISTRAL_API_KEY: "sk-3",
        MISTRAL_BASE_URL: `${url}/mistral/v1`,
        VLLM_API_KEY: "sk-4",
        VLLM_BASE_URL: `${url}/vllm/v1`,
      },
    });
  });
  afterAll(async () => {
    await gateway.close();
    await sandbox.close();
  });

  for (const capture of captures().filter(({ name }) => CONVERSATIONS.includes(name))) {
    const calls = capturedCalls(capture);
    const own = calls[0]?.api ?? "chat";
    const models = own === "chat" ? [...TO_CHAT, ...TO_MESSAGES] : [THEIR_OWN, ...TO_CHAT];
    for (const model of models) {
      test(`${capture.name} goes on with ${model}`, async () => {
        sandbox.reset();
        let before: { readonly call: CapturedCall; readonly input: number } | undefined;
        for (const one of calls) {
          const { api, path, headers, body } = one;
          const answer = await call(gateway.url, path, {
            headers,
            body: model === THEIR_OWN ? body : { ...body, model },
          });
          expect(answer.text.slice(0, 400)).toMatch(/^(event|data): /);
          expect(answer.status).toBe(200);
          const { usage, finish } = readAnswer(api, true, answer.body);
          expect(finish).toBeDefined();
          const isTranslated = (api === "chat") === TO_MESSAGES.includes(model) && model !== THEIR_OWN;
          if (isTranslated)
            expect(api === "chat" ? chatGrammar(answer.body, true) : messagesGrammar(answer.body)).toEqual([]);
          const input = usage?.input ?? 0;
          if (CACHES_ALONE.includes(model) && before !== undefined && goesOn(before.call, one)) {
            expect(usage?.cacheRead).toBeGreaterThan(before.input - STEP_TOKENS);
          }
          before = { call: one, input };
        }
      });
    }
  }
});

/** A further turn of the same conversation: agents ask beside it, for a title. */
function goesOn(before: CapturedCall, after: CapturedCall): boolean {
  const [earlier, later] = [objects(before.body["messages"]), objects(after.body["messages"])];
  return later.length > earlier.length && objects(before.body["tools"]).length === objects(after.body["tools"]).length;
}
