/** Embeddings, as those who give them have in common: texts in, a vector for each out. */
import type { ChatEvent, ChatRequest, DialectName, EmbeddingWish, JsonObject, JsonValue, Loss } from "../chat.ts";
import { promptTokens } from "../usage.ts";
import type { Dialect, EncodeOptions, Encoder, WriteOptions } from "./dialect.ts";
import { forwardedDialect, type ForwardedOptions } from "./forwarded.ts";

/** What is said in one of these can be said in the others, as long as texts are given and numbers asked for. */
const SPOKEN: readonly DialectName[] = ["openai-embeddings", "ollama-embed"];

export interface EmbeddingAnswer {
  readonly vectors: readonly (readonly number[])[];
  readonly promptTokens: number | undefined;
}

export interface EmbeddingForm extends Pick<ForwardedOptions, "name" | "like" | "input" | "readUsage"> {
  readonly readWish: (body: JsonObject) => EmbeddingWish;
  /** Fields that the wish has read, or that say nothing: any other one is a loss elsewhere. */
  readonly known: readonly string[];
  readonly write: (texts: readonly string[], wish: EmbeddingWish, model: string) => JsonObject;
  /** The vectors as they stand in an answer, in the texts' order. */
  readonly readVectors: (answer: JsonObject) => readonly JsonValue[] | undefined;
  readonly writeAnswer: (answer: EmbeddingAnswer, options: EncodeOptions) => JsonObject;
}

export function embeddingDialect(form: EmbeddingForm): Dialect {
  const { name, like, input, readUsage } = form;
  const readContent = (answer: JsonObject): readonly ChatEvent[] => {
    const vectors = form.readVectors(answer);
    return vectors === undefined ? [] : [{ type: "opaque", kind: VECTORS, value: vectors }];
  };
  const forwarded = forwardedDialect({ name, word: "embeddings", like, input, streams: false, readUsage, readContent });
  return {
    ...forwarded,
    readRequest(body) {
      const request = forwarded.readRequest(body);
      const wish = form.readWish(body);
      const known = new Set(["model", input.field, ...form.known]);
      const extra = Object.fromEntries(Object.entries(body).filter(([key]) => !known.has(key)));
      const word = onlyHere(body[input.field], wish);
      return word === undefined
        ? { ...request, embedding: wish, alsoIn: SPOKEN, extra }
        : { ...request, embedding: wish, onlyHere: [word], extra };
    },
    writeRequest: (request, options, losses) => written(form, request, options, losses),
    encoder: (options) => encoder(form, options),
  };
}

/** An opaque event's kind: no chat has a word for it. */
const VECTORS = "vectors";

/** What no other one can be asked for. */
function onlyHere(input: JsonValue | undefined, { dtype }: EmbeddingWish): string | undefined {
  if (dtype !== undefined && dtype !== "float") return `embeddings as ${dtype}`;
  const isText = typeof input === "string" || (Array.isArray(input) && input.every((one) => typeof one === "string"));
  return isText ? undefined : "embeddings of tokens";
}

function written(form: EmbeddingForm, request: ChatRequest, { model }: WriteOptions, losses: Loss[]): JsonObject {
  for (const [field, value] of Object.entries(request.extra)) {
    if (value !== null) losses.push({ field: LOSSES[field] ?? "unknown-field", path: field });
  }
  const texts = request.messages.flatMap(({ parts }) =>
    parts.flatMap((part) => (part.type === "text" ? part.text : [])),
  );
  return form.write(texts, request.embedding ?? { base64: false }, model);
}

/** Words for what has one in other dialects' losses, too. */
const LOSSES: Readonly<Record<string, string>> = { user: "user", metadata: "metadata" };

/** A whole answer: there are no streams of it. */
function encoder(form: EmbeddingForm, options: EncodeOptions): Encoder {
  let vectors: readonly (readonly number[])[] = [];
  let tokens: number | undefined;
  return {
    push(event) {
      if (event.type === "opaque" && event.kind === VECTORS)
        vectors = (event.value as readonly JsonValue[]).map(numbersIn);
      else if (event.type === "usage") tokens = promptTokens(event.usage);
      return "";
    },
    end: () => JSON.stringify(form.writeAnswer({ vectors, promptTokens: tokens }, options)),
  };
}

const FLOAT_BYTES = 4;

function numbersIn(vector: JsonValue): readonly number[] {
  if (typeof vector !== "string") return vector as readonly number[];
  const bytes = Buffer.from(vector, "base64");
  return Array.from({ length: Math.floor(bytes.length / FLOAT_BYTES) }, (_, at) => bytes.readFloatLE(at * FLOAT_BYTES));
}

/** Numbers of 32 bits, the lowest byte first. */
export function base64Of(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * FLOAT_BYTES);
  vector.forEach((number, at) => bytes.writeFloatLE(number, at * FLOAT_BYTES));
  return bytes.toString("base64");
}

/** A count of dimensions; what is none is the server's to refuse. */
export function countIn(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}
