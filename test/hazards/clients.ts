/**
 * Each client dialect: how it says a talk, and how strictly its answers and errors are read. Nothing here uses the code under test.
 */
import type { Content, Talk, Turn } from "./talk.ts";
import { Verbatim } from "./talk.ts";
import { readChat, readMessages, readMistral, readOllama, readResponses, type Answer } from "./answers.ts";
import { mistralError, messagesError, ollamaError, openaiError, type ToldError } from "./told-errors.ts";

export type Body = Record<string, unknown>;
export type ClientName =
  | "openai-chat"
  | "openai-responses"
  | "anthropic-messages"
  | "mistral-chat"
  | "ollama-chat"
  | "ollama-generate";

export interface Client {
  readonly name: ClientName;
  readonly path: string;
  request(talk: Talk): Body;
  /** What asks for a stream, or for none. */
  streaming(stream: boolean): Body;
  /** The field of the body that holds the talk. */
  readonly list: string;
  /**
   * @param isNative Whether the bytes are the provider's own, which promise less.
   * @throws when the answer is not one of this dialect.
   */
  read(text: string, stream: boolean, isNative: boolean): Answer;
  /** @throws when the body is not an error of this dialect. */
  errorIn(text: string): ToldError;
}

type Item = Record<string, unknown>;

const openaiChat: Client = {
  name: "openai-chat",
  path: "/v1/chat/completions",
  list: "messages",
  request: ({ turns, tools }) => ({
    messages: turns.flatMap(chatMessages),
    ...(tools === undefined ? {} : { tools: tools.map(({ name, schema }) => functionTool(name, schema)) }),
  }),
  streaming: (stream) => (stream ? { stream, stream_options: { include_usage: true } } : {}),
  read: readChat,
  errorIn: openaiError,
};

function functionTool(name: string, schema: string): Item {
  return { type: "function", function: { name, description: "A tool.", parameters: new Verbatim(schema) } };
}

function chatMessages(turn: Turn): Item[] {
  if ("user" in turn) return [{ role: "user", content: chatContent(turn.user) }];
  if ("results" in turn) {
    return turn.results.map(({ id, content }) => ({ role: "tool", tool_call_id: id, content: chatContent(content) }));
  }
  const { calls, thought } = turn;
  return [
    {
      role: "assistant",
      content: turn.assistant,
      ...(thought === undefined
        ? {}
        : {
            reasoning_content: thought.text,
            reasoning_details: [{ type: "reasoning.text", text: thought.text, signature: thought.seal, index: 0 }],
          }),
      ...(calls === undefined ? {} : { tool_calls: calls.map(chatCall) }),
    },
  ];
}

function chatCall({ id, name, arguments: given }: { id: string; name: string; arguments: string }): Item {
  return { id, type: "function", function: { name, arguments: given } };
}

function chatContent(content: Content): unknown {
  if (typeof content === "string") return content;
  return content.map((part) =>
    "text" in part ? { type: "text", text: part.text } : { type: "image_url", image_url: { url: dataUrl(part.png) } },
  );
}

function dataUrl(png: string): string {
  return `data:image/png;base64,${png}`;
}

const openaiResponses: Client = {
  name: "openai-responses",
  path: "/v1/responses",
  list: "input",
  request: ({ turns, tools }) => ({
    input: turns.flatMap(responseItems),
    store: false,
    ...(tools === undefined
      ? {}
      : {
          tools: tools.map(({ name, schema }) => ({
            type: "function",
            name,
            strict: false,
            parameters: new Verbatim(schema),
          })),
        }),
  }),
  streaming: (stream) => ({ stream }),
  read: readResponses,
  errorIn: openaiError,
};

function responseItems(turn: Turn): Item[] {
  if ("user" in turn) return [{ role: "user", content: responseContent(turn.user) }];
  if ("results" in turn) {
    return turn.results.map(({ id, content }) => ({
      type: "function_call_output",
      call_id: id,
      output: responseContent(content),
    }));
  }
  const { calls = [], thought } = turn;
  const reasoning =
    thought === undefined
      ? []
      : [
          {
            type: "reasoning",
            id: "rs_hazards0001",
            summary: [{ type: "summary_text", text: thought.text }],
            encrypted_content: thought.seal,
          },
        ];
  const said = turn.assistant === "" && calls.length > 0 ? [] : [{ role: "assistant", content: turn.assistant }];
  return [
    ...reasoning,
    ...said,
    ...calls.map(({ id, name, arguments: given }) => ({ type: "function_call", call_id: id, name, arguments: given })),
  ];
}

function responseContent(content: Content): unknown {
  if (typeof content === "string") return content;
  return content.map((part) =>
    "text" in part
      ? { type: "input_text", text: part.text }
      : { type: "input_image", detail: "auto", image_url: dataUrl(part.png) },
  );
}

