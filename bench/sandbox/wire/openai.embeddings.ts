/** OpenAI's `POST /v1/embeddings`. */
import type { JsonObject } from "../../../src/chat.ts";
import type { Directives } from "../directives.ts";
import { embeddingCall, type EmbeddingInput, inputsOf } from "./embeddings.ts";
import { invalidValue, refuse } from "./openai.parameters.ts";
import { type Call, numberIn, type ReadContext, Refusal, stringOf } from "./wire.ts";

interface EmbeddingModel {
  readonly dimensions: number;
  /** Whether it gives fewer when asked. */
  readonly shortens: boolean;
  /** What it is called in its answers. */
  readonly answersAs?: string;
}

const MODELS: Readonly<Record<string, EmbeddingModel>> = {
  "text-embedding-3-small": { dimensions: 1536, shortens: true },
  "text-embedding-3-large": { dimensions: 3072, shortens: true },
  "text-embedding-ada-002": { dimensions: 1536, shortens: false, answersAs: "text-embedding-ada-002-v2" },
};
const FIELDS: ReadonlySet<string> = new Set(["input", "model", "dimensions", "encoding_format", "user"]);
const INPUTS_MAX = 2048;
const INPUT_TOKENS_MAX = 8192;
const REQUEST_TOKENS_MAX = 300_000;

/** @throws Refusal for what OpenAI would not embed. */
export function readOpenaiEmbeddings(
  body: JsonObject,
  context: ReadContext,
  directives: (lastUserText: string) => Directives,
): Call {
  const unknown = Object.keys(body).find((field) => !FIELDS.has(field));
  if (unknown !== undefined) throw refuse(`Unknown parameter: '${unknown}'.`, unknown, "unknown_parameter");
  const name = stringOf(body["model"]) ?? "";
  if (name === "") throw refuse("you must provide a model parameter");
  const model = modelOf(name, context);
  const inputs = inputsOf(body["input"]);
  if (inputs === undefined) {
    throw refuse(
      "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.",
    );
  }
  checkSize(inputs);
  const format = body["encoding_format"] ?? "float";
  if (format !== "float" && format !== "base64") throw invalidValue("encoding_format", format, ["float", "base64"]);
  directives(inputs[0]?.text ?? "");
  const dimensions = dimensionsOf(body, model);
  return embeddingCall({ model: name, inputs, dimensions, base64: format === "base64" }, (data, tokens) => ({
    object: "list",
    data,
    model: model.answersAs ?? name,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  }));
}

function modelOf(name: string, context: ReadContext): EmbeddingModel {
  const model = MODELS[name];
  if (model !== undefined) return model;
  if (context.lookup(name) !== undefined) {
    throw new Refusal(403, "You are not allowed to generate embeddings from this model", {
      type: "invalid_request_error",
    });
  }
  throw new Refusal(404, `The model \`${name}\` does not exist or you do not have access to it.`, {
    type: "invalid_request_error",
    code: "model_not_found",
  });
}

function checkSize(inputs: readonly EmbeddingInput[]): void {
  if (inputs.length > INPUTS_MAX) {
    throw refuse(
      `Invalid 'input': array too long. Expected an array with maximum length ${INPUTS_MAX}, but got an array with length ${inputs.length} instead.`,
      "input",
      "array_above_max_length",
    );
  }
  const long = inputs.find(({ tokens }) => tokens.length > INPUT_TOKENS_MAX);
  if (long !== undefined) {
    const count = long.tokens.length;
    throw refuse(
      `This model's maximum context length is ${INPUT_TOKENS_MAX} tokens, however you requested ${count} tokens (${count} in your prompt; 0 for the completion). Please reduce your prompt; or completion length.`,
    );
  }
  const total = inputs.reduce((sum, { tokens }) => sum + tokens.length, 0);
  if (total <= REQUEST_TOKENS_MAX) return;
  throw new Refusal(400, `Requested ${total} tokens, max ${REQUEST_TOKENS_MAX} tokens per request`, {
    type: "max_tokens_per_request",
    code: "max_tokens_per_request",
  });
}

function dimensionsOf(body: JsonObject, model: EmbeddingModel): number {
  const asked = body["dimensions"] ?? undefined;
  if (asked === undefined) return model.dimensions;
  if (!model.shortens) throw refuse("This model does not support specifying dimensions.", "dimensions");
  const number = numberIn(asked);
  if (number === undefined || !Number.isInteger(number) || number < 1) {
    throw refuse(
      `Invalid value for 'dimensions' = ${JSON.stringify(asked)}. Must be greater than 0.`,
      "dimensions",
      "invalid_value",
    );
  }
  if (number <= model.dimensions) return number;
  throw refuse(
    `Invalid value for 'dimensions' = ${number}. Must be less than or equal to ${model.dimensions}.`,
    "dimensions",
    "invalid_value",
  );
}
