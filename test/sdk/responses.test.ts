/** OpenAI's SDK on Responses, against every provider: at OpenAI as it is, elsewhere written anew. */
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { until } from "../running.ts";
import {
  echoOf,
  failure,
  isSame,
  present,
  PROVIDERS,
  resultsOf,
  startSimulation,
  TARGETS,
  type Simulation,
} from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterEach(() => simulation.sandbox.faults.clear());
afterAll(() => simulation.close());

const RESPONSES = "openai-responses";
const TEXT = "Good morning";
const TOOLS: OpenAI.Responses.FunctionTool[] = ["get_weather", "get_time"].map((name) => ({
  type: "function",
  name,
  strict: false,
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
}));
const ASKED = "Use get_weather and get_time for me.";
const AFTER = "Thank you.";
const Report = z.strictObject({ title: z.string(), severity: z.enum(["low", "high"]), done: z.boolean() });

describe.each(TARGETS)("with $name", (target) => {
  const model = target.name;
  const responses = () => simulation.openai.responses;
  /** The models that think when they are told to: others refuse the word. */
  const thinks = !model.endsWith("llama3.1:latest");

  test("a response is whole, says who answered, and is one row", async () => {
    const { data, response } = await responses().create({ model, input: TEXT, store: false }).withResponse();
    expect(data).toMatchObject({ object: "response", status: "completed", output_text: echoOf(TEXT) });
    expect(data.id).toMatch(/^resp_/);
    expect(data.usage?.input_tokens).toBeGreaterThan(0);
    expect(data.usage?.output_tokens).toBeGreaterThan(0);
    expect(response.headers.get("x-sluice-target")).toBe(model);
    const rows = await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"));
    expect(rows).toMatchObject([
      {
        outcome: "complete",
        client_dialect: RESPONSES,
        upstream_dialect: isSame(target, RESPONSES) ? RESPONSES : target.dialect,
        lane: isSame(target, RESPONSES) ? "same" : "translated",
        losses: [],
      },
    ]);
  });

  test("the stream helper hears the text in pieces, and ends with the same", async () => {
    const stream = responses().stream({ model, input: TEXT, store: false });
    let text = "";
    let pieces = 0;
    stream.on("response.output_text.delta", ({ delta }) => {
      text += delta;
      pieces += 1;
    });
    const final = await stream.finalResponse();
    expect(text).toBe(echoOf(TEXT));
    expect(final.output_text).toBe(text);
    expect(pieces).toBeGreaterThan(1);
    expect(final.usage?.output_tokens).toBeGreaterThan(0);
  });

  test.each([false, true])(
    "a loop of tools goes on with all that was said and thought (stream: %s)",
    async (stream) => {
      const input: OpenAI.Responses.ResponseInput = [{ role: "user", content: `[[sandbox: thinking=30]] ${ASKED}` }];
      const ask = () => {
        const asked = {
          model,
          input,
          tools: TOOLS,
          store: false,
          include: ["reasoning.encrypted_content" as const],
          ...(thinks ? { reasoning: { effort: "high" as const } } : {}),
        };
        return stream ? responses().stream(asked).finalResponse() : responses().create(asked);
      };
      const called = await ask();
      const calls = callsIn(called);
      expect(calls.map(({ name }) => name).toSorted()).toEqual(["get_time", "get_weather"]);
      for (const call of calls) expect(JSON.parse(call.arguments)).toMatchObject({ city: expect.any(String) });
      input.push(...called.output.map(withoutParsed));
      for (const { call_id } of calls)
        input.push({ type: "function_call_output", call_id, output: `result ${call_id}` });
      const answered = await ask();
      expect(answered.output_text).toBe(resultsOf(...calls.map(({ call_id }) => `result ${call_id}`)));
      input.push(...answered.output.map(withoutParsed), { role: "user", content: AFTER });
      expect((await ask()).output_text).toBe(echoOf(AFTER));
    },
  );

  test("`parse` gives an object of the schema", async () => {
    const response = await responses().parse({
      model,
      input: "Report on the outage.",
      store: false,
      text: { format: zodTextFormat(Report, "report") },
    });
    const parsed = present(response.output_parsed, "the parsed answer");
    expect(Report.parse(parsed)).toEqual(parsed);
  });

  test.each([
    ["400", OpenAI.BadRequestError, 400],
    ["429 retry-after=7", OpenAI.RateLimitError, 429],
    ["401", OpenAI.InternalServerError, 502],
  ] as const)("an upstream's %s is the SDK's own error", async (fault, Expected, status) => {
    const input = `[[sandbox: fault=${fault}]] hello`;
    for (const call of [
      () => responses().create({ model, input, store: false }),
      () => responses().stream({ model, input, store: false }).finalResponse(),
    ]) {
      const error = (await failure(call())) as InstanceType<typeof OpenAI.APIError>;
      expect(error).toBeInstanceOf(Expected);
      expect(error.status).toBe(status);
    }
  });

  test("a stream that breaks off is an error, never a short answer", async () => {
    for (const fault of ["cut", "error-event"]) {
      const input = `[[sandbox: fault=${fault} events=9 tokens=60]] hello`;
      expect(await failure(responses().stream({ model, input, store: false }).finalResponse()), fault).toBeInstanceOf(
        Error,
      );
    }
  });

  test("a stream that is aborted ends upstream too, and is one canceled row", async () => {
    const input = "[[sandbox: fault=stall events=60 tokens=400]] tell me more";
    const stream = await responses().create({ model, input, store: false, stream: true });
    for await (const event of stream) if (event.type === "response.output_text.delta") break;
    stream.controller.abort();
    await until(() => simulation.sandbox.openRequests === 0);
    expect((await simulation.gateway.allAttempts()).at(-1)).toMatchObject({ outcome: "canceled" });
  });

  test.each([false, true])("an earlier response is gone on from by its id, and kept (stream: %s)", async (stream) => {
    const ask = async (asked: {
      readonly input: OpenAI.Responses.ResponseInput | string;
      readonly instructions?: string;
      readonly previous_response_id?: string;
      readonly store?: boolean;
    }): Promise<OpenAI.Responses.Response> =>
      stream
        ? responses()
            .stream({ model, ...asked })
            .finalResponse()
        : responses().create({ model, ...asked });
    const first = await ask({ input: TEXT, instructions: "Be brief." });
    const second = await ask({ previous_response_id: first.id, input: [{ role: "user", content: AFTER }] });
    expect(second.output_text).toBe(echoOf(AFTER));
    const third = await ask({ previous_response_id: second.id, input: "And then?", store: true });
    expect(third.output_text).toBe(echoOf("And then?"));
    expect([first, third]).toMatchObject([{ store: true }, { store: true }]);
    const told = JSON.stringify(present(simulation.sandbox.requests.at(-1), "the request").body);
    expect(told).not.toContain("Be brief.");
    expect(told).not.toMatch(/_sluice_/);
    expect(third.usage?.input_tokens).toBeGreaterThan(first.usage?.input_tokens ?? 0);
    expect((await responses().retrieve(second.id)).output_text).toBe(echoOf(AFTER));
    await responses().delete(second.id);
    expect(await failure(responses().retrieve(second.id))).toBeInstanceOf(OpenAI.NotFoundError);
    expect(String(simulation.gateway.logged)).not.toContain(AFTER);
  });

  test("a response that is not to be stored cannot be gone on from", async () => {
    const answered = await responses().create({ model, input: TEXT, store: false });
    expect(answered).toMatchObject({ store: false });
    const { id } = answered;
    const sent = simulation.sandbox.requests.length;
    const error = await failure(responses().create({ model, previous_response_id: id, input: AFTER }));
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ code: "previous_response_not_found", param: "previous_response_id" });
    if (!isSame(target, RESPONSES)) expect(simulation.sandbox.requests.length).toBe(sent);
  });
});

