/** Each kind of provider: where it is, how it takes its credential, whose model names are its own. */
import { describe, expect, test } from "vitest";
import { providerKinds } from "../providers/index.ts";
import { CHAT } from "../providers/openai-compatible.ts";
import type { Provider } from "../src/provider.ts";

const KEY = "sk-test-0123456789";
const KINDS = ["openai", "anthropic", "mistral", "groq", "vllm", "ollama", "openai-compatible", "sandbox"];

test("the kinds there are", () => {
  expect(providerKinds.map(({ kind }) => kind)).toEqual(KINDS);
});

describe("a base URL is understood with and without its version, with slashes at its end or none", () => {
  const ENDPOINTS: Readonly<Record<string, string>> = {
    openai: "/v1/chat/completions",
    anthropic: "/v1/messages",
    mistral: "/v1/chat/completions",
    vllm: "/v1/chat/completions",
    ollama: "/api/chat",
    "openai-compatible": "/v1/chat/completions",
  };
  const HOST = "http://127.0.0.1:9";

  for (const [kind, path] of Object.entries(ENDPOINTS)) {
    test.each([HOST, `${HOST}/`, `${HOST}//`, `${HOST}/v1`, `${HOST}/v1/`])(`${kind} at %s`, (given) => {
      expect(endpoint(kind, given)).toBe(HOST + path);
    });
  }

  test.each([
    ["groq", HOST, "/openai/v1/chat/completions"],
    ["groq", `${HOST}/openai/v1`, "/openai/v1/chat/completions"],
    // Somebody's proxy: its path is its own affair.
    ["openai", `${HOST}/account/openai`, "/account/openai/chat/completions"],
    ["openai", `${HOST}/api/v1/`, "/api/v1/chat/completions"],
    ["anthropic", `${HOST}/claude`, "/claude/v1/messages"],
    ["anthropic", `${HOST}/claude/v1/`, "/claude/v1/messages"],
    ["mistral", `${HOST}/eu`, "/eu/v1/chat/completions"],
    ["vllm", `${HOST}/replica-1/v1`, "/replica-1/v1/chat/completions"],
  ])("%s at %s", (kind, given, path) => {
    expect(endpoint(kind, given)).toBe(HOST + path);
  });

  test.each([
    ["openai", "https://api.openai.com/v1/chat/completions"],
    ["anthropic", "https://api.anthropic.com/v1/messages"],
    ["mistral", "https://api.mistral.ai/v1/chat/completions"],
    ["groq", "https://api.groq.com/openai/v1/chat/completions"],
  ])("%s is at %s when nobody says otherwise", (kind, url) => {
    expect(endpoint(kind, provider(kind).defaultBaseUrl ?? "")).toBe(url);
  });

  test.each([
    ["localhost", "http://localhost:11434"],
    ["127.0.0.1:1234", "http://127.0.0.1:1234"],
    [":1234", "http://127.0.0.1:1234"],
    ["0.0.0.0", "http://127.0.0.1:11434"],
    ["0.0.0.0:1234", "http://127.0.0.1:1234"],
    ["::1", "http://[::1]:11434"],
    ["[::]:1234", "http://[::1]:1234"],
    ["http://gpu.lan:11434/", "http://gpu.lan:11434"],
    ["https://ollama.example.com", "https://ollama.example.com"],
    ["http://gpu.lan/ollama", "http://gpu.lan/ollama"],
  ])("OLLAMA_HOST may be what Ollama's own server listens on: %s", (given, root) => {
    expect(endpoint("ollama", given)).toBe(`${root}/api/chat`);
  });

  function endpoint(kind: string, given: string): string {
    const found = provider(kind);
    return (found.baseUrl?.(given) ?? given) + found.path(dialectOf(kind), "any-model", undefined);
  }
});

