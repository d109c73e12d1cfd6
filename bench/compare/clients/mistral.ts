/** Mistral's client, for Mistral's models: at Mistral, and on servers of one's own that have their weights. */
import { HTTPClient, Mistral } from "@mistralai/mistralai";
import type { ChatCompletionRequestMessage, CompletionEvent } from "@mistralai/mistralai/models/components";
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

export const mistralClient: ClientKind = {
  name: "@mistralai/mistralai",
  serves: (kind, model) => kind === "mistral" || model.startsWith("mistralai/"),
  async ask(asked, { url, apiKey, headers }) {
    const httpClient = new HTTPClient();
    httpClient.addHook("beforeRequest", (request) => {
      for (const [name, value] of Object.entries(headers)) request.headers.set(name, value);
      return request;
    });
    const client = new Mistral({ serverURL: url, apiKey, httpClient, retryConfig: { strategy: "none" } });
    const stream = await client.chat.stream(
      {
        model: asked.model,
        messages: messagesOf(asked),
        maxTokens: asked.maxTokens,
        randomSeed: asked.seed,
        ...functionTools(asked),
        ...(asked.schema === undefined
          ? {}
          : {
              responseFormat: {
                type: "json_schema" as const,
                jsonSchema: {
                  name: SCHEMA_NAME,
                  strict: isStrict(asked.schema),
                  schemaDefinition: { ...asked.schema },
                },
              },
            }),
      },
      { signal: asked.signal },
    );
    return read(stream, asked);
  },
};

async function read(stream: AsyncIterable<CompletionEvent>, asked: Asked): Promise<Answered> {
  const calls = new CallPieces();
  let text = "";
  let finish: string | undefined;
  for await (const { data } of stream) {
    const [choice] = data.choices;
    if (choice === undefined) continue;
    const { content, toolCalls } = choice.delta;
    const piece = typeof content === "string" ? content : textIn(content ?? []);
    if (piece !== "" || (toolCalls ?? []).length > 0) asked.began();
    text += piece;
    for (const [at, { id, index, function: called }] of (toolCalls ?? []).entries()) {
      const argumentsText = typeof called.arguments === "string" ? called.arguments : JSON.stringify(called.arguments);
      calls.add(index ?? at, id, called.name, argumentsText);
    }
    finish = choice.finishReason ?? finish;
  }
  if (finish === undefined) throw new Error("the stream ended before the answer did");
  return {
    text,
    calls: calls.all(),
    finish: finish === "length" ? "length" : finish === "tool_calls" ? "calls" : "done",
  };
}

function textIn(parts: readonly { readonly type?: unknown; readonly text?: unknown }[]): string {
  return parts.map((part) => (part.type === "text" && typeof part.text === "string" ? part.text : "")).join("");
}

function messagesOf({ system, said }: Asked): ChatCompletionRequestMessage[] {
  return [...(system === undefined ? [] : [{ role: "system" as const, content: system }]), ...said.map(messageOf)];
}

function messageOf(one: Said): ChatCompletionRequestMessage {
  switch (one.role) {
    case "user":
      return { role: "user", content: one.text };
    case "tool":
      return { role: "tool", toolCallId: one.callId, name: one.name, content: one.text };
    case "assistant":
      return {
        role: "assistant",
        content: one.text,
        ...(one.calls.length === 0
          ? {}
          : {
              toolCalls: one.calls.map(({ id, name, argumentsText }) => ({
                id,
                function: { name, arguments: argumentsText },
              })),
            }),
      };
  }
}
