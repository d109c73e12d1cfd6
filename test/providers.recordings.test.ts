/**
 * Requests that real providers have answered, read where they lie beside the checkout: what a provider took goes out byte for byte.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { providerKinds } from "../providers/index.ts";
import type { JsonObject } from "../src/chat.ts";
import type { ModelRecord } from "../src/model.ts";
import { createModelTable } from "../src/models.ts";
import type { Provider } from "../src/provider.ts";
import { edited } from "./providers-edited.ts";

const material = join(import.meta.dirname, "../../shared/conformance/recordings");
const isThere = existsSync(join(material, "index.json"));
if (!isThere) console.warn("providers: recordings skipped, ../shared/conformance is not beside this checkout");

const DIALECTS: Readonly<Record<string, string>> = { chat: "openai-chat", messages: "anthropic-messages" };
const table = createModelTable();

interface Entry {
  readonly provider: string;
  readonly api: string;
  readonly status: number;
  readonly file: string;
}

describe.skipIf(!isThere)("what was answered is not edited", () => {
  test.each([
    ["openai", 100],
    ["anthropic", 100],
    ["mistral", 40],
    ["groq", 20],
    ["vllm", 5],
  ])("%s", (kind, atLeast) => {
    const provider = providerOf(kind);
    let seen = 0;
    for (const { entry, body } of requests(provider, (status) => status === 200)) {
      const model = typeof body["model"] === "string" ? body["model"] : "";
      const { isUntouched, losses } = edited(provider, dialectOf(entry), body, recordFor(provider, model));
      expect(losses, entry.file).toEqual([]);
      expect(isUntouched, entry.file).toBe(true);
      seen += 1;
    }
    expect(seen).toBeGreaterThan(atLeast);
  });
});

describe.skipIf(!isThere)("a refusal that was recorded is still the provider's to make", () => {
  test.each(["openai", "anthropic", "mistral", "groq"])("%s", (kind) => {
    const provider = providerOf(kind);
    for (const { entry, body } of requests(provider, (status) => status >= 400)) {
      const model = typeof body["model"] === "string" ? body["model"] : "";
      expect(edited(provider, dialectOf(entry), body, recordFor(provider, model)).isUntouched, entry.file).toBe(true);
    }
  });
});

function* requests(
  provider: Provider,
  isWanted: (status: number) => boolean,
): Generator<{ readonly entry: Entry; readonly body: JsonObject }> {
  const index = JSON.parse(readFileSync(join(material, "index.json"), "utf8")) as { records: readonly Entry[] };
  for (const entry of index.records) {
    if (entry.provider !== provider.kind || !isWanted(entry.status) || DIALECTS[entry.api] === undefined) continue;
    const text = readFileSync(join(material, entry.file), "utf8");
    const body = (JSON.parse(text) as { request?: { body?: unknown } }).request?.body;
    // Ids were redacted after the fact, to ones that Mistral would not have taken.
    if (typeof body !== "object" || body === null || JSON.stringify(body).includes("call_REDACTED")) continue;
    yield { entry, body: body as JsonObject };
  }
}

function dialectOf(entry: Entry): string {
  return DIALECTS[entry.api] ?? "";
}

function providerOf(kind: string): Provider {
  const found = providerKinds.find((known) => known.kind === kind);
  if (found === undefined) throw new Error(`there is no kind ${kind}`);
  return found;
}

function recordFor(provider: Provider, model: string): ModelRecord | undefined {
  const record = table.find(model);
  return record?.provider === provider.kind ? record : undefined;
}
