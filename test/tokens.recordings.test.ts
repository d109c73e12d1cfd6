/**
 * Our count beside the provider's own, over recorded calls that are read where they lie beside the checkout.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { createModelTable } from "../src/models.ts";
import { estimatePromptTokens } from "../src/tokens.ts";

const material = join(import.meta.dirname, "../../shared/conformance/recordings");
const isThere = existsSync(join(material, "index.json"));
if (!isThere) console.warn("tokens: recordings skipped, ../shared/conformance is not beside this checkout");

interface Entry {
  readonly provider: string;
  readonly api: string;
  readonly status: number;
  readonly file: string;
  readonly canonical: { readonly usage: { readonly input?: number } | null };
}

describe.skipIf(!isThere)("for prompts of 200 tokens and more, without pictures and files", () => {
  test.each([
    ["openai", 20],
    ["mistral", 10],
  ])("%s: half of our counts are within a tenth, nine of ten within a third", (provider, atLeast) => {
    const errors = comparisons(provider).map(({ ours, theirs }) => Math.abs(ours / theirs - 1));
    errors.sort((one, other) => one - other);
    expect(errors.length).toBeGreaterThan(atLeast);
    expect(errors[Math.floor(errors.length * 0.5)]).toBeLessThan(0.1);
    expect(errors[Math.floor(errors.length * 0.9) - 1]).toBeLessThan(1 / 3);
  });
});

function comparisons(provider: string): readonly { readonly ours: number; readonly theirs: number }[] {
  const index = JSON.parse(readFileSync(join(material, "index.json"), "utf8")) as { records: readonly Entry[] };
  const table = createModelTable();
  return index.records.flatMap((entry) => {
    const theirs = entry.canonical.usage?.input ?? 0;
    if (entry.provider !== provider || entry.api !== "chat" || entry.status !== 200 || theirs < 200) return [];
    const text = readFileSync(join(material, entry.file), "utf8");
    const body = (JSON.parse(text) as { request?: { body?: unknown } }).request?.body;
    if (typeof body !== "object" || body === null) return [];
    const request = openaiChat.readRequest(body as JsonObject);
    if (/"type":"(?:image|audio|document|opaque)"/.test(JSON.stringify(request.messages))) return [];
    const ratio = table.find(request.model)?.tokenRatio ?? 1;
    return [{ ours: estimatePromptTokens(request) * ratio, theirs }];
  });
}
