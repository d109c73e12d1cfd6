/** Plain conversations by the `ai` package: whole and streamed, by each of its providers, with every simulated one. */
import { generateText, streamText } from "ai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AI_PROVIDERS } from "./ai.ts";
import { hostsSpokenTo } from "./hosts.ts";
import { echoOf, isSame, type Simulation, startSimulation, TARGETS } from "./simulated.ts";

const hosts = hostsSpokenTo();
let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

const SAID = "Grüße an alle 🌍, and a second sentence.";
const ANSWER = echoOf(SAID);

describe.each(AI_PROVIDERS)("$name", ({ dialect, paths, model: modelAt }) => {
  const [path] = paths;
  describe.each(TARGETS)("with $name", (target) => {
    const asked = () => ({
      model: modelAt(`${simulation.gateway.url}${path}`, target.name),
      instructions: "You are brief.",
      maxRetries: 0,
    });

    test("`generateText` is whole, says who answered, and is one row", async () => {
      const result = await generateText({ ...asked(), prompt: SAID });
      expect(result.text).toBe(ANSWER);
      expect(result.finishReason).toBe("stop");
      const headers = new Headers(result.response.headers);
      expect(headers.get("x-sluice-target")).toBe(target.name);
      const rows = await simulation.gateway.attempts(headers.get("x-sluice-exchange"));
      expect(rows).toMatchObject([
        {
          outcome: "complete",
          status: 200,
          provider: target.provider,
          model: target.model,
          client_dialect: dialect,
          upstream_dialect: isSame(target, dialect) ? dialect : target.dialect,
          lane: isSame(target, dialect) ? "same" : "translated",
          stream: false,
        },
      ]);
    });

    test("the parts of `streamText` come in their order, and its deltas are the answer", async () => {
      const result = streamText({ ...asked(), prompt: SAID });
      const parts: string[] = [];
      let text = "";
      for await (const part of result.stream) {
        // Some models think unasked, and Anthropic's provider tells of more than was said.
        const isAside = part.type.startsWith("reasoning-") || part.type === "custom";
        if (part.type !== parts.at(-1) && !isAside) parts.push(part.type);
        if (part.type === "text-delta") text += part.text;
        if (part.type === "error") throw part.error;
      }
      expect(text).toBe(ANSWER);
      expect(await result.text).toBe(ANSWER);
      expect(parts).toEqual(["start", "start-step", "text-start", "text-delta", "text-end", "finish-step", "finish"]);
      expect(await result.finishReason).toBe("stop");
      expect((await result.usage).outputTokens).toBeGreaterThan(0);
    });

    test("an answer that runs into its cap ends in `length`", async () => {
      const result = await generateText({
        ...asked(),
        prompt: "[[sandbox: tokens=400]] go on",
        maxOutputTokens: 40,
      });
      expect(result.finishReason).toBe("length");
      expect(result.usage.outputTokens).toBe(40);
    });

    test("the history of a conversation goes along", async () => {
      const short = await generateText({ ...asked(), prompt: "Now." });
      const long = await generateText({
        ...asked(),
        messages: [
          { role: "user", content: "Earlier." },
          { role: "assistant", content: "Noted." },
          { role: "user", content: "Now." },
        ],
      });
      expect(long.text).toBe(echoOf("Now."));
      expect(long.usage.inputTokens).toBeGreaterThan(short.usage.inputTokens ?? Infinity);
    });
  });

  test.each(paths)("%s is a base URL for it, whole and streamed", async (path) => {
    for (const target of TARGETS) {
      const model = modelAt(`${simulation.gateway.url}${path}`, target.name);
      expect((await generateText({ model, maxRetries: 0, prompt: SAID })).text, target.name).toBe(ANSWER);
      expect(await streamText({ model, maxRetries: 0, prompt: SAID }).text, target.name).toBe(ANSWER);
    }
  });
});

test("no host but the gateway's and the simulator's was spoken to", () => {
  expect([...hosts]).toEqual(["127.0.0.1"]);
});
