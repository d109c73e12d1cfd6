/**
 * The sandbox against the real ones: what was served to real clients is served here, what was refused is refused in the same words.
 * Recordings are read where they lie beside the checkout; skipped, and said so, where they do not.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../src/chat.ts";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { at, call } from "./sandbox-call.ts";
import { checkedLines } from "./sandbox-ollama-lines.ts";

const material = join(import.meta.dirname, "../../shared/conformance");
const present = existsSync(join(material, "recordings/index.json"));
if (!present) console.warn("sandbox: recordings skipped, ../shared/conformance is not beside this checkout");

let sandbox: RunningSandbox;
beforeAll(async () => {
  // Recorded thoughts were signed by others.
  sandbox = await startSandbox({ anthropic: { checksSignatures: false }, openai: { checksItems: false } });
});
afterAll(() => sandbox.close());

interface RecordEntry {
  readonly id: string;
  readonly provider: string;
  readonly api: string;
  readonly status: number;
  readonly file: string;
}
interface Recording {
  readonly method?: string;
  readonly path?: string;
  readonly request?: { readonly headers?: Readonly<Record<string, string>>; readonly body?: JsonValue };
  readonly response: { readonly body: JsonValue };
}

const PATHS: Readonly<Record<string, string>> = {
  chat: "/v1/chat/completions",
  messages: "/v1/messages",
  count_tokens: "/v1/messages/count_tokens",
  responses: "/v1/responses",
  embeddings: "/v1/embeddings",
  completions: "/v1/completions",
  "ollama.chat": "/api/chat",
  "ollama.generate": "/api/generate",
  "ollama.embed": "/api/embed",
  "ollama.show": "/api/show",
  "ollama.ps": "/api/ps",
};

const ANSWERS_IN_LINES: ReadonlySet<string> = new Set(["ollama.chat", "ollama.generate"]);

/** Where the sandbox answers otherwise, and why. */
const OTHERWISE: readonly (readonly [id: RegExp, status: number, why: string])[] = [
  [
    /model_name_suggestion-anthropic-/,
    200,
    "an id of the provider's form is taken for a sibling of the models it resembles",
  ],
  [/chat-unknown-model/, 200, "the same"],
  [/error_identity_edge-streaming_connect_4xx/, 200, "the same"],
  [/test_inferred_model_name_suggestion/, 200, "the same"],
  [/nonexistent_previous_response_reference/, 200, "what others went on from is taken as it is here"],
  [/handles_context_length_exceeded_errors/, 200, "its long text was not kept"],
  [/o1_mini_system_role/, 200, "a rule of one model that is gone"],
  [/test_llms-test_anthropic\.0/, 404, "a model of a form that is gone"],
  [/test_vision-test_vision\.2/, 200, "nothing is fetched, so nothing can fail to be"],
  [/agents-test_agent_kickoff_with_platform_tools\.1/, 400, "a model before strict mode, which it did not hold"],
  [/aw_followup_empty_end_turn/, 400, "the assistant first: documented as refused, served once"],
];

describe.skipIf(!present)("recorded requests", () => {
  test.each(entries().map((entry) => [entry.id, entry] as const))("%s", async (_id, entry) => {
    const recording = JSON.parse(readFileSync(join(material, "recordings", entry.file), "utf8")) as Recording;
    // Read where nothing is sent, whatever the recorder made of it.
    const isRead = entry.api === "ollama.ps";
    const body = isRead ? undefined : repaired(JSON.stringify(recording.request?.body));
    const answer = await call(sandbox, entry.provider, body, {
      path: recording.path ?? PATHS[entry.api] ?? "",
      // Keys are not recorded, nor all betas.
      key: entry.status === 401 ? "invalid" : "key",
      headers: {
        "anthropic-version": recording.request?.headers?.["anthropic-version"] ?? "2023-06-01",
        "anthropic-beta": "recorded",
      },
    });
    if (ANSWERS_IN_LINES.has(entry.api)) checkedLines(answer.text);
    const other = OTHERWISE.find(([id]) => id.test(entry.id));
    expect(answer.status, answer.status >= 400 ? answer.text : "served").toBe(other?.[1] ?? entry.status);
    const refusal = at(recording.response.body, "error");
    if (answer.status < 400 || answer.status === 401 || other !== undefined) return;
    for (const field of ["message", "type", "code", "param"]) {
      expect(at(answer.body, "error", field) ?? answer.body[field] ?? null).toBe(
        at(refusal, field) ?? at(recording.response.body, field) ?? null,
      );
    }
  });
});

