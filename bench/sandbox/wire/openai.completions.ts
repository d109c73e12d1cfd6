/** OpenAI's `POST /v1/completions`, and the models that have nothing else. */
import type { JsonObject } from "../../../src/chat.ts";
import { uncachedPlan } from "../cache/cache.ts";
import type { Directives } from "../directives.ts";
import { completionFrames, completionJson, type CompletionMembers, readCompletion, textsOf } from "./completions.ts";
import { checkRanges, refuse } from "./openai.parameters.ts";
import { type Call, type ReadContext, Refusal, type Reply, stringOf } from "./wire.ts";

/** How much of a text the models hold that only go on with texts. */
const WINDOWS: Readonly<Record<string, number>> = {
  "gpt-3.5-turbo-instruct": 4096,
  "davinci-002": 16_384,
  "babbage-002": 16_384,
};
const FIELDS: ReadonlySet<string> = new Set([
  "model",
  "prompt",
  "best_of",
  "echo",
  "frequency_penalty",
  "logit_bias",
  "logprobs",
  "max_tokens",
  "n",
  "presence_penalty",
  "seed",
  "stop",
  "stream",
  "stream_options",
  "suffix",
  "temperature",
  "top_p",
  "user",
]);
const LOGPROBS_MAX = 5;

/** @throws Refusal for what is none of the models that hold a conversation. */
export function refuseCompletionModel(model: string): void {
  if (WINDOWS[model] === undefined) return;
  throw new Refusal(
    404,
    "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use v1/completions?",
    { type: "invalid_request_error", param: "model" },
  );
}

/** @throws Refusal for what OpenAI would not serve. */
export function readOpenaiCompletion(
  body: JsonObject,
  context: ReadContext,
  directives: (lastUserText: string) => Directives,
): Call {
  const unknown = Object.keys(body).find((field) => !FIELDS.has(field));
  if (unknown !== undefined) throw refuse(`Unknown parameter: '${unknown}'.`, unknown, "unknown_parameter");
  const model = stringOf(body["model"]) ?? "";
  if (model === "") throw refuse("you must provide a model parameter");
  const windowTokens = windowOf(model, context);
  checkValues(body, model);
  const texts = textsOf(body);
  if (texts === undefined) throw refuse("Invalid type for 'prompt'.", "prompt", "invalid_type");
  directives(texts.at(-1)?.text ?? "");
  const reading = readCompletion(body, model, texts, windowTokens);
  checkWindow(
    Math.max(...texts.map(({ tokens }) => tokens.length)),
    typeof body["max_tokens"] === "number" ? body["max_tokens"] : undefined,
    windowTokens,
  );
  const prompt = { blocks: reading.prompts.flatMap(({ blocks }) => blocks), tokens: tokensIn(reading.prompts) };
  return {
    model,
    prompt,
    asks: reading.asks,
    stream: body["stream"] === true,
    plan: () => uncachedPlan(prompt.tokens),
    json: (reply) => completionJson(reading, reply, usageOf(prompt.tokens, reply), MEMBERS),
    frames: (reply) => completionFrames(reading, reply, usageOf(prompt.tokens, reply), MEMBERS),
  };
}

const MEMBERS: CompletionMembers = { envelope: {}, ended: () => ({}) };

function windowOf(model: string, context: ReadContext): number {
  const windowTokens = WINDOWS[model];
  if (windowTokens !== undefined) return windowTokens;
  if (context.lookup(model) !== undefined) {
    throw new Refusal(
      404,
      "This is a chat model and not supported in the v1/completions endpoint. Did you mean to use v1/chat/completions?",
      { type: "invalid_request_error", param: "model" },
    );
  }
  throw new Refusal(404, `The model \`${model}\` does not exist or you do not have access to it.`, {
    type: "invalid_request_error",
    code: "model_not_found",
  });
}

function checkValues(body: JsonObject, model: string): void {
  const { logprobs, ...rest } = body;
  if (typeof logprobs === "number" && logprobs > LOGPROBS_MAX) {
    throw refuse(
      `Invalid 'logprobs': integer above maximum value. Expected a value <= ${LOGPROBS_MAX}, but got ${logprobs} instead.`,
      "logprobs",
      "integer_above_max_value",
    );
  }
  checkRanges(rest, undefined);
  if (body["suffix"] !== undefined && body["suffix"] !== null && model !== "gpt-3.5-turbo-instruct") {
    throw refuse("This model does not support the 'suffix' parameter.", "suffix");
  }
  if (body["stream_options"] !== undefined && body["stream_options"] !== null && body["stream"] !== true) {
    throw refuse("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options");
  }
}

function checkWindow(promptTokens: number, maxTokens: number = 16, windowTokens: number): void {
  const wanted = promptTokens + maxTokens;
  if (wanted <= windowTokens) return;
  throw refuse(
    `This model's maximum context length is ${windowTokens} tokens, however you requested ${wanted} tokens (${promptTokens} in your prompt; ${maxTokens} for the completion). Please reduce your prompt; or completion length.`,
    undefined,
    "context_length_exceeded",
  );
}

/** Each of several prompts is billed once, however many choices it has. */
function tokensIn(prompts: readonly { readonly tokens: number }[]): number {
  return prompts.reduce((sum, { tokens }) => sum + tokens, 0);
}

function usageOf(promptTokens: number, reply: Reply): JsonObject {
  const output = reply.answers.reduce((sum, answer) => sum + answer.outputTokens, 0);
  return { prompt_tokens: promptTokens, completion_tokens: output, total_tokens: promptTokens + output };
}