describe("the credential", () => {
  test.each(KINDS.filter((kind) => kind !== "anthropic" && kind !== "sandbox"))("%s takes it as a bearer", (kind) => {
    expect(headers(kind, KEY)).toEqual({ authorization: `Bearer ${KEY}` });
    expect(headers(kind, undefined)).toEqual({});
  });

  test("Anthropic takes it as x-api-key, beside the version", () => {
    expect(headers("anthropic", KEY)).toEqual({ "x-api-key": KEY, "anthropic-version": "2023-06-01" });
  });

  test.each(KINDS)("%s gets nothing of the client's own credentials, cookies and addresses", (kind) => {
    const client = {
      authorization: "Bearer client-key",
      "x-api-key": "client-key",
      cookie: "session=1",
      "x-forwarded-for": "192.0.2.1",
      "openai-organization": "org-client",
      "x-sluice-task": "task",
    };
    expect(JSON.stringify(headers(kind, KEY, client))).not.toMatch(/client-key|session=1|192\.0\.2|org-client|sluice/);
  });

  test.each(KINDS)("%s gets the headers that its config adds, which win over its own", (kind) => {
    const settings = { baseUrls: [], apiKey: KEY, headers: { "x-tenant": "7", authorization: "Basic abc" } };
    const sent = provider(kind).headers(new Headers(), settings);
    expect(sent).toMatchObject({ "x-tenant": "7", authorization: "Basic abc" });
  });

  test("needed by those who bill; a server of one's own may do without", () => {
    expect(providerKinds.filter(({ needsKey }) => needsKey).map(({ kind }) => kind)).toEqual([
      "openai",
      "anthropic",
      "mistral",
      "groq",
    ]);
  });
});

describe("Anthropic's version and betas are the client's choice, byte for byte", () => {
  test("as the client sent them", () => {
    const client = {
      "anthropic-version": "2026-10-21",
      "anthropic-beta": "context-management-2025-06-27,effort-2025-11-24",
    };
    expect(headers("anthropic", KEY, client)).toEqual({ ...client, "x-api-key": KEY });
  });

  test("the version with the documented credential header when it sent none, as a translated call does", () => {
    expect(headers("anthropic", KEY)["anthropic-version"]).toBe("2023-06-01");
  });
});

describe("what may be told to the client of an answer's headers", () => {
  test.each(KINDS)("%s: nothing that describes our account", (kind) => {
    const passed = provider(kind).answerHeaders ?? [];
    const isPassed = (name: string) =>
      passed.some((own) => (own.endsWith("*") ? name.startsWith(own.slice(0, -1)) : own === name));
    for (const name of ["openai-organization", "openai-project", "anthropic-organization-id", "set-cookie", "server"]) {
      expect(isPassed(name), name).toBe(false);
    }
  });

  test("rate limits are", () => {
    expect(provider("openai").answerHeaders).toContain("x-ratelimit-*");
    expect(provider("anthropic").answerHeaders).toContain("anthropic-ratelimit-*");
  });
});

test("usage in streams is asked for where it does not come by itself, and not where asking is refused", () => {
  const asked = providerKinds.filter(({ asksStreamUsage }) => asksStreamUsage).map(({ kind }) => kind);
  expect(asked).not.toContain("mistral");
  expect(asked).not.toContain("anthropic");
  expect(asked).toEqual(expect.arrayContaining(["openai", "groq", "vllm", "openai-compatible"]));
});

test("an absent count of cached tokens is nothing cached where that is documented, and unknown elsewhere", () => {
  const unknown = providerKinds.filter(({ absentCacheRead }) => absentCacheRead === "unknown").map(({ kind }) => kind);
  // The sandbox simulates vLLM among others.
  expect(unknown).toEqual(["groq", "vllm", "ollama", "openai-compatible", "sandbox"]);
});

test("the sandbox stands in for each of them at its own path", () => {
  const sandbox = provider("sandbox");
  expect(sandbox.path(CHAT, "gpt-5.4-nano", undefined)).toBe("/openai/v1/chat/completions");
  expect(sandbox.path(CHAT, "org/model", undefined)).toBe("/vllm/v1/chat/completions");
  expect(sandbox.dialects("gpt-5.4-nano", undefined)).toEqual(provider("openai").dialects("gpt-5.4-nano", undefined));
});

function provider(kind: string): Provider {
  const found = providerKinds.find((known) => known.kind === kind);
  if (found === undefined) throw new Error(`there is no kind ${kind}`);
  return found;
}

function dialectOf(kind: string): string {
  return provider(kind).dialects("any-model", undefined)[0];
}

function headers(
  kind: string,
  apiKey: string | undefined,
  client: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return provider(kind).headers(new Headers(client), { baseUrls: [], ...(apiKey === undefined ? {} : { apiKey }) });
}
