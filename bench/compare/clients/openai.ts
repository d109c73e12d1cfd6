/** OpenAI's client: for OpenAI's models, and for every server that speaks as OpenAI does. */
import OpenAI from "openai";
import {
  functionTools,
  isStrict,
  SCHEMA_NAME,
  type Answered,
  type Asked,
  type ClientKind,
  type Said,
} from "./client.ts";
import { CallPieces } from "./call-pieces.ts";

export const openaiClient: ClientKind = {
  name: "openai",
  // Whoever has no client of his own is called with this one.
  serves: () => true,
  async ask(asked, { url, apiKey, headers }) {
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0, defaultHeaders: headers });
    const stream = await client.chat.completions.create(
      {
        model: asked.model,
        messages: messagesOf(asked),
        max_completion_tokens: asked.maxTokens,
        seed: asked.seed,
        stream: true,
        ...functionTools(asked),
        ...(asked.schema === undefined
          ? {}
          : {
              response_format: {
                type: "json_schema" as const,
                json_schema: { name: SCHEMA_NAME, strict: isStrict(asked.schema), schema: { ...asked.schema } },
              },
            }),
      },
      { signal: asked.signal },
    );
    return read(stream, asked);
  },
};

async function read(stream: AsyncIterable<OpenAI.Chat.ChatCompletionChunk>, asked: Asked): Promise<Answered> {
  const calls = new CallPieces();
  let text = "";
  let refusal = "";
  let finish: string | undefined;
  for await (const { choices } of stream) {
    const [choice] = choices;
    if (choice === undefined) continue;
    const { content, refusal: refused, tool_calls: pieces } = choice.delta;
    const hasBegun = (content ?? "") !== "" || (refused ?? "") !== "" || (pieces ?? []).length > 0;
    if (hasBegun) asked.began();
    text += content ?? "";
    refusal += refused ?? "";
    for (const { index, id, function: piece } of pieces ?? []) calls.add(index, id, piece?.name, piece?.arguments);
    finish = choice.finish_reason ?? finish;
  }
  // A stream that just ends was cut, and the client does not say so.
  if (finish === undefined) throw new Error("the stream ended before the answer did");
  const isRefused = refusal !== "" || finish === "content_filter";
  return {
    text: refusal === "" ? text : refusal,
    calls: calls.all(),
    finish: isRefused ? "refusal" : finish === "length" ? "length" : finish === "tool_calls" ? "calls" : "done",
  };
}

function messagesOf({ system, said }: Asked): OpenAI.Chat.ChatCompletionMessageParam[] {
  return [...(system === undefined ? [] : [{ role: "system" as const, content: system }]), ...said.map(messageOf)];
}

function messageOf(one: Said): OpenAI.Chat.ChatCompletionMessageParam {
  switch (one.role) {
    case "user":
      return { role: "user", content: one.text };
    case "tool":
      return { role: "tool", tool_call_id: one.callId, content: one.text };
    case "assistant":
      return {
        role: "assistant",
        content: one.text,
        ...(one.calls.length === 0
          ? {}
          : {
              tool_calls: one.calls.map(({ id, name, argumentsText }) => ({
                type: "function" as const,
                id,
                function: { name, arguments: argumentsText },
              })),
            }),
      };
  }
}
