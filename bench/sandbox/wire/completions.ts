/**
 * The legacy form of generation, a text that goes on: what the servers that still have it read and answer alike. What each of them
 * refuses, and its own members, stand in its own file.
 */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import { type Answer, type Ask, seedOf } from "../answer.ts";
import { type Block, canonical, type Prompt, promptOf } from "../prompt.ts";
import { digest, tokensOf } from "../tokens.ts";
import { type EmbeddingInput as PromptText, inputsOf } from "./embeddings.ts";
import { asksOf, type Frame, isObject, numberIn, type Reply } from "./wire.ts";

export interface CompletionReading {
  readonly model: string;
  readonly texts: readonly PromptText[];
  /** Each text as a prompt of its own. */
  readonly prompts: readonly Prompt[];
  readonly asks: readonly Ask[];
  readonly choicesEach: number;
  readonly echo: boolean;
  readonly logprobs: number | undefined;
  readonly includesUsage: boolean;
}

const MAX_TOKENS_DEFAULT = 16;

/** Texts to go on with; nothing said is a document's beginning. */
export function textsOf(body: JsonObject): readonly PromptText[] | undefined {
  const prompt = body["prompt"] ?? undefined;
  if (prompt === undefined || prompt === "") return [{ text: "", tokens: ["<|endoftext|>"] }];
  return inputsOf(prompt);
}

export function readCompletion(
  body: JsonObject,
  model: string,
  texts: readonly PromptText[],
  windowTokens: number,
): CompletionReading {
  const choicesEach = numberIn(body["n"]) ?? 1;
  const stop = body["stop"];
  const streamOptions = isObject(body["stream_options"]) ? body["stream_options"] : {};
  return {
    model,
    texts,
    prompts: texts.map((text) => promptOf([blockOf(text)])),
    choicesEach,
    echo: body["echo"] === true,
    logprobs: numberIn(body["logprobs"]),
    includesUsage: streamOptions["include_usage"] === true,
    asks: texts.flatMap(({ text, tokens }) =>
      asksOf(
        {
          seed: seedOf(model, text, canonical(body["suffix"]), canonical(body["seed"])),
          lastUserText: text,
          toolResults: [],
          tools: [],
          toolChoice: { kind: "none" },
          parallel: false,
          schema: undefined,
          maxTokens: Math.min(numberIn(body["max_tokens"]) ?? MAX_TOKENS_DEFAULT, windowTokens - tokens.length),
          stop: typeof stop === "string" ? [stop] : Array.isArray(stop) ? stop.map(String) : [],
          thinkingTokens: 0,
        },
        choicesEach,
      ),
    ),
  };
}

function blockOf({ text, tokens }: PromptText): Block {
  return { level: "messages", identity: digest("text", text), tokens };
}

/** Members that a server adds to an envelope, and to a choice that has ended. */
export interface CompletionMembers {
  readonly envelope: JsonObject;
  ended(answer: Answer): JsonObject;
}

export function completionJson(
  reading: CompletionReading,
  reply: Reply,
  usage: JsonObject,
  members: CompletionMembers,
): JsonObject {
  return {
    ...envelopeOf(reading, reply, members),
    choices: reply.answers.map((answer, index) => {
      const text = `${echoed(reading, index)}${answer.text}`;
      return { text, index, logprobs: logprobsOf(reading, tokensOf(text), 0), ...ending(answer, members) };
    }),
    usage,
  };
}

export function* completionFrames(
  reading: CompletionReading,
  reply: Reply,
  usage: JsonObject,
  members: CompletionMembers,
): Iterable<Frame> {
  const envelope = envelopeOf(reading, reply, members);
  const chunk = (choices: JsonValue, tokens: number, said: JsonObject | null = null): Frame => ({
    text: `data: ${JSON.stringify({ ...envelope, choices, ...(reading.includesUsage ? { usage: said } : {}) })}\n\n`,
    tokens,
  });
  for (const [index, answer] of reply.answers.entries()) {
    const opening = echoed(reading, index);
    const open = { index, finish_reason: null };
    if (opening !== "") yield chunk([{ text: opening, logprobs: null, ...open }], 0);
    let offset = opening.length;
    for (const text of tokensOf(answer.text)) {
      yield chunk([{ text, logprobs: logprobsOf(reading, [text], offset), ...open }], 1);
      offset += text.length;
    }
    yield chunk([{ text: "", index, logprobs: null, ...ending(answer, members) }], 0);
  }
  if (reading.includesUsage) yield chunk([], 0, usage);
  yield { text: "data: [DONE]\n\n", tokens: 0 };
}

function envelopeOf(reading: CompletionReading, reply: Reply, members: CompletionMembers): JsonObject {
  return {
    id: `cmpl-${reply.id}`,
    object: "text_completion",
    created: reply.createdSeconds,
    model: reading.model,
    ...members.envelope,
  };
}

function echoed(reading: CompletionReading, choice: number): string {
  return reading.echo ? (reading.texts[Math.floor(choice / reading.choicesEach)]?.text ?? "") : "";
}

function ending(answer: Answer, members: CompletionMembers): JsonObject {
  return { finish_reason: answer.finish === "length" ? "length" : "stop", ...members.ended(answer) };
}

function logprobsOf(reading: CompletionReading, tokens: readonly string[], start: number): JsonObject | null {
  if (reading.logprobs === undefined) return null;
  let offset = start;
  const offsets = tokens.map((token) => {
    const at = offset;
    offset += token.length;
    return at;
  });
  return {
    tokens,
    token_logprobs: tokens.map(() => -0.01),
    top_logprobs: reading.logprobs === 0 ? null : tokens.map((token) => ({ [token]: -0.01 })),
    text_offset: offsets,
  };
}
