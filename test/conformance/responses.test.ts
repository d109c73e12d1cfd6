/**
 * Responses on the recordings: OpenAI's answers pass to its clients as they are and are understood by those of Messages; everybody
 * else's are responses by the stream's grammar. What Codex sends arrives as it was, and says the same elsewhere.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { json } from "../fake-upstream.ts";
import { checkedStream } from "../openai-responses-grammar.ts";
import { finalResponse, simpleResponse } from "../openai-responses-readings.ts";
import { objects, readAnswer } from "./answer.ts";
import { factsOf } from "./facts.ts";
import { captures, describeMaterial, recordings, type Json, type Recording } from "./material.ts";
import { nativeRecordings, startNativeStage, written, type NativeRecording, type NativeStage } from "./native.ts";
import { asChat } from "./responses.ts";
import { chunkings, CLIENT_KEY, played, startStage, type Stage } from "./stage.ts";

const PATH = "/v1/responses";
const all = nativeRecordings(["responses"]);
const good = all.filter(({ status, canonical }) => status === 200 && canonical.error === null);
const isCount = ({ path }: NativeRecording) => path.endsWith("/input_tokens");
const answers = good.filter((recording) => !isCount(recording));

describeMaterial("a recorded response", () => {
  let stage: NativeStage;
  beforeAll(async () => {
    stage = await startNativeStage();
  });
  afterAll(() => stage.close());

  test.each(answers)("$id passes as it is", (recording) => passes(stage, recording));

  test.each(good.filter(isCount))("$id is a count that passes as it is", async (recording) => {
    stage.upstream.answer(played(recording, [recording.bytes]));
    const { bytes } = await stage.send(`${PATH}/input_tokens`, askedIn(recording));
    expect(bytes.toString("utf8")).toBe(recording.bytes.toString("utf8"));
    expect(stage.upstream.requests.at(-1)?.path).toBe("/openai/v1/responses/input_tokens");
  });

  test.each(all.filter(({ status }) => status >= 400))("$id stays the error that it is", async (recording) => {
    stage.upstream.answer(played(recording, [recording.bytes]));
    const { answer, bytes } = await stage.send(PATH, { ...askedIn(recording), model: "openai/gpt-x" });
    // A refused credential is the gateway's own.
    if (recording.status === 401) expect(answer.status).toBe(502);
    else expect([answer.status, bytes.toString("utf8")]).toEqual([recording.status, recording.bytes.toString("utf8")]);
  });

  test.each(answers)("$id is understood by a client of Messages", async ({ kind, status, headers, bytes }) => {
    const { random = [] } = chunkings(bytes);
    stage.upstream.answer(played({ status, headers }, random));
    const isStream = kind === "sse";
    // What the model takes in Responses only.
    const asked = {
      max_tokens: 4_096,
      messages: [{ role: "user", content: "Go on." }],
      thinking: { type: "enabled", budget_tokens: 2_048 },
      tools: [{ name: "look", input_schema: { type: "object" } }],
      stream: isStream,
    };
    const heard = await stage.send("/v1/messages", { model: "openai/gpt-5.4-nano", ...asked });
    expect(heard.answer.status, heard.bytes.toString("utf8")).toBe(200);
    expect(stage.upstream.requests.at(-1)?.path).toBe("/openai/v1/responses");
    const { text, refusal, tools } = readAnswer("messages", isStream, heard.bytes);
    const said = simpleResponse(finalResponse(bytes.toString("utf8"), kind));
    expect(text + refusal).toBe(said.text + said.refusal);
    expect(tools.map(({ name }) => name)).toEqual(said.calls.map(({ name }) => name));
  });
});

function askedIn({ body }: NativeRecording): Json {
  return { model: "gpt-x", input: "Hello", ...body };
}

async function passes(stage: NativeStage, recording: NativeRecording): Promise<void> {
  const { status, headers, bytes, kind, canonical } = recording;
  const asked: Json = { ...askedIn(recording), stream: kind === "sse" };
  for (const pieces of Object.values(chunkings(bytes))) {
    stage.upstream.answer(played({ status, headers }, pieces));
    const sent = await stage.send(PATH, { ...asked, model: `openai/${String(asked["model"])}` });
    expect(sent.bytes.toString("utf8")).toBe(bytes.toString("utf8"));
    expect(stage.upstream.requests.at(-1)?.body.toString("utf8")).toBe(written(asked));
    const [row] = await stage.gateway.attempts(sent.answer.headers.get("x-sluice-exchange"));
    // What goes on in the background costs what is told of it later.
    const outcome =
      kind === "json" && (JSON.parse(bytes.toString("utf8")) as Json)["status"] === "in_progress" ? "open" : "complete";
    expect(row).toMatchObject({ outcome, lane: "same", client_dialect: "openai-responses", losses: [] });
    const { usage } = canonical;
    // Two answers that a recorder put behind each other are one to whoever reads to the first's end.
    if (usage === null || bytes.toString("utf8").split("event: response.completed").length > 2) continue;
    expect(row).toMatchObject({
      usage_basis: "reported",
      usage: { input_uncached: usage["uncached"], cache_read: usage["cache_read"] ?? 0, output: usage["output"] },
    });
  }
}

const others = recordings().filter(isAnswer);

/** 200s that hold an error, or chunks that a recorder parsed, are none. */
function isAnswer({ status, canonical, kind, request }: Recording): boolean {
  const isParsedStream = request.body["stream"] === true && kind !== "sse";
  return status === 200 && canonical.error === null && !isParsedStream;
}

