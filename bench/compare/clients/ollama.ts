/** Ollama's client, for what an Ollama serves. */
import { Ollama, type Message } from "ollama";
import type { Answered, Asked, ClientKind, Said, ToolCall } from "./client.ts";

export const ollamaClient: ClientKind = {
  name: "ollama",
  serves: (kind) => kind === "ollama",
  async ask(asked, { url, apiKey, headers }) {
    const client = new Ollama({ host: url, headers: { ...headers, authorization: `Bearer ${apiKey}` } });
    const stop = () => client.abort();
    asked.signal.throwIfAborted();
    asked.signal.addEventListener("abort", stop, { once: true });
    try {
      const stream = await client.chat({
        model: asked.model,
        messages: messagesOf(asked),
        stream: true,
        options: { num_predict: asked.maxTokens, seed: asked.seed },
        ...(asked.tools.length === 0
          ? {}
          : {
              tools: asked.tools.map(({ name, description, parameters }) => ({
                type: "function",
                function: { name, description: description ?? "", parameters: { ...parameters } },
              })),
            }),
        ...(asked.schema === undefined ? {} : { format: { ...asked.schema } }),
      });
      return await read(stream, asked);
    } finally {
      asked.signal.removeEventListener("abort", stop);
    }
  },
};

type Pieces = AsyncIterable<{ readonly message: Message; readonly done: boolean; readonly done_reason: string }>;

async function read(stream: Pieces, asked: Asked): Promise<Answered> {
  const calls: ToolCall[] = [];
  let text = "";
  let finish: string | undefined;
  for await (const { message, done, done_reason: reason } of stream) {
    if (message.content !== "" || (message.tool_calls ?? []).length > 0) asked.began();
    text += message.content;
    for (const call of message.tool_calls ?? []) {
      const own = (call as { readonly id?: unknown }).id;
      calls.push({
        id: typeof own === "string" ? own : `call_${calls.length}`,
        name: call.function.name,
        argumentsText: JSON.stringify(call.function.arguments),
      });
    }
    if (done) finish = reason;
  }
  if (finish === undefined) throw new Error("the stream ended before the answer did");
  return { text, calls, finish: finish === "length" ? "length" : calls.length > 0 ? "calls" : "done" };
}

function messagesOf({ system, said }: Asked): Message[] {
  return [...(system === undefined ? [] : [{ role: "system", content: system }]), ...said.map(messageOf)];
}

function messageOf(one: Said): Message {
  switch (one.role) {
    case "user":
      return { role: "user", content: one.text };
    case "tool":
      return { role: "tool", content: one.text, tool_name: one.name };
    case "assistant":
      return {
        role: "assistant",
        content: one.text,
        ...(one.calls.length === 0
          ? {}
          : {
              tool_calls: one.calls.map(({ name, argumentsText }) => ({
                function: { name, arguments: JSON.parse(argumentsText) as Record<string, unknown> },
              })),
            }),
      };
  }
}
