/** Mistral's `POST /v1/fim/completions`: what stands between a beginning and an end, from models of code. Answers as its chat does. */
import type { JsonObject } from "../../../src/chat.ts";
import { seedOf } from "../answer.ts";
import { uncachedPlan } from "../cache/cache.ts";
import type { MistralKeyed } from "../cache/mistral-keyed.ts";
import type { Directives } from "../directives.ts";
import { canonical, promptOf } from "../prompt.ts";
import { digest, tokensOf } from "../tokens.ts";
import { extras, missing, refused, RULES, unprocessable, violationOf, type Violation } from "./mistral.fields.ts";
import type { MistralReading } from "./mistral.read.ts";
import { numberIn, type ReadContext, stringOf } from "./wire.ts";

const FIELDS: ReadonlySet<string> = new Set([
  "model",
  "prompt",
  "suffix",
  "temperature",
  "top_p",
  "max_tokens",
  "min_tokens",
  "stream",
  "stop",
  "random_seed",
  "metadata",
  "prompt_cache_key",
]);

/** @throws Refusal for what Mistral would not serve. */
export function readMistralFim(
  body: JsonObject,
  context: ReadContext,
  cache: MistralKeyed,
  directives: (lastUserText: string) => Directives,
): MistralReading {
  check(body);
  const model = stringOf(body["model"]) ?? "";
  const record = context.lookup(model);
  if (record === undefined) throw refused(`Invalid model: ${model}`, "invalid_model", "1500");
  if (!model.startsWith("codestral")) {
    throw refused(`Model ${model} does not support FIM completions`, "invalid_request_invalid_args", "3051");
  }
  const beginning = stringOf(body["prompt"]) ?? "";
  const end = stringOf(body["suffix"]) ?? "";
  // The end is read before the beginning, so that the answer follows what it goes on with.
  const prompt = promptOf(
    [["[SUFFIX]", end] as const, ["[PREFIX]", beginning] as const].map(([mark, text]) => ({
      level: "messages",
      identity: digest(mark, text),
      tokens: [mark, ...tokensOf(text)],
    })),
  );
  const windowTokens = record.contextTokens ?? Infinity;
  if (prompt.tokens > windowTokens) {
    throw refused(
      `Prompt contains ${prompt.tokens} tokens and 0 draft tokens, too large for model with ${windowTokens} maximum context length`,
      "invalid_request_prompt",
      "3210",
    );
  }
  directives(beginning);
  const maxTokens = numberIn(body["max_tokens"]);
  const stop = body["stop"];
  return {
    model,
    prompt,
    choices: 1,
    reasons: false,
    windowIsTight: prompt.tokens + (maxTokens ?? 0) > windowTokens,
    ask: {
      seed: seedOf(record.id, beginning, end, canonical(body["random_seed"])),
      lastUserText: beginning,
      toolResults: [],
      tools: [],
      toolChoice: { kind: "none" },
      parallel: false,
      schema: undefined,
      maxTokens: Math.min(maxTokens ?? Infinity, windowTokens - prompt.tokens),
      stop: typeof stop === "string" ? [stop] : Array.isArray(stop) ? stop.map(String) : [],
      thinkingTokens: 0,
    },
    plan: (nowMs) => {
      const contract = record.cache;
      if (contract.kind !== "keyed") return uncachedPlan(prompt.tokens);
      const { minTokens, stepTokens, idleSeconds } = contract;
      const scope = digest("fim", context.account, record.id);
      return cache.plan({
        scope,
        prompt,
        key: stringOf(body["prompt_cache_key"]),
        minTokens,
        stepTokens,
        idleSeconds,
        nowMs,
      });
    },
  };
}

function check(body: JsonObject): void {
  const found: Violation[] = [
    ...["model", "prompt"].filter((field) => typeof body[field] !== "string").map((field) => missing([field], body)),
    ...extras(body, FIELDS, []),
  ];
  for (const [field, value] of Object.entries(body)) {
    const rule = RULES[field];
    if (rule === undefined || value === undefined || value === null) continue;
    const violation = violationOf(rule, value, [field]);
    if (violation !== undefined) found.push(violation);
  }
  if (found.length > 0) throw unprocessable(found);
}
