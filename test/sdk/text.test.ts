/** Plain conversations: whole and streamed, by both official SDKs, with every simulated provider. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { echoOf, isSame, present, type Simulation, startSimulation, TARGETS } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

const SAID = "Grüße an alle 🌍, and a second sentence.";
const ANSWER = echoOf(SAID);

describe.each(TARGETS)("OpenAI's SDK with $name", (target) => {
  const model = target.name;
  const messages = [
    { role: "system" as const, content: "You are brief." },
    { role: "user" as const, content: SAID },
  ];

  test("a completion is whole, says who answered, and is one row", async () => {
    const { data, response } = await simulation.openai.chat.completions.create({ model, messages }).withResponse();
    const choice = present(data.choices[0], "the choice");
    expect(choice.message).toMatchObject({ role: "assistant", content: ANSWER });
    expect(choice.finish_reason).toBe("stop");
    expect(data.object).toBe("chat.completion");
    expect(data.id).toMatch(/./);
    expect(response.headers.get("x-sluice-target")).toBe(target.name);
    const rows = await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"));
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({
      outcome: "complete",
      status: 200,
      provider: target.provider,
      model: target.model,
      client_dialect: "openai-chat",
      upstream_dialect: isSame(target, "openai-chat") ? "openai-chat" : target.dialect,
      lane: isSame(target, "openai-chat") ? "same" : "translated",
      stream: false,
    });
  });

  test("the deltas of a stream are the answer, and its usage comes when it was asked for", async () => {
    const stream = await simulation.openai.chat.completions.create({
      model,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let finish: string | null = null;
    let usages = 0;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      finish = chunk.choices[0]?.finish_reason ?? finish;
      if (chunk.usage !== null && chunk.usage !== undefined) usages += 1;
    }
    expect(text).toBe(ANSWER);
    expect(finish).toBe("stop");
    expect(usages).toBe(1);
  });

  test("a stream whose usage nobody asked for has none, and the ledger has it all the same", async () => {
    const { data, response } = await simulation.openai.chat.completions
      .create({ model, messages, stream: true })
      .withResponse();
    let usages = 0;
    let empty = 0;
    for await (const chunk of data) {
      if (chunk.usage !== null && chunk.usage !== undefined) usages += 1;
      if (chunk.choices.length === 0) empty += 1;
    }
    // In its own dialect a provider that always tells it does so in the last chunk of the answer, and no byte of that is changed.
    const isTold = isSame(target, "openai-chat") && target.alwaysTellsUsage;
    expect({ usages, empty }).toEqual({ usages: isTold ? 1 : 0, empty: 0 });
    const [row] = await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"));
    expect(row).toMatchObject({ outcome: "complete", usage_basis: "reported" });
    expect(row?.usage.output).toBeGreaterThan(0);
  });

  test("the stream helper hears each piece and ends with the whole completion", async () => {
    const stream = simulation.openai.chat.completions.stream({
      model,
      messages,
      stream_options: { include_usage: true },
    });
    const pieces: string[] = [];
    stream.on("content", (piece) => pieces.push(piece));
    const completion = await stream.finalChatCompletion();
    expect(pieces.length).toBeGreaterThan(3);
    expect(pieces.join("")).toBe(ANSWER);
    expect(await stream.finalContent()).toBe(ANSWER);
    expect(completion.choices[0]?.finish_reason).toBe("stop");
    expect(completion.usage?.completion_tokens).toBe((await stream.totalUsage()).completion_tokens);
    expect(completion.usage?.completion_tokens).toBeGreaterThan(0);
  });

  test("an answer that runs into its cap ends in `length`", async () => {
    const completion = await simulation.openai.chat.completions.create({
      model,
      max_completion_tokens: 40,
      messages: [{ role: "user", content: "[[sandbox: tokens=400]] go on" }],
    });
    expect(completion.choices[0]?.finish_reason).toBe("length");
    expect(completion.usage?.completion_tokens).toBe(40);
  });

  test("a stop sequence ends the answer before it", async () => {
    const completion = await simulation.openai.chat.completions.create({
      model,
      stop: ["END"],
      messages: [{ role: "user", content: '[[sandbox: text="one two END three"]] count' }],
    });
    expect(completion.choices[0]?.message.content).toBe("one two ");
    expect(completion.choices[0]?.finish_reason).toBe("stop");
  });

  test("the history of a conversation goes along", async () => {
    const [first, second] = await Promise.all(
      [
        [],
        [
          { role: "user" as const, content: "Earlier." },
          { role: "assistant" as const, content: "Noted." },
        ],
      ].map((history) =>
        simulation.openai.chat.completions.create({ model, messages: [...history, { role: "user", content: "Now." }] }),
      ),
    );
    expect(second?.choices[0]?.message.content).toBe(echoOf("Now."));
    expect(second?.usage?.prompt_tokens).toBeGreaterThan(first?.usage?.prompt_tokens ?? Infinity);
  });
});

describe.each(TARGETS)("Anthropic's SDK with $name", (target) => {
  const model = target.name;
  const asked = {
    model,
    max_tokens: 1024,
    system: "You are brief.",
    messages: [{ role: "user" as const, content: SAID }],
  };

  test("a message is whole, says who answered, and is one row", async () => {
    const { data, response } = await simulation.anthropic.messages.create(asked).withResponse();
    expect(data).toMatchObject({ type: "message", role: "assistant", stop_reason: "end_turn", stop_sequence: null });
    expect(textOf(data.content)).toBe(ANSWER);
    expect(data.id).toMatch(/^msg_/);
    expect(response.headers.get("x-sluice-target")).toBe(target.name);
    const rows = await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"));
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({
      outcome: "complete",
      provider: target.provider,
      model: target.model,
      client_dialect: "anthropic-messages",
      upstream_dialect: target.dialect,
      lane: isSame(target, "anthropic-messages") ? "same" : "translated",
    });
  });

  test("the stream helper hears each piece and ends with the whole message", async () => {
    const stream = simulation.anthropic.messages.stream(asked);
    const pieces: string[] = [];
    const kinds: string[] = [];
    stream.on("text", (piece) => pieces.push(piece));
    stream.on("streamEvent", (event) => kinds.push(event.type));
    const message = await stream.finalMessage();
    expect(pieces.length).toBeGreaterThan(3);
    expect(pieces.join("")).toBe(ANSWER);
    expect(await stream.finalText()).toBe(ANSWER);
    expect(message).toMatchObject({ stop_reason: "end_turn", role: "assistant" });
    expect(message.usage.output_tokens).toBeGreaterThan(0);
    expect(kinds[0]).toBe("message_start");
    expect(kinds.slice(-2)).toEqual(["message_delta", "message_stop"]);
  });

  test("the raw events of a stream open and close one block after the other", async () => {
    const stream = await simulation.anthropic.messages.create({ ...asked, stream: true });
    let open: number | undefined;
    let blocks = 0;
    for await (const event of stream) {
      if (event.type === "content_block_start") {
        expect(open).toBeUndefined();
        expect(event.index).toBe(blocks);
        open = event.index;
        blocks += 1;
      } else if (event.type === "content_block_delta") {
        expect(event.index).toBe(open);
      } else if (event.type === "content_block_stop") {
        expect(event.index).toBe(open);
        open = undefined;
      }
    }
    expect(open).toBeUndefined();
    expect(blocks).toBeGreaterThan(0);
  });

  test("an answer that runs into its cap ends in `max_tokens`", async () => {
    const message = await simulation.anthropic.messages.create({
      model,
      max_tokens: 40,
      messages: [{ role: "user", content: "[[sandbox: tokens=400]] go on" }],
    });
    expect(message.stop_reason).toBe("max_tokens");
    expect(message.usage.output_tokens).toBe(40);
  });

  test("a stop sequence ends the answer before it, and is named where the provider names it", async () => {
    const message = await simulation.anthropic.messages.create({
      model,
      max_tokens: 200,
      stop_sequences: ["END"],
      messages: [{ role: "user", content: '[[sandbox: text="one two END three"]] count' }],
    });
    expect(textOf(message.content)).toBe("one two ");
    expect([message.stop_reason, message.stop_sequence]).toEqual(
      target.tellsStopSequence ? ["stop_sequence", "END"] : ["end_turn", null],
    );
  });
});

function textOf(content: readonly { readonly type: string; readonly text?: string }[]): string {
  return content.map((block) => (block.type === "text" ? (block.text ?? "") : "")).join("");
}