/** Ids that were made unreadable, in a form that is legal again. */
function repaired(body: string): string {
  return body.replaceAll(/call_REDACTED_(\d)/g, "REDACTED$1");
}

function entries(): RecordEntry[] {
  if (!present) return [];
  const index = JSON.parse(readFileSync(join(material, "recordings/index.json"), "utf8")) as { records: RecordEntry[] };
  return index.records.filter(
    (entry) =>
      ["openai", "anthropic", "mistral", "vllm", "ollama"].includes(entry.provider) &&
      // Of Ollama its own API, not the one it has from OpenAI.
      (entry.provider === "ollama") === entry.api.startsWith("ollama.") &&
      PATHS[entry.api] !== undefined &&
      hasRequest(entry),
  );
}

function hasRequest(entry: RecordEntry): boolean {
  const recording = JSON.parse(readFileSync(join(material, "recordings", entry.file), "utf8")) as Recording;
  return typeof recording.request?.body === "object" && recording.request.body !== null;
}

interface Capture {
  readonly requests: readonly {
    readonly path: string;
    readonly method?: string;
    readonly headers: readonly (readonly [string, string])[];
    readonly body: JsonObject;
  }[];
}

describe.skipIf(!present)("captured conversations of Claude Code", () => {
  test.each(["tools-loop", "continue", "toolsearch", "compact", "subagents-parallel"])(
    "%s: every request is served, and each turn reads what the one before it wrote",
    async (scenario) => {
      sandbox.reset();
      const file = join(material, `captures/claude-code--${scenario}.json`);
      const { requests } = JSON.parse(readFileSync(file, "utf8")) as Capture;
      let writtenBefore = 0;
      for (const [index, request] of requests.entries()) {
        const headers = Object.fromEntries(request.headers.map(([name, value]) => [name.toLowerCase(), value]));
        const answer = await call(sandbox, "anthropic", request.body, {
          headers: {
            "anthropic-version": headers["anthropic-version"] ?? "",
            "anthropic-beta": headers["anthropic-beta"] ?? "",
          },
        });
        expect(answer.status).toBe(200);
        const tokens = sandbox.invoice.lines.at(-1)?.tokens;
        const cached = (tokens?.cacheRead ?? 0) + (tokens?.cacheWrite5m ?? 0) + (tokens?.cacheWrite1h ?? 0);
        if (index > 0 && ["tools-loop", "continue", "toolsearch"].includes(scenario)) {
          expect(tokens?.cacheRead).toBe(writtenBefore);
        }
        writtenBefore = cached;
      }
    },
  );
});

/** Steps in which these models' caches go. */
const STEP_TOKENS = 128;

describe.skipIf(!present)("captured conversations over the Responses API", () => {
  test.each([
    "codex--text",
    "codex--tools-loop",
    "codex--resume",
    "codex--compact",
    "codex--subagent",
    "opencode--openai-tools-loop",
    "sdk--ai-openai-responses",
  ])("%s: every request is served, and each turn of a loop reads what the one before it left", async (capture) => {
    sandbox.reset();
    const file = join(material, `captures/${capture}.json`);
    const { requests } = JSON.parse(readFileSync(file, "utf8")) as Capture;
    const asked = requests.filter(({ path }) => path.endsWith("/responses"));
    expect(asked.length).toBeGreaterThan(0);
    let promptBefore = 0;
    for (const { body } of asked) {
      const answer = await call(sandbox, "openai", body, { path: "/v1/responses" });
      expect(answer.status, answer.text.slice(0, 500)).toBe(200);
      const { tokens } = sandbox.invoice.lines.at(-1) ?? {};
      const prompt = (tokens?.uncached ?? 0) + (tokens?.cacheRead ?? 0);
      if (capture === "codex--tools-loop") {
        expect(promptBefore - (tokens?.cacheRead ?? 0)).toBeLessThan(STEP_TOKENS);
        expect(prompt).toBeGreaterThan(promptBefore);
        promptBefore = prompt;
      }
    }
  });
});

test.skipIf(!present)("what the official Ollama client sends is served", async () => {
  sandbox.reset();
  const { requests } = JSON.parse(readFileSync(join(material, "captures/sdk--ollama.json"), "utf8")) as Capture;
  for (const { path, method, body } of requests) {
    const answer = await call(sandbox, "ollama", method === "GET" ? undefined : body, { path });
    expect([path, answer.status]).toEqual([path, 200]);
  }
});
