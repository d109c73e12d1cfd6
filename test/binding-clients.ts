/**
 * Clients of each dialect in a tool loop: a question, then the answer just as it came and the results of its calls. They keep what
 * they are given and look into none of it, as SDKs do.
 */
type Body = Readonly<Record<string, unknown>>;

export interface BindingAnswer {
  readonly status: number;
  readonly target: string | null;
  readonly losses: string | null;
  readonly body: Body;
}

export interface BindingClient {
  readonly name: string;
  /** Whether it is given what reasoning was sealed with. */
  readonly holdsSeals: boolean;
  /** Where in its request the seal of an answer stands, for one that holds any. */
  readonly sealField: RegExp;
  first(model: string): Body;
  /** The loop's next step. @param answer As it came. */
  results(model: string, answer: Body): Body;
  /** The turn after the loop's end. */
  next(model: string, answer: Body): Body;
  send(url: string, body: Body, key?: string): Promise<BindingAnswer>;
  /** Of an error's body. */
  message(body: Body): string;
}

const QUESTION = { role: "user", content: "Look." };
const DONE = { role: "assistant", content: "Seen." };
const AGAIN = { role: "user", content: "And now?" };
const FUNCTION = { type: "function", function: { name: "look", parameters: { type: "object", properties: {} } } };

export const clients: readonly BindingClient[] = [
  {
    name: "anthropic-messages",
    holdsSeals: true,
    sealField: /^messages\[1\]\.content\[0\]\.signature$/,
    first: (model) => anthropic(model, [QUESTION]),
    results: (model, answer) => anthropic(model, anthropicLoop(answer)),
    next: (model, answer) => anthropic(model, [...anthropicLoop(answer), DONE, AGAIN]),
    send: sender("/v1/messages"),
    message: (body) => textIn(body, ["error", "message"]),
  },
  {
    name: "openai-chat",
    holdsSeals: true,
    sealField: /^messages\[1\]\.reasoning_details\[0\]\.signature$/,
    first: (model) => chat(model, [QUESTION]),
    results: (model, answer) => chat(model, chatLoop(answer)),
    next: (model, answer) => chat(model, [...chatLoop(answer), DONE, AGAIN]),
    send: sender("/v1/chat/completions"),
    message: (body) => textIn(body, ["error", "message"]),
  },
  {
    name: "openai-responses",
    holdsSeals: true,
    sealField: /^input\[1\]\.encrypted_content$/,
    first: (model) => responses(model, [QUESTION]),
    results: (model, answer) => responses(model, responsesLoop(answer)),
    next: (model, answer) => responses(model, [...responsesLoop(answer), DONE, AGAIN]),
    send: sender("/v1/responses"),
    message: (body) => textIn(body, ["error", "message"]),
  },
  {
    name: "mistral-chat",
    holdsSeals: true,
    sealField: /^messages\[1\]\.content/,
    first: (model) => chat(model, [QUESTION]),
    results: (model, answer) => chat(model, chatLoop(answer)),
    next: (model, answer) => chat(model, [...chatLoop(answer), DONE, AGAIN]),
    send: sender("/mistral/v1/chat/completions"),
    message: (body) => textIn(body, ["message"]),
  },
  {
    name: "ollama-chat",
    holdsSeals: false,
    sealField: /^never$/,
    first: (model) => ollama(model, [QUESTION]),
    results: (model, answer) => ollama(model, ollamaLoop(answer)),
    next: (model, answer) => ollama(model, [...ollamaLoop(answer), DONE, AGAIN]),
    send: sender("/api/chat"),
    message: (body) => textIn(body, ["error"]),
  },
];

function anthropic(model: string, messages: readonly unknown[]): Body {
  const tools = [{ name: "look", input_schema: { type: "object", properties: {} } }];
  return { model, max_tokens: 4_096, tools, messages };
}

function anthropicLoop(answer: Body): readonly unknown[] {
  const content = listIn(answer, ["content"]);
  const results = content
    .filter((block) => block["type"] === "tool_use")
    .map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: "4" }));
  return [QUESTION, { role: "assistant", content }, { role: "user", content: results }];
}

function chat(model: string, messages: readonly unknown[]): Body {
  return { model, tools: [FUNCTION], reasoning_effort: "high", messages };
}

function chatLoop(answer: Body): readonly unknown[] {
  const message = (listIn(answer, ["choices"])[0]?.["message"] ?? {}) as Body;
  const results = listIn(message, ["tool_calls"]).map(({ id }) => ({
    role: "tool",
    tool_call_id: id,
    name: "look",
    content: "4",
  }));
  return [QUESTION, message, ...results];
}

function responses(model: string, input: readonly unknown[]): Body {
  const tools = [{ type: "function", name: "look", parameters: { type: "object", properties: {} }, strict: false }];
  return { model, tools, store: false, include: ["reasoning.encrypted_content"], reasoning: { effort: "high" }, input };
}

function responsesLoop(answer: Body): readonly unknown[] {
  const output = listIn(answer, ["output"]);
  const results = output
    .filter((item) => item["type"] === "function_call")
    .map((item) => ({ type: "function_call_output", call_id: item["call_id"], output: "4" }));
  return [QUESTION, ...output, ...results];
}

function ollama(model: string, messages: readonly unknown[]): Body {
  return { model, stream: false, think: true, tools: [FUNCTION], messages };
}

function ollamaLoop(answer: Body): readonly unknown[] {
  const message = (answer["message"] ?? {}) as Body;
  const results = listIn(message, ["tool_calls"]).map(({ id }) => ({
    role: "tool",
    tool_name: "look",
    ...(id === undefined ? {} : { tool_call_id: id }),
    content: "4",
  }));
  return [QUESTION, message, ...results];
}

const ALICE = "alice-key-0123456789";

function sender(path: string): BindingClient["send"] {
  return async (url, body, key = ALICE) => {
    const response = await fetch(url + path, {
      method: "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
      },
      body: JSON.stringify(body),
    });
    const { headers, status } = response;
    const text = await response.text();
    return {
      status,
      target: headers.get("x-sluice-target"),
      losses: headers.get("x-sluice-losses"),
      body: (text.startsWith("{") ? JSON.parse(text) : { text }) as Body,
    };
  };
}

function listIn(body: Body, path: readonly string[]): readonly Body[] {
  const found = valueIn(body, path);
  return Array.isArray(found) ? (found as Body[]) : [];
}

function textIn(body: Body, path: readonly string[]): string {
  return String(valueIn(body, path));
}

function valueIn(body: Body, path: readonly string[]): unknown {
  return path.reduce<unknown>((held, key) => (held as Body | undefined)?.[key], body);
}
