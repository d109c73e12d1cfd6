/** Mistral's `POST /v1/embeddings`. */
import type { JsonObject } from "../../../src/chat.ts";
import type { Directives } from "../directives.ts";
import { embeddingCall, inputsOf } from "./embeddings.ts";
import { extras, missing, notOneOf, refused, unprocessable, type Violation } from "./mistral.fields.ts";
import { type Call, numberIn, stringOf } from "./wire.ts";

interface EmbeddingModel {
  readonly dimensions: number;
  /** The most it gives when asked; absent: it is not to be asked. */
  readonly dimensionsMax?: number;
}

const MODELS: Readonly<Record<string, EmbeddingModel>> = {
  "mistral-embed": { dimensions: 1024 },
  "mistral-embed-2312": { dimensions: 1024 },
  "codestral-embed": { dimensions: 1536, dimensionsMax: 3072 },
  "codestral-embed-2505": { dimensions: 1536, dimensionsMax: 3072 },
};
const FIELDS: ReadonlySet<string> = new Set([
  "model",
  "input",
  "metadata",
  "output_dimension",
  "output_dtype",
  "encoding_format",
]);
const INPUTS_MAX = 256;
const INPUT_TOKENS_MAX = 8192;
const DTYPES = ["float", "int8", "uint8", "binary", "ubinary"];

/** @throws Refusal for what Mistral would not embed. */
export function readMistralEmbeddings(body: JsonObject, directives: (lastUserText: string) => Directives): Call {
  check(body);
  const name = stringOf(body["model"]) ?? "";
  const model = MODELS[name];
  if (model === undefined) throw refused(`Invalid model: ${name}`, "invalid_model", "1500");
  const inputs = inputsOf(body["input"]);
  if (inputs === undefined) throw refused("Input cannot be empty", "invalid_request_invalid_args", "3051");
  if (inputs.length > INPUTS_MAX) {
    throw refused("Too many inputs in request, split into more batches.", "invalid_request_prompt", "3210");
  }
  const long = inputs.findIndex(({ tokens }) => tokens.length > INPUT_TOKENS_MAX);
  if (long >= 0) {
    throw refused(
      `Input id ${long} has ${inputs[long]?.tokens.length} tokens, exceeding max ${INPUT_TOKENS_MAX} tokens.`,
      "invalid_request_prompt",
      "3210",
    );
  }
  if ((body["output_dtype"] ?? "float") !== "float") {
    throw refused("output_dtype is not simulated here", "invalid_request_invalid_args", "3051");
  }
  directives(inputs[0]?.text ?? "");
  const base64 = body["encoding_format"] === "base64";
  return embeddingCall({ model: name, inputs, dimensions: dimensionsOf(body, model), base64 }, (data, tokens, id) => ({
    id,
    object: "list",
    data,
    model: name,
    usage: {
      prompt_audio_seconds: null,
      prompt_tokens: tokens,
      total_tokens: tokens,
      completion_tokens: 0,
      request_count: null,
      prompt_tokens_details: null,
      completion_tokens_details: null,
      service_tier: null,
    },
  }));
}

function check(body: JsonObject): void {
  const found: Violation[] = [
    ...["model", "input"].filter((field) => body[field] === undefined).map((field) => missing([field], body)),
    ...extras(body, FIELDS, []),
  ];
  const format = body["encoding_format"] ?? "float";
  if (format !== "float" && format !== "base64") {
    found.push(notOneOf(["encoding_format"], ["float", "base64"], format));
  }
  const dtype = body["output_dtype"] ?? "float";
  if (!DTYPES.includes(String(dtype))) found.push(notOneOf(["output_dtype"], DTYPES, dtype));
  if (found.length > 0) throw unprocessable(found);
}

function dimensionsOf(body: JsonObject, model: EmbeddingModel): number {
  const asked = body["output_dimension"] ?? undefined;
  if (asked === undefined) return model.dimensions;
  const number = numberIn(asked) ?? 0;
  if (model.dimensionsMax === undefined) {
    throw refused("This model does not support output_dimension.", "invalid_request_invalid_args", "3051");
  }
  if (Number.isInteger(number) && number >= 1 && number <= model.dimensionsMax) return number;
  throw refused(
    `output_dimension must be between 1 and ${model.dimensionsMax}.`,
    "invalid_request_invalid_args",
    "3051",
  );
}