const NAMES = PROVIDERS.map(({ kind, model }) => `${kind}/${model}`);

describe.each(NAMES)("a tool loop begun with %s", (from) => {
  test.each(NAMES)("goes on with %s, and so does its answer", async (to) => {
    const input: OpenAI.Responses.ResponseInput = [{ role: "user", content: ASKED }];
    const say = async (model: string) => {
      const response = await simulation.openai.responses.create({ model, input, tools: TOOLS, store: false });
      input.push(...response.output.map(withoutParsed));
      return response;
    };
    const calls = callsIn(await say(from));
    expect(calls).toHaveLength(2);
    for (const { call_id } of calls) input.push({ type: "function_call_output", call_id, output: "done" });
    expect((await say(to)).output_text).toBe(resultsOf("done", "done"));
    input.push({ role: "user", content: AFTER });
    expect((await say(from)).output_text).toBe(echoOf(AFTER));
  });
});

describe("at OpenAI", () => {
  const model = "openai/gpt-5.4-nano";

  test("a response that is kept is read, its input listed, and deleted", async () => {
    const { responses } = simulation.openai;
    const { id } = await responses.create({ model, input: TEXT });
    expect((await responses.retrieve(id)).output_text).toBe(echoOf(TEXT));
    await responses.delete(id);
    const error = await failure(responses.retrieve(id));
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
    expect(String(error)).toContain(id);
  });

  test("a response in the background is canceled", async () => {
    const { responses } = simulation.openai;
    const begun = await responses.create({
      model,
      input: "[[sandbox: tokens=100 tps=10]] hello",
      background: true,
    });
    expect(["queued", "in_progress"]).toContain(begun.status);
    expect((await responses.cancel(begun.id)).status).toBe("cancelled");
  });

  test("a prompt is counted by its provider, and estimated where it has no count", async () => {
    const { inputTokens } = simulation.openai.responses;
    const counted = await inputTokens.count({ model, input: TEXT });
    const { usage } = await simulation.openai.responses.create({ model, input: TEXT, store: false });
    expect(counted.input_tokens).toBe(usage?.input_tokens);
    const { data, response } = await inputTokens
      .count({ model: "anthropic/claude-haiku-5-5", input: TEXT })
      .withResponse();
    expect(response.headers.get("x-sluice-count")).toBe("estimated");
    expect(data.input_tokens).toBeGreaterThan(0);
  });

  test("function tools and an effort in Chat Completions are asked of Responses, and lose nothing", async () => {
    const { data, response } = await simulation.openai.chat.completions
      .create({
        model,
        messages: [{ role: "user", content: ASKED }],
        tools: TOOLS.map(({ name, parameters }) => ({
          type: "function" as const,
          function: { name, parameters: parameters ?? {} },
        })),
        reasoning_effort: "high",
      })
      .withResponse();
    expect(data.choices[0]?.message.tool_calls).toHaveLength(2);
    expect(response.headers.get("x-sluice-losses")).toBeNull();
    expect(await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"))).toMatchObject([
      { client_dialect: "openai-chat", upstream_dialect: RESPONSES, losses: [] },
    ]);
    const { body } = present(simulation.sandbox.requests.at(-1), "the request");
    expect(body).toMatchObject({ reasoning: { effort: "high" }, store: false });
  });
});

function callsIn({ output }: OpenAI.Responses.Response): OpenAI.Responses.ResponseFunctionToolCall[] {
  return output.flatMap((item) => (item.type === "function_call" ? [item] : []));
}

/** Helpers add what they parsed to what was said, and OpenAI takes no member that it does not know. */
function withoutParsed(item: OpenAI.Responses.ResponseOutputItem): OpenAI.Responses.ResponseInputItem {
  const said: unknown = JSON.parse(
    JSON.stringify(item, (key, value: unknown) => (/^parsed(_arguments)?$/.test(key) ? undefined : value)),
  );
  return said as OpenAI.Responses.ResponseInputItem;
}
