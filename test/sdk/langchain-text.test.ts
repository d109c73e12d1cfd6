/** Plain conversations and structured ones by LangChain's OpenAI and Anthropic classes, with every simulated provider. */
import { AIMessage, type AIMessageChunk, HumanMessage, SystemMessage } from "@langchain/core/messages";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { hostsSpokenTo } from "./hosts.ts";
import { addedInStreams, LANGCHAIN_MODELS, usageOf } from "./langchain.ts";
import { echoOf, isSame, type Simulation, startSimulation, TARGETS } from "./simulated.ts";

const hosts = hostsSpokenTo();
let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

const SAID = "Grüße an alle 🌍, and a second sentence.";
const ANSWER = echoOf(SAID);
const Report = z.object({
  title: z.string(),
  // No enumeration: to Anthropic LangChain tells those in words only.
  severity: z.string(),
  steps: z.array(z.object({ text: z.string(), minutes: z.number() })),
  done: z.boolean(),
});

describe.each(LANGCHAIN_MODELS)("$name", ({ dialect, create }) => {
  describe.each(TARGETS)("with $name", (target) => {
    const model = () => create(simulation.gateway.url, target.name);

    test("`invoke` is whole, and one row", async () => {
      const before = (await simulation.gateway.allAttempts()).length;
      const message = await model().invoke([new SystemMessage("You are brief."), new HumanMessage(SAID)]);
      expect(message.text).toBe(ANSWER);
      const added = (await simulation.gateway.allAttempts()).slice(before);
      expect(added).toMatchObject([
        {
          outcome: "complete",
          provider: target.provider,
          model: target.model,
          client_dialect: dialect,
          upstream_dialect: isSame(target, dialect) ? dialect : target.dialect,
          lane: isSame(target, dialect) ? "same" : "translated",
        },
      ]);
    });

    test("the chunks of `stream` are the answer, and sum up to its usage", async () => {
      let text = "";
      let pieces = 0;
      let whole: AIMessageChunk | undefined;
      for await (const chunk of await model().stream(SAID)) {
        text += chunk.text;
        pieces += 1;
        whole = whole === undefined ? chunk : whole.concat(chunk);
      }
      expect(text).toBe(ANSWER);
      expect(pieces).toBeGreaterThan(3);
      const row = (await simulation.gateway.allAttempts()).at(-1);
      expect(row).toMatchObject({ outcome: "complete", stream: true });
      expect(usageOf(whole).output_tokens).toBe((row?.usage.output ?? 0) + addedInStreams(dialect, target));
    });

    test("`batch` answers each, in their order", async () => {
      const asked = ["One.", "Two.", "Three."];
      const messages = await model().batch(asked);
      expect(messages.map((message) => message.text)).toEqual(asked.map(echoOf));
    });

    test("the history of a conversation goes along", async () => {
      const first = await model().invoke("Earlier.");
      const second = await model().invoke([new HumanMessage("Earlier."), first, new HumanMessage("Now.")]);
      expect(second.text).toBe(echoOf("Now."));
      const made = await model().invoke([
        new HumanMessage("Earlier."),
        new AIMessage("Noted."),
        new HumanMessage("Now."),
      ]);
      expect(made.text).toBe(echoOf("Now."));
    });

    test.each(["jsonSchema", "functionCalling"] as const)(
      "`withStructuredOutput` by %s is of the schema",
      async (method) => {
        // Where no tool can be asked for, nobody says that one is called.
        if (method === "functionCalling" && !target.choosesTools) return;
        const chain = model().withStructuredOutput(Report, { name: "report", method });
        const report: unknown = await chain.invoke("Report on the outage.");
        expect(Report.parse(report)).toEqual(report);
      },
    );
  });

  test("an answer that runs into its cap is as long as that", async () => {
    for (const target of TARGETS) {
      const model = create(simulation.gateway.url, target.name, { maxTokens: 40 });
      const message = await model.invoke("[[sandbox: tokens=400]] go on");
      expect(usageOf(message).output_tokens, target.name).toBe(40);
    }
  });
});

test("no host but the gateway's and the simulator's was spoken to: nothing is traced, no vocabulary fetched", () => {
  expect([...hosts]).toEqual(["127.0.0.1"]);
});
