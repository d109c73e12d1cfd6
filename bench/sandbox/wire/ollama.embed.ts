/** Ollama's `POST /api/embed`. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import { uncachedPlan } from "../cache/cache.ts";
import type { Directives } from "../directives.ts";
import { tokensOf } from "../tokens.ts";
import { embeddingCall } from "./embeddings.ts";
import { checkTypes } from "./ollama.messages.ts";
import { keepAliveOf, optionsOf } from "./ollama.options.ts";
import { localModelOf, type OllamaServer, seated } from "./ollama.read.ts";
import { type Call, numberIn, objects, type ReadContext, Refusal } from "./wire.ts";

/** @param isLegacy One text, one vector, nothing counted. @throws Refusal for what Ollama would not embed. */
export function readOllamaEmbed(
  server: OllamaServer,
  isLegacy = false,
): (body: JsonObject, context: ReadContext, directives: (lastUserText: string) => Directives) => Call {
  return (body, context, directives) => {
    checkTypes(body, "EmbedRequest");
    const texts = textsOf(body[isLegacy ? "prompt" : "input"]);
    const local = localModelOf(body, context);
    const { contextTokens, loading } = optionsOf(body, server.contextTokens, local.contextTokens, true);
    directives(texts[0] ?? "");
    const inputs = texts.map((text) => {
      const tokens = tokensOf(text);
      if (tokens.length <= contextTokens) return { text, tokens };
      if (body["truncate"] === false) throw new Refusal(400, "the input length exceeds the context length");
      const kept = tokens.slice(0, contextTokens);
      return { text: kept.join(""), tokens: kept };
    });
    const asked = numberIn(body["dimensions"]) ?? 0;
    const dimensions = asked > 0 ? Math.min(asked, local.dimensions) : local.dimensions;
    const model = String(body["model"]);
    const call = embeddingCall({ model, inputs, dimensions, base64: false }, (data, tokens) => {
      const [first] = objects(data);
      return isLegacy ? { embedding: first?.["embedding"] ?? [] } : answerOf(model, data, tokens);
    });
    const need = { model: local.name, options: loading, contextTokens, keepAliveMs: keepAliveOf(body["keep_alive"]) };
    return { ...call, ...seated(server.runners, need, () => uncachedPlan(call.prompt.tokens)) };
  };
}

const NS_PER_TOKEN = 1000;

function answerOf(model: string, data: readonly JsonObject[], tokens: number): JsonObject {
  return {
    model,
    embeddings: objects(data).map(({ embedding }) => embedding ?? []),
    total_duration: 2 * NS_PER_TOKEN * (tokens + 1),
    load_duration: NS_PER_TOKEN,
    prompt_eval_count: tokens,
  };
}

function textsOf(input: JsonValue | undefined): readonly string[] {
  if (input === undefined || input === null || input === "") return [];
  if (typeof input === "string") return [input];
  if (!Array.isArray(input) || input.some((text) => typeof text !== "string"))
    throw new Refusal(400, "invalid input type");
  return input.map(String);
}
