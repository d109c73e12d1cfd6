/** Requests for vectors, as the providers that give them have in common: what is to be embedded, and what it costs. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import { type CachePlan, uncachedPlan } from "../cache/cache.ts";
import { type Block, promptOf } from "../prompt.ts";
import { digest, tokensOf } from "../tokens.ts";
import { base64Of, vectorOf } from "../vectors.ts";
import type { Call } from "./wire.ts";

export interface EmbeddingInput {
  readonly text: string;
  readonly tokens: readonly string[];
}

/** A string, several, token ids, or several lists of them; `undefined` for anything else and for nothing. */
export function inputsOf(value: JsonValue | undefined): EmbeddingInput[] | undefined {
  if (typeof value === "string") return value === "" ? undefined : [textInput(value)];
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const items = value as readonly JsonValue[];
  if (items.every(isTokenId)) return [tokenInput(items)];
  if (items.every((item) => typeof item === "string" && item !== ""))
    return items.map((item) => textInput(String(item)));
  if (items.every((item) => Array.isArray(item) && item.length > 0 && item.every(isTokenId)))
    return items.map((item) => tokenInput(item as readonly JsonValue[]));
  return undefined;
}

function isTokenId(value: JsonValue): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= 0;
}

function textInput(text: string): EmbeddingInput {
  return { text, tokens: tokensOf(text) };
}

/** What ids stand for is not known here: they are a text of their own. */
export function tokenInput(ids: readonly JsonValue[]): EmbeddingInput {
  const tokens = ids.map((id) => `<${String(id)}>`);
  return { text: tokens.join(" "), tokens };
}

export interface EmbeddingWish {
  readonly model: string;
  readonly inputs: readonly EmbeddingInput[];
  readonly dimensions: number;
  readonly base64: boolean;
}

/** A call that generates nothing: `json` puts the vectors into the provider's answer. */
export function embeddingCall(
  { model, inputs, dimensions, base64 }: EmbeddingWish,
  json: (data: readonly JsonObject[], tokens: number, id: string) => JsonObject,
): Call {
  const prompt = promptOf(inputs.map(blockOf));
  const data = () =>
    inputs.map(({ text }, index) => {
      const vector = vectorOf(text, dimensions);
      return { object: "embedding", index, embedding: base64 ? base64Of(vector) : [...vector] };
    });
  return {
    model,
    prompt,
    asks: [],
    stream: false,
    plan: (): CachePlan => uncachedPlan(prompt.tokens),
    json: ({ id }) => json(data(), prompt.tokens, id),
    frames: () => [],
  };
}

function blockOf({ text, tokens }: EmbeddingInput): Block {
  return { level: "messages", identity: digest("input", text), tokens };
}