describeMaterial("a recorded answer of another dialect", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await startStage(others.map(({ provider }) => provider));
  });
  afterAll(() => stage.close());

  // OpenAI is spoken to in Responses itself.
  test.each(others.filter(({ provider }) => provider !== "openai"))("$id is a response", async (recording) => {
    const { provider, api, kind, response, request } = recording;
    const isStream = kind === "sse";
    const { random = [] } = chunkings(response.bytes);
    const type = isStream ? "text/event-stream" : "application/json";
    stage.upstream.answer(played({ status: 200, headers: { "content-type": type } }, random));
    const answer = await fetch(stage.gateway(provider).url + PATH, {
      method: "POST",
      headers: { authorization: `Bearer ${CLIENT_KEY}` },
      body: JSON.stringify({
        model: `${provider}/${String(request.body["model"])}`,
        input: "Go on.",
        stream: isStream,
      }),
    });
    const heard = await answer.text();
    expect(answer.status).toBe(200);
    if (isStream) checkedStream(heard);
    const got = simpleResponse(finalResponse(heard, kind));
    const said = readAnswer(api, isStream, response.bytes);
    expect(got.text + got.refusal).toBe(said.text + said.refusal);
    expect(got.calls.map(({ name }) => name)).toEqual(said.tools.map(({ name }) => name));
  });
});

const codex = captures().filter(({ name }) => name.startsWith("codex--"));

describeMaterial("what Codex sent", () => {
  let stage: NativeStage;
  beforeAll(async () => {
    stage = await startNativeStage();
  });
  afterAll(() => stage.close());

  for (const { name, requests } of codex) {
    const bodies = requests.flatMap(({ method, path, body }) =>
      method === "POST" && path.startsWith(PATH) ? [body] : [],
    );
    describe(name, () => {
      test("arrives at OpenAI as it was", async () => {
        expect(bodies.length).toBeGreaterThan(0);
        for (const body of bodies) expect(await arrived(stage, body)).toBe(written(body));
      });

      test("says the same to Anthropic", async () => {
        for (const body of bodies) {
          // Tools that come with the input can be given to nobody else.
          if (objects(body["input"]).some(({ type }) => type === "additional_tools")) continue;
          const got = JSON.parse(await arrived(stage, { ...body, model: "anthropic/claude-opus-4-8" })) as Json;
          const [said, heard] = [factsOf("chat", asChat(body)), factsOf("messages", got)];
          const text = (facts: typeof said) => facts.utterances.map((one) => ({ ...one, id: 0 }));
          expect(text(heard)).toEqual(text(said));
        }
      });
    });
  }
});

/** The body that reached the provider, which refuses it: what it was sent is all that counts here. */
async function arrived(stage: NativeStage, body: Json): Promise<string> {
  stage.upstream.answer(json({ error: { type: "invalid_request_error", message: "heard enough" } }, 400));
  const before = stage.upstream.requests.length;
  const { bytes } = await stage.send(PATH, body);
  expect(bytes.toString("utf8")).toContain("heard enough");
  expect(stage.upstream.requests.length - before).toBe(1);
  return stage.upstream.requests.at(-1)?.body.toString("utf8") ?? "";
}
