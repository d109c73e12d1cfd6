/** What providers say themselves of a prompt that was not read, joined with what the gateway knows of it: front door to ledger and report. */
import type Anthropic from "@anthropic-ai/sdk";
import { afterEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import type { AttemptRow } from "../src/ledger-query.ts";
import { call as callSandbox, user } from "./sandbox-call.ts";
import { call } from "./line-client.ts";
import { startLine, type Line } from "./line-setup.ts";
import { lanes, SAID } from "./line-wires.ts";
import { QUICK_RETRIES, startSimulation, type Simulation } from "./sdk/simulated.ts";

const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ".repeat(400);

let closing: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of closing) await one.close();
  closing = [];
});

async function simulated(): Promise<Simulation> {
  const simulation = await startSimulation({ yaml: QUICK_RETRIES });
  closing.push(simulation);
  return simulation;
}

interface ClassReport {
  readonly diagnosed_calls: number;
  readonly disagreed_calls: number;
}

async function reported({ gateway }: Pick<Line, "gateway">): Promise<ClassReport | undefined> {
  const answer = await gateway.app.request("/sluice/v1/cache");
  return ((await answer.json()) as { classes: readonly ClassReport[] }).classes[0];
}

describe("a client that asks Claude why", () => {
  const body = (system: string, previous: string | null) => ({
    model: "anthropic/claude-haiku-5-5",
    max_tokens: 20,
    system: [{ type: "text" as const, text: system, cache_control: { type: "ephemeral" as const } }],
    messages: [{ role: "user" as const, content: "One." }],
    diagnostics: { previous_message_id: previous },
  });
  const rowOf = async ({ gateway }: Simulation, exchange: string | null): Promise<AttemptRow | undefined> =>
    (await gateway.attempts(exchange))[0];
  const headers = { "x-sluice-task": "t", "x-sluice-task-class": "asks" };

  test.each([{ stream: false }, { stream: true }])(
    "has its word on the row, with our piece where both agree ($stream)",
    async ({ stream }) => {
      const simulation = await simulated();
      const first = await simulation.anthropic.messages.create(body(WORDS, null), { headers });
      expect(first.diagnostics).toBeNull();
      const changed = body(`Now else. ${WORDS}`, first.id);
      let said: Anthropic.Diagnostics | null | undefined;
      let exchange: string | null;
      if (stream) {
        const { data, response } = await simulation.anthropic.messages
          .create({ ...changed, stream }, { headers })
          .withResponse();
        for await (const event of data) if (event.type === "message_start") said = event.message.diagnostics;
        exchange = response.headers.get("x-sluice-exchange");
      } else {
        const { data, response } = await simulation.anthropic.messages.create(changed, { headers }).withResponse();
        said = data.diagnostics;
        exchange = response.headers.get("x-sluice-exchange");
      }
      // The client has it as it was told.
      const reason = said?.cache_miss_reason;
      if (reason?.type !== "system_changed") throw new Error(`it says ${JSON.stringify(said)}`);
      const missed = reason.cache_missed_input_tokens;
      expect(missed).toBeGreaterThan(5_000);
      const row = await rowOf(simulation, exchange);
      expect(row?.cache_bust).toBe(`client system[0]: ${missed} tokens; provider: system`);
      expect(await reported(simulation)).toMatchObject({ calls: 2, diagnosed_calls: 1, disagreed_calls: 0 });
    },
  );

  test("has no bust where the provider finds none, and ours where it cannot tell", async () => {
    const simulation = await simulated();
    const first = await simulation.anthropic.messages.create(body(WORDS, null), { headers });
    const same = await simulation.anthropic.messages.create(body(WORDS, first.id), { headers });
    expect(same.diagnostics).toBeNull();
    const { data, response } = await simulation.anthropic.messages
      .create(body(`Now else. ${WORDS}`, "msg_unheard_of"), { headers })
      .withResponse();
    expect(data.diagnostics).toEqual({ cache_miss_reason: { type: "previous_message_not_found" } });
    const row = await rowOf(simulation, response.headers.get("x-sluice-exchange"));
    expect(row?.cache_bust).toMatch(/^client system\[0\]\S* *\S*: \d+ tokens$/);
    expect(await reported(simulation)).toMatchObject({ calls: 3, diagnosed_calls: 0, disagreed_calls: 0 });
  });
});

