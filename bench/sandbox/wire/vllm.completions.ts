/** vLLM's `POST /v1/completions`: for any model it was started with. */
import type { JsonObject } from "../../../src/chat.ts";
import { jointPlan } from "../cache/cache.ts";
import type { VllmBlocks } from "../cache/vllm-blocks.ts";
import type { Directives } from "../directives.ts";
import { completionFrames, completionJson, type CompletionMembers, readCompletion, textsOf } from "./completions.ts";
import { BLOCK_TOKENS, checkValues, checkWindow, vllmRefusal } from "./vllm.read.ts";
import { type Call, numberIn, type ReadContext, Refusal, type Reply, stringOf } from "./wire.ts";

/** @throws Refusal for what vLLM would not serve. */
export function readVllmCompletion(
  body: JsonObject,
  context: ReadContext,
  cache: VllmBlocks,
  directives: (lastUserText: string) => Directives,
  usage: (reply: Reply) => JsonObject,
): Call {
  const model = stringOf(body["model"]) ?? context.defaultModel ?? "";
  const record = context.lookup(model);
  if (record === undefined) {
    throw new Refusal(404, `The model \`${model}\` does not exist.`, { type: "NotFoundError", param: "model" });
  }
  if (body["prompt"] === undefined || body["prompt"] === null) {
    throw vllmRefusal("Either prompt or prompt_embeds must be provided and non-empty.");
  }
  if (typeof body["suffix"] === "string" && body["suffix"] !== "")
    throw vllmRefusal("suffix is not currently supported");
  checkValues(body);
  const texts = textsOf(body);
  if (texts === undefined) throw vllmRefusal("prompt must be a string, array of strings, or array of token ids");
  const windowTokens = record.contextTokens ?? Infinity;
  for (const { tokens } of texts) checkWindow(tokens.length, numberIn(body["max_tokens"]), windowTokens);
  directives(texts.at(-1)?.text ?? "");
  const reading = readCompletion(body, model, texts, windowTokens);
  const salt = stringOf(body["cache_salt"]);
  const { prompts } = reading;
  return {
    model,
    prompt: {
      blocks: prompts.flatMap(({ blocks }) => blocks),
      tokens: prompts.reduce((sum, { tokens }) => sum + tokens, 0),
    },
    asks: reading.asks,
    stream: body["stream"] === true,
    plan: () =>
      jointPlan(prompts.map((prompt) => cache.plan({ model: record.id, salt, prompt, blockTokens: BLOCK_TOKENS }))),
    json: (reply) => completionJson(reading, reply, usage(reply), MEMBERS),
    frames: (reply) => completionFrames(reading, reply, usage(reply), MEMBERS),
  };
}

const MEMBERS: CompletionMembers = {
  envelope: {},
  ended: (answer) => ({ stop_reason: answer.stopSequence ?? null }),
};
