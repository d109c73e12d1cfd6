/** Recorded embeddings, text completions and token counts: what the client sent arrives, what the provider sent arrives, and is counted. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeMaterial, type Json } from "./material.ts";
import { nativeRecordings, startNativeStage, written, type NativeRecording, type NativeStage } from "./native.ts";
import { chunkings, CLIENT_KEY, played } from "./stage.ts";

const all = nativeRecordings(["embeddings", "completions", "count_tokens", "ollama.embed"]);

/** Where the recorder kept the answer only, one that could have led to it. */
const LIKELY: Readonly<Record<string, Json>> = {
  embeddings: { model: "recorded-model", input: ["one", "two"] },
  completions: { model: "recorded-model", prompt: "Once upon a time", stream: true },
};
const PATHS: Readonly<Record<string, string>> = {
  embeddings: "/v1/embeddings",
  completions: "/v1/completions",
  count_tokens: "/v1/messages/count_tokens",
  "ollama.embed": "/api/embed",
};

/** Where it is not at the official path: there Mistral's errors, which OpenAI's clients find no words in, are said to them again. */
const PREFIXES: Readonly<Record<string, string>> = { "mistral embeddings": "/mistral" };

describeMaterial("a recorded answer of a forwarded surface", () => {
  let stage: NativeStage;
  beforeAll(async () => {
    stage = await startNativeStage();
  });
  afterAll(() => stage.close());

  test("there are some of each", () => {
    expect(new Set(all.map((recording) => recording.api)).size).toBe(4);
    expect(all.length).toBeGreaterThan(30);
  });

  for (const recording of all) {
    test(`${recording.id} passes as it is`, () => passes(stage, recording));
  }
});

async function passes(stage: NativeStage, recording: NativeRecording): Promise<void> {
  const { provider, api, status, headers, bytes } = recording;
  // One that recorders made up for itself has no model that could be asked for.
  const asked: Json = { model: "recorded-model", ...(recording.body ?? LIKELY[api]) };
  const { whole = [], random = [] } = chunkings(bytes);
  for (const pieces of [whole, random]) {
    stage.upstream.answer(played({ status, headers }, pieces));
    const before = stage.upstream.requests.length;
    const { answer, bytes: heard } = await stage.send((PREFIXES[`${provider} ${api}`] ?? "") + (PATHS[api] ?? ""), {
      ...asked,
      model: `${provider}/${String(asked["model"])}`,
    });
    expect(answer.status).toBe(status);
    expect(heard.toString("utf8")).toBe(withoutUnasked(recording, asked, bytes.toString("utf8")));
    expect(stage.upstream.requests.length - before).toBe(1);
    const arrived = stage.upstream.requests.at(-1);
    expect(arrived?.path).toBe(`/${provider}${PATHS[api]}`);
    expect(JSON.stringify(arrived?.headers)).not.toContain(CLIENT_KEY);
    const sent = arrived?.body.toString("utf8") ?? "";
    if (asked["stream"] === true) {
      expect(JSON.parse(sent)).toEqual({ ...asked, stream_options: { include_usage: true } });
    } else {
      expect(sent).toBe(written(asked));
    }
    const [row, ...more] = await stage.gateway.attempts(answer.headers.get("x-sluice-exchange"));
    expect(more).toEqual([]);
    if (status !== 200) expect(row).toMatchObject({ outcome: "failed", status, cost_pico_usd: "0" });
    else isBooked(row, recording);
  }
}

/** Usage that nobody asked for is kept for the ledger. */
function withoutUnasked({ kind }: NativeRecording, asked: Json, text: string): string {
  const wants = (asked["stream_options"] as Json | undefined)?.["include_usage"] === true;
  if (kind !== "sse" || wants) return text;
  return text
    .split(/(?<=\n\n)/)
    .filter((frame) => !/"choices": ?\[\]/.test(frame))
    .join("");
}

function isBooked(row: unknown, { api, canonical }: NativeRecording): void {
  expect(row).toMatchObject({ outcome: "complete", status: 200, lane: "same" });
  if (api === "count_tokens") {
    expect(row).toMatchObject({ usage: { input_uncached: 0, output: 0 } });
    return;
  }
  if (canonical.usage === null) {
    expect(row).toMatchObject({ usage_basis: "unknown" });
    return;
  }
  const read = canonical.usage["cache_read"] ?? 0;
  expect(row).toMatchObject({
    usage_basis: "reported",
    usage: { input_uncached: (canonical.usage["input"] ?? 0) - read, output: canonical.usage["output"] ?? 0 },
  });
}