describe("what the provider says is what counts, and is seen where we would have said something else", () => {
  const CASES = [
    {
      dialect: "anthropic-messages",
      tells: (changed: boolean): JsonObject =>
        changed
          ? { diagnostics: { cache_miss_reason: { type: "tools_changed", cache_missed_input_tokens: 9 } } }
          : { diagnostics: { cache_miss_reason: null } },
      said: "gateway tools: 9 tokens; provider: tools; gateway: nothing",
    },
    {
      dialect: "openai-responses",
      tells: (changed: boolean): JsonObject => ({
        prompt_cache_diagnostics: changed
          ? { type: "cache_miss", reason: "verbosity_changed", cache_missed_tokens: 9 }
          : { type: "unavailable" },
      }),
      said: "client verbosity: 9 tokens; provider: verbosity; gateway: nothing",
    },
  ];

  /** The events with what is told in the place where each provider tells it. */
  function telling(dialect: string, events: readonly string[], told: JsonObject): string {
    const within = dialect === "anthropic-messages" ? "message" : "response";
    return events
      .map((event) => {
        const at = event.indexOf("data: ") + 6;
        const data = JSON.parse(event.slice(at)) as Record<string, JsonObject>;
        const holder = data[within];
        if (holder === undefined) return event;
        return `${event.slice(0, at)}${JSON.stringify({ ...data, [within]: { ...holder, ...told } })}\n\n`;
      })
      .join("");
  }

  test.each(
    CASES.flatMap((one) =>
      lanes
        .filter(({ upstream }) => upstream.dialect === one.dialect)
        .flatMap((lane) => [false, true].map((stream) => ({ ...one, ...lane, stream }))),
    ),
  )("$name, streamed: $stream", async ({ dialect, tells, said, stream, client: asking, upstream: wire }) => {
    const line = await startLine();
    closing.push(line);
    const provider = line.upstream(wire.kind);
    const body = asking.request({ model: `${wire.kind}/${wire.model}`, stream, text: WORDS });
    for (const changed of [false, true]) {
      provider.answer((outgoing) => {
        const answer = { ...SAID, input: 20_000 };
        outgoing.writeHead(200, { "content-type": stream ? "text/event-stream" : "application/json" });
        outgoing.end(
          stream
            ? telling(dialect, wire.events(answer), tells(changed))
            : JSON.stringify({ ...wire.whole(answer), ...tells(changed) }),
        );
      });
      await call(line.url, asking.path, { body, headers: { "x-sluice-task": "t" } });
    }
    const rows = await line.gateway.allAttempts();
    expect(rows.map(({ outcome }) => outcome)).toEqual(["complete", "complete"]);
    expect(rows[1]?.cache_bust).toMatch(new RegExp(`^${said.replace("gateway: nothing", "gateway: .*")}$`));
    expect(await reported(line)).toMatchObject({ calls: 2, diagnosed_calls: 1, disagreed_calls: 1 });
  });
});

