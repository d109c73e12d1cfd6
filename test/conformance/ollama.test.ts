/** Ollama's recorded answers, native: as they are to its own clients, and the same said to the others' official SDKs. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Answer, Api } from "./answer.ts";
import { ask, type Way } from "./clients.ts";
import { describeMaterial, type Json } from "./material.ts";
import { nativeRecordings, startNativeStage, written, type NativeRecording, type NativeStage } from "./native.ts";
import { chunkings, played } from "./stage.ts";

const all = nativeRecordings(["ollama.chat", "ollama.generate"]);

describeMaterial("a recorded answer of Ollama", () => {
  let stage: NativeStage;
  beforeAll(async () => {
    stage = await startNativeStage();
  });
  afterAll(() => stage.close());

  test("there are some, whole and streamed", () => {
    expect(all.length).toBeGreaterThanOrEqual(15);
    expect(new Set(all.map((recording) => recording.kind))).toEqual(new Set(["json", "ndjson"]));
  });

  for (const recording of all) {
    test(`${recording.id} passes as it is`, () => passes(stage, recording));
    if (recording.api !== "ollama.chat") continue;
    for (const api of ["chat", "messages"] as const) {
      for (const way of recording.kind === "json" ? (["whole"] as const) : (["events", "helper"] as const)) {
        test(`${recording.id} is understood by the ${api} client, ${way}`, () =>
          isUnderstood(stage, recording, api, way));
      }
    }
  }
});

/** Whoever says how large the window is and what is to be done with more leaves nothing to be said by the gateway. */
function asksItself(body: Json): Json {
  const { options, truncate } = body;
  const own = typeof options === "object" ? options : undefined;
  return { ...body, options: { num_ctx: 8_192, ...own }, truncate: truncate ?? false };
}

async function passes(
  stage: NativeStage,
  { path, body, headers, bytes, kind, canonical }: NativeRecording,
): Promise<void> {
  const asked: Json = { ...asksItself(body ?? {}), stream: kind === "ndjson" };
  for (const pieces of Object.values(chunkings(bytes))) {
    stage.upstream.answer(played({ status: 200, headers }, pieces));
    const { answer, bytes: heard } = await stage.send(path, { ...asked, model: `ollama/${String(asked["model"])}` });
    expect(answer.status).toBe(200);
    expect(heard.toString("utf8")).toBe(bytes.toString("utf8"));
    expect(answer.headers.get("content-type")).toBe(headers["content-type"]);
    const arrived = stage.upstream.requests.at(-1);
    expect(arrived?.path).toBe(`/ollama${path}`);
    expect(arrived?.body.toString("utf8")).toBe(written(asked));
    const [row, ...more] = await stage.gateway.attempts(answer.headers.get("x-sluice-exchange"));
    expect(more).toEqual([]);
    expect(row).toMatchObject({
      outcome: "complete",
      lane: "same",
      usage_basis: "reported",
      // Versions of that time did not tell.
      usage: { input_uncached: canonical.usage?.["input"], cache_read: null, output: canonical.usage?.["output"] },
    });
  }
}

async function isUnderstood(stage: NativeStage, recording: NativeRecording, api: Api, way: Way): Promise<void> {
  const { headers, bytes, body, canonical } = recording;
  const { random = [] } = chunkings(bytes);
  stage.upstream.answer(played({ status: 200, headers }, random));
  const { answer } = await ask(api, stage.gateway.url, way, {
    model: `ollama/${String(body?.["model"])}`,
    tools: [...new Set(canonical.tools)],
  });
  const expected = reading(recording);
  expect(answer.text).toBe(expected.text);
  if (api === "messages" || way !== "helper") expect(answer.reasoning).toBe(expected.reasoning);
  expect(answer.tools.map((tool) => [tool.name, JSON.parse(tool.arguments)])).toEqual(expected.calls);
  expect(answer.finish).toBe(canonical.finish as Answer["finish"]);
  if (api === "chat" && way === "events") return;
  expect(answer.usage).toMatchObject({
    input: canonical.usage?.["input"],
    output: canonical.usage?.["output"],
  });
}

interface Line {
  readonly message?: {
    readonly content?: string;
    readonly thinking?: string;
    readonly tool_calls?: readonly { readonly function: { readonly name: string; readonly arguments: unknown } }[];
  };
}

/** As naive as a client's. */
function reading({ bytes, kind }: NativeRecording) {
  const text = bytes.toString("utf8");
  const documents = kind === "json" ? [text] : text.split("\n").filter((line) => line !== "");
  const messages = documents.map((line) => (JSON.parse(line) as Line).message ?? {});
  return {
    text: messages.map((message) => message.content ?? "").join(""),
    reasoning: messages.map((message) => message.thinking ?? "").join(""),
    calls: messages
      .flatMap((message) => message.tool_calls ?? [])
      .map((call) => [call.function.name, call.function.arguments]),
  };
}
