/** Anthropic's client, for Claude. */
import Anthropic from "@anthropic-ai/sdk";
import type { Answered, ClientKind, Said } from "./client.ts";

type MessageParam = Anthropic.MessageParam;
type Blocks = Anthropic.ContentBlockParam[];

export const anthropicClient: ClientKind = {
  name: "@anthropic-ai/sdk",
  serves: (kind, model) => kind === "anthropic" || model.startsWith("claude-"),
  async ask(asked, { url, apiKey, headers }) {
    const client = new Anthropic({ baseURL: url, apiKey, maxRetries: 0, defaultHeaders: headers });
    const stream = client.messages.stream(
      {
        model: asked.model,
        max_tokens: asked.maxTokens,
        messages: messagesOf(asked.said),
        ...(asked.system === undefined ? {} : { system: asked.system }),
        ...(asked.tools.length === 0
          ? {}
          : {
              tools: asked.tools.map(({ name, description, parameters }) => ({
                name,
                input_schema: { ...parameters } as Anthropic.Tool.InputSchema,
                ...(description === undefined ? {} : { description }),
              })),
            }),
        ...(asked.schema === undefined
          ? {}
          : { output_config: { format: { type: "json_schema" as const, schema: { ...asked.schema } } } }),
      },
      { signal: asked.signal },
    );
    for await (const event of stream) {
      const isFirst =
        event.type === "content_block_start"
          ? event.content_block.type === "tool_use"
          : event.type === "content_block_delta" && event.delta.type === "text_delta";
      if (isFirst) asked.began();
    }
    return answered(await stream.finalMessage());
  },
};

function answered({ content, stop_reason: reason }: Anthropic.Message): Answered {
  if (reason === null) throw new Error("the stream ended before the answer did");
  const calls = content.flatMap((block) =>
    block.type === "tool_use" ? [{ id: block.id, name: block.name, argumentsText: JSON.stringify(block.input) }] : [],
  );
  return {
    text: content.map((block) => (block.type === "text" ? block.text : "")).join(""),
    calls,
    finish:
      reason === "refusal" ? "refusal" : reason === "max_tokens" ? "length" : reason === "tool_use" ? "calls" : "done",
    own: content,
  };
}

/** Results of one turn's calls stand in one message, and nothing before them. */
function messagesOf(said: readonly Said[]): MessageParam[] {
  const messages: { role: "user" | "assistant"; content: Blocks }[] = [];
  for (const one of said) {
    const role = one.role === "assistant" ? "assistant" : "user";
    const blocks = blocksOf(one);
    const last = messages.at(-1);
    if (last?.role === role) last.content.push(...blocks);
    else messages.push({ role, content: blocks });
  }
  return messages;
}

function blocksOf(one: Said): Blocks {
  switch (one.role) {
    case "user":
      return [{ type: "text", text: one.text }];
    case "tool":
      return [
        {
          type: "tool_result",
          tool_use_id: one.callId,
          content: one.text,
          ...(one.isError ? { is_error: true } : {}),
        },
      ];
    case "assistant":
      // Thinking is signed: it goes back to the letter.
      if (one.own !== undefined) return [...(one.own as Blocks)];
      return [
        ...(one.text === "" ? [] : [{ type: "text" as const, text: one.text }]),
        ...one.calls.map(({ id, name, argumentsText }) => ({
          type: "tool_use" as const,
          id,
          name,
          input: JSON.parse(argumentsText) as unknown,
        })),
      ];
  }
}