const anthropicMessages: Client = {
  name: "anthropic-messages",
  path: "/v1/messages",
  list: "messages",
  request: ({ turns, tools }) => ({
    max_tokens: 8_000,
    messages: turns.map(messagesTurn),
    ...(tools === undefined
      ? {}
      : { tools: tools.map(({ name, schema }) => ({ name, input_schema: new Verbatim(schema) })) }),
  }),
  streaming: (stream) => ({ stream }),
  read: readMessages,
  errorIn: messagesError,
};

function messagesTurn(turn: Turn): Item {
  if ("user" in turn) return { role: "user", content: messagesContent(turn.user) };
  if ("results" in turn) {
    const block = (id: string, content: Content) => ({
      type: "tool_result",
      tool_use_id: id,
      content: messagesContent(content),
    });
    return { role: "user", content: turn.results.map(({ id, content }) => block(id, content)) };
  }
  const { calls = [], thought } = turn;
  if (calls.length === 0 && thought === undefined) return { role: "assistant", content: turn.assistant };
  return {
    role: "assistant",
    content: [
      ...(thought === undefined ? [] : [{ type: "thinking", thinking: thought.text, signature: thought.seal }]),
      ...(turn.assistant === "" ? [] : [{ type: "text", text: turn.assistant }]),
      ...calls.map(({ id, name, arguments: given }) => ({
        type: "tool_use",
        id,
        name,
        input: new Verbatim(given),
      })),
    ],
  };
}

function messagesContent(content: Content): unknown {
  if (typeof content === "string") return content;
  return content.map((part) =>
    "text" in part
      ? { type: "text", text: part.text }
      : { type: "image", source: { type: "base64", media_type: "image/png", data: part.png } },
  );
}

const mistralChat: Client = {
  name: "mistral-chat",
  path: "/mistral/v1/chat/completions",
  list: "messages",
  request: ({ turns, tools }) => ({
    messages: turns.flatMap(mistralMessages),
    ...(tools === undefined ? {} : { tools: tools.map(({ name, schema }) => functionTool(name, schema)) }),
  }),
  streaming: (stream) => ({ stream }),
  read: readMistral,
  errorIn: mistralError,
};

function mistralMessages(turn: Turn): Item[] {
  if ("user" in turn || "results" in turn) return chatMessages(turn);
  const { thought, ...rest } = turn;
  if (thought === undefined) return chatMessages(turn);
  const thinking = { type: "thinking", thinking: [{ type: "text", text: thought.text }], signature: thought.seal };
  return chatMessages(rest).map((message) => ({
    ...message,
    content: [thinking, { type: "text", text: turn.assistant }],
  }));
}

const ollamaChat: Client = {
  name: "ollama-chat",
  path: "/api/chat",
  list: "messages",
  request: ({ turns, tools }) => ({
    messages: turns.flatMap(ollamaMessages),
    ...(tools === undefined ? {} : { tools: tools.map(({ name, schema }) => functionTool(name, schema)) }),
  }),
  streaming: (stream) => ({ stream }),
  read: (text, stream, isNative) => readOllama("chat", text, stream, isNative),
  errorIn: ollamaError,
};

function ollamaMessages(turn: Turn): Item[] {
  if ("user" in turn) return [{ role: "user", ...ollamaContent(turn.user) }];
  if ("results" in turn) {
    return turn.results.map(({ id, name, content }) => ({
      role: "tool",
      tool_name: name,
      tool_call_id: id,
      ...ollamaContent(content),
    }));
  }
  const { calls, thought } = turn;
  return [
    {
      role: "assistant",
      content: turn.assistant,
      // This API has no place for a seal.
      ...(thought === undefined ? {} : { thinking: thought.text }),
      ...(calls === undefined
        ? {}
        : {
            tool_calls: calls.map(({ id, name, arguments: given }) => ({
              id,
              function: { name, arguments: new Verbatim(given) },
            })),
          }),
    },
  ];
}

function ollamaContent(content: Content): Item {
  if (typeof content === "string") return { content };
  const pictures = content.flatMap((part) => ("png" in part ? [part.png] : []));
  return {
    content: content.map((part) => ("text" in part ? part.text : "")).join(""),
    ...(pictures.length === 0 ? {} : { images: pictures }),
  };
}

/** Has no turns: a talk is its last user text. Hazards that need more are said for it in none. */
const ollamaGenerate: Client = {
  name: "ollama-generate",
  path: "/api/generate",
  list: "prompt",
  request({ turns }) {
    const last = turns.at(-1);
    const { content, ...rest } = ollamaContent(last !== undefined && "user" in last ? last.user : "");
    return { prompt: content, ...rest };
  },
  streaming: (stream) => ({ stream }),
  read: (text, stream, isNative) => readOllama("generate", text, stream, isNative),
  errorIn: ollamaError,
};

export const CLIENTS: readonly Client[] = [
  openaiChat,
  openaiResponses,
  anthropicMessages,
  mistralChat,
  ollamaChat,
  ollamaGenerate,
];