describe("cache.diagnose: the gateway asks where the request is its own to write", () => {
  const lane = (client: string) => {
    const found = lanes.find((one) => one.client.dialect === client && one.upstream.dialect === "anthropic-messages");
    if (found === undefined) throw new Error("there is no such lane");
    return found;
  };
  const { upstream } = lane("openai-chat");
  const model = `${upstream.kind}/${upstream.model}`;
  const said = (role: "user" | "assistant", content: string) => ({ role, content });
  const opening = [said("user", `One: ${WORDS}`)];
  const longer = [...opening, said("assistant", "Yes."), said("user", "Two.")];
  const start = async (yaml: string): Promise<Line> => {
    const line = await startLine({ yaml });
    closing.push(line);
    let number = 0;
    line.upstream(upstream.kind).answer((outgoing) => {
      number += 1;
      outgoing.writeHead(200, { "content-type": "application/json" });
      outgoing.end(JSON.stringify({ ...upstream.whole(SAID), id: `msg_${number}` }));
    });
    return line;
  };
  const asked = async (line: Line, path: string, body: object): Promise<unknown> => {
    await call(line.url, path, { body });
    const sent = line.upstream(upstream.kind).requests.at(-1);
    return (JSON.parse(sent?.body.toString("utf8") ?? "") as JsonObject)["diagnostics"];
  };

  test("with the answer that the prompt goes on from, and with nothing where there is none", async () => {
    const line = await start("cache: { diagnose: true }");
    const { path } = lane("openai-chat").client;
    expect(await asked(line, path, { model, messages: opening })).toEqual({ previous_message_id: null });
    expect(await asked(line, path, { model, messages: longer })).toEqual({ previous_message_id: "msg_1" });
    const longest = [...longer, said("assistant", "No."), said("user", "Three.")];
    expect(await asked(line, path, { model, messages: longest })).toEqual({ previous_message_id: "msg_2" });
    // Who said something else in between is compared with what is the same.
    const branch = [...opening, said("assistant", "Other."), said("user", "Two.")];
    expect(await asked(line, path, { model, messages: branch })).toEqual({ previous_message_id: "msg_1" });
    const other = [said("user", `Else: ${WORDS}`)];
    expect(await asked(line, path, { model, messages: other })).toEqual({ previous_message_id: null });
  });

  test("and never in bytes that are the client's", async () => {
    const line = await start("cache: { diagnose: true }");
    const { path } = lane("anthropic-messages").client;
    expect(await asked(line, path, { model, max_tokens: 5, messages: longer })).toBeUndefined();
    const own = { previous_message_id: "msg_own" };
    expect(await asked(line, path, { model, max_tokens: 5, messages: longer, diagnostics: own })).toEqual(own);
  });

  test("nor unless it is told to", async () => {
    const line = await start("");
    const { path } = lane("openai-chat").client;
    expect(await asked(line, path, { model, messages: longer })).toBeUndefined();
  });

  test("a session through it finds nothing that the gateway has changed", async () => {
    const simulation = await startSimulation({ yaml: `${QUICK_RETRIES}cache: { diagnose: true }` });
    closing.push(simulation);
    const messages = [said("user", `One: ${WORDS}`)];
    for (let turn = 0; turn < 6; turn += 1) {
      const answer = await simulation.openai.chat.completions.create({ model: "anthropic/claude-haiku-5-5", messages });
      messages.push(said("assistant", answer.choices[0]?.message.content ?? ""), said("user", `Turn ${turn}.`));
    }
    const rows = await simulation.gateway.allAttempts();
    expect(rows.map(({ outcome, cache_bust }) => [outcome, cache_bust])).toEqual(
      Array.from({ length: 6 }, () => ["complete", null]),
    );
    expect(await reported(simulation)).toMatchObject({ diagnosed_calls: 0, disagreed_calls: 0 });
  });
});

describe("the simulator compares as it is documented", () => {
  const asked = (fields: JsonObject): JsonObject => ({
    model: "claude-haiku-5-5",
    max_tokens: 5,
    system: "Be brief.",
    tools: [{ name: "look", input_schema: { type: "object" } }],
    messages: [user("One.")],
    ...fields,
  });
  test.each<[string, JsonObject, JsonObject | null]>([
    ["nothing", {}, null],
    ["more said", { messages: [user("One."), { role: "assistant", content: "Yes." }, user("Two.")] }, null],
    ["another model", { model: "claude-sonnet-5-5" }, { type: "model_changed", cache_missed_input_tokens: 0 }],
    ["another system text", { system: "Be long." }, { type: "system_changed", cache_missed_input_tokens: 0 }],
    ["no tool", { tools: [] }, { type: "tools_changed", cache_missed_input_tokens: 0 }],
    ["another beginning", { messages: [user("Two.")] }, { type: "messages_changed", cache_missed_input_tokens: 0 }],
    ["another choice", { tool_choice: { type: "none" } }, { type: "unavailable" }],
  ])("%s", async (_, fields, reason) => {
    const { sandbox } = await simulated();
    const first = await callSandbox(sandbox, "anthropic", asked({ diagnostics: { previous_message_id: null } }));
    expect(first.body["diagnostics"]).toBeNull();
    const again = (key: string, previous: unknown) =>
      callSandbox(
        sandbox,
        "anthropic",
        asked({ ...fields, diagnostics: { previous_message_id: previous as string } }),
        {
          key,
        },
      );
    const { body } = await again("key", first.body["id"]);
    expect(body["diagnostics"]).toEqual(reason === null ? null : { cache_miss_reason: reason });
    // Nobody asks after another's, and who does not ask is not told.
    expect((await again("another", first.body["id"])).body["diagnostics"]).toEqual({
      cache_miss_reason: { type: "previous_message_not_found" },
    });
    expect((await callSandbox(sandbox, "anthropic", asked({}))).body).not.toHaveProperty("diagnostics");
    expect((await again("key", 7)).status).toBe(400);
  });
});
