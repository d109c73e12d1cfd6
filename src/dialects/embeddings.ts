/** Embeddings, as those who give them have in common: texts in, a vector for each out. */
import type { ChatRequest, DialectName, EmbeddingWish, JsonObject, JsonValue, Loss } from "../chat.ts";
import { promptTokens } from "../usage.ts";
import type { Decoder, Dialect, EncodeOptions, Encoder, WriteOptions } from "./dialect.ts";
import { fieldWord } from "./field-words.ts";
import { CountingDecoder, forwardedDialect, type ForwardedOptions } from "./forwarded.ts";
import { cutVectors, inBase64, inNumbers, isBase64, withVectors, type CutAnswer, type VectorText } from "./vectors.ts";

/** What is said in one of these can be said in the others, as long as texts are given and numbers asked for. */
const SPOKEN: readonly DialectName[] = ["openai-embeddings", "ollama-embed"];

export interface EmbeddingAnswer {
  /** A mark for each. */
  readonly vectors: readonly JsonValue[];
  /** `undefined`: the server did not count them. */
  readonly promptTokens: number | undefined;
}

export interface EmbeddingForm extends Pick<ForwardedOptions, "name" | "like" | "input" | "readUsage"> {
  readonly readWish: (body: JsonObject) => EmbeddingWish;
  /** Fields that the wish has read, or that say nothing: any other one is a loss elsewhere. */
  readonly known: readonly string[];
  readonly write: (texts: readonly string[], wish: EmbeddingWish, model: string) => JsonObject;
  /** What stands in an answer for each vector, in the texts' order; `undefined`: nobody can say which is whose. */
  readonly readVectors: (answer: JsonObject) => readonly (JsonValue | undefined)[] | undefined;
  readonly writeAnswer: (answer: EmbeddingAnswer, options: EncodeOptions) => JsonObject;
}

export function embeddingDialect(form: EmbeddingForm): Dialect {
  const { name, like, input, readUsage } = form;
  const forwarded = forwardedDialect({
    name,
    word: WORD,
    ability: "embeddings",
    like,
    input,
    streams: false,
    readUsage,
    readContent: () => undefined,
  });
  return {
    ...forwarded,
    readRequest(body) {
      const request = forwarded.readRequest(body);
      const inputs = inputsIn(body[input.field]);
      const wish = { ...form.readWish(body), ...(inputs === undefined ? {} : { inputs }) };
      const known = new Set(["model", input.field, ...form.known]);
      const extra = Object.fromEntries(Object.entries(body).filter(([key]) => !known.has(key)));
      const word = onlyHere(body[input.field], wish);
      return word === undefined
        ? { ...request, embedding: wish, alsoIn: SPOKEN, extra }
        : { ...request, embedding: wish, onlyHere: [word], extra };
    },
    writeRequest: (request, options, losses) => written(form, request, options, losses),
    decoder: (_stream, request) => decoder(form, request),
    encoder: (options) => encoder(form, options),
  };
}

const WORD = "embeddings";
/** An opaque event's kind: no chat has a word for it. */
const VECTORS = "vectors";

/** How many vectors are to come. Of no text, and of what is neither text nor tokens, only the server can tell. */
function inputsIn(input: JsonValue | undefined): number | undefined {
  if (typeof input === "string") return input === "" ? undefined : 1;
  if (!Array.isArray(input)) return undefined;
  const items = input as readonly JsonValue[];
  if (items.every((one) => typeof one === "number")) return 1;
  return items.every((one) => typeof one === "string" || Array.isArray(one)) ? items.length : undefined;
}

/** What no other one can be asked for. */
function onlyHere(input: JsonValue | undefined, { dtype }: EmbeddingWish): string | undefined {
  if (dtype !== undefined && dtype !== "float") return `embeddings as ${dtype}`;
  const isText = typeof input === "string" || (Array.isArray(input) && input.every((one) => typeof one === "string"));
  return isText ? undefined : "embeddings of tokens";
}

function written(form: EmbeddingForm, request: ChatRequest, { model }: WriteOptions, losses: Loss[]): JsonObject {
  for (const [field, value] of Object.entries(request.extra)) {
    if (value !== null) losses.push({ field: fieldWord(field), path: field });
  }
  const texts = request.messages.flatMap(({ parts }) =>
    parts.flatMap((part) => (part.type === "text" ? part.text : [])),
  );
  return form.write(texts, request.embedding ?? { base64: false }, model);
}

/** Vectors as many as texts, each of numbers, or in the form that was asked for: anything else is no answer. */
function decoder({ like, readUsage, readVectors, name }: EmbeddingForm, request: ChatRequest | undefined): Decoder {
  const { inputs, base64 = false, dtype } = request?.embedding ?? {};
  // What is written anew is written in the client's form, whichever it came in.
  const takesBase64 = base64 || dtype !== undefined || request?.dialect !== name;
  let vectorIn: CutAnswer["vector"] = () => undefined;
  return new CountingDecoder({
    word: WORD,
    like,
    readUsage,
    parse(bytes) {
      const found = cutVectors(bytes);
      if (found !== undefined) vectorIn = found.vector;
      return found?.answer;
    },
    readContent(answer) {
      const vectors = readVectors(answer)?.map((value) => vectorIn(value));
      if (vectors === undefined || (inputs !== undefined && vectors.length !== inputs)) return undefined;
      const good = vectors.filter((one) => one !== undefined);
      const isGood = (vector: VectorText) =>
        isBase64(vector) ? takesBase64 : inputs === undefined || vector !== NO_NUMBERS;
      if (good.length < vectors.length || !good.every(isGood)) return undefined;
      return [{ type: "opaque", kind: VECTORS, value: good }];
    },
  });
}

const NO_NUMBERS = "[]";

/** A whole answer: there are no streams of it. */
function encoder(form: EmbeddingForm, options: EncodeOptions): Encoder {
  let vectors: readonly VectorText[] = [];
  let tokens: number | undefined;
  return {
    push(event) {
      if (event.type === "opaque" && event.kind === VECTORS)
        vectors = (event.value as readonly VectorText[]).map(options.wantsBase64 === true ? inBase64 : inNumbers);
      else if (event.type === "usage") tokens = promptTokens(event.usage);
      return "";
    },
    end: () => withVectors((marks) => form.writeAnswer({ vectors: marks, promptTokens: tokens }, options), vectors),
  };
}

/** A count of dimensions; what is none is the server's to refuse. */
export function countIn(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}
