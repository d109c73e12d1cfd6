/** vLLM's `POST /v1/embeddings`: served by whoever was started with a model that embeds. */
import type { JsonObject } from "../../../src/chat.ts";
import type { Directives } from "../directives.ts";
import { embeddingCall, inputsOf } from "./embeddings.ts";
import { vllmRefusal } from "./vllm.read.ts";
import { type Call, numberIn, type ReadContext, Refusal, stringOf } from "./wire.ts";

/** Which of the weights embed is told by their names. */
const EMBEDS = /embed|(?:^|\/|-)(?:e5|bge|gte|minilm)/i;
const DIMENSIONS = 1024;

/** @throws Refusal for what vLLM would not embed. */
export function readVllmEmbeddings(
  body: JsonObject,
  context: ReadContext,
  directives: (lastUserText: string) => Directives,
): Call {
  const model = stringOf(body["model"]) ?? context.defaultModel ?? "";
  if (context.lookup(model) === undefined) {
    throw new Refusal(404, `The model \`${model}\` does not exist.`, { type: "NotFoundError", param: "model" });
  }
  if (!EMBEDS.test(model)) throw vllmRefusal("The model does not support Embeddings API");
  const inputs = inputsOf(body["input"]);
  if (inputs === undefined) {
    throw vllmRefusal("[{'type': 'missing', 'loc': ('body', 'input'), 'msg': 'Field required'}]");
  }
  const dimensions = numberIn(body["dimensions"]) ?? DIMENSIONS;
  if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > DIMENSIONS) {
    throw vllmRefusal(`Model "${model}" only supports dimensions up to ${DIMENSIONS}, got ${dimensions}.`);
  }
  directives(inputs[0]?.text ?? "");
  const base64 = body["encoding_format"] === "base64";
  return embeddingCall({ model, inputs, dimensions, base64 }, (data, tokens, id) => ({
    id: `embd-${id}`,
    object: "list",
    created: Math.floor(context.nowMs / 1000),
    model,
    data,
    usage: { prompt_tokens: tokens, total_tokens: tokens, completion_tokens: 0, prompt_tokens_details: null },
  }));
}
