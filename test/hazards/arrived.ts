/** What a provider was sent, read by what all their APIs have in common. */

type Json = Readonly<Record<string, unknown>>;

export interface Arrived {
  /** All that was said in text, results left out, one after the other. */
  readonly text: string;
  readonly calls: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
  readonly results: readonly { readonly id: string; readonly text: string }[];
  /** Base64 that stands in it as pictures. */
  readonly pictures: readonly string[];
  readonly tools: readonly string[];
  /** The bytes as text; they were UTF-8. */
  readonly raw: string;
}

/** @throws when the bytes are not UTF-8, or not JSON. */
export function arrived(bytes: Uint8Array): Arrived {
  const raw = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  const body = JSON.parse(raw) as Json;
  const messages = objects(body["messages"] ?? body["input"]);
  const found = new Finds();
  for (const message of messages) found.message(message);
  return {
    text: found.text.join("\n") + (typeof body["prompt"] === "string" ? body["prompt"] : ""),
    calls: found.calls,
    results: found.results,
    pictures: found.pictures,
    tools: objects(body["tools"]).map((tool) => text(object(tool["function"])["name"] ?? tool["name"])),
    raw,
  };
}

class Finds {
  readonly text: string[] = [];
  readonly calls: { id: string; name: string; arguments: string }[] = [];
  readonly results: { id: string; text: string }[] = [];
  readonly pictures: string[] = [];

  message(message: Json): void {
    const { role, type } = message;
    for (const call of objects(message["tool_calls"])) {
      const called = object(call["function"]);
      this.#call(text(call["id"]), called["name"], called["arguments"]);
    }
    if (type === "function_call") this.#call(text(message["call_id"]), message["name"], message["arguments"]);
    if (type === "function_call_output") this.#result(text(message["call_id"]), message["output"]);
    else if (role === "tool") this.#result(text(message["tool_call_id"]), message["content"]);
    else this.#content(message["content"], this.text);
    for (const image of list(message["images"])) this.pictures.push(text(image));
  }

  #call(id: string, name: unknown, given: unknown): void {
    this.calls.push({ id, name: text(name), arguments: typeof given === "string" ? given : JSON.stringify(given) });
  }

  #result(id: string, content: unknown): void {
    const said: string[] = [];
    this.#content(content, said);
    this.results.push({ id, text: said.join("") });
  }

  #content(content: unknown, said: string[]): void {
    if (typeof content === "string") said.push(content);
    for (const part of objects(content)) {
      if (typeof part["text"] === "string") said.push(part["text"]);
      if (part["type"] === "tool_use") this.#call(text(part["id"]), part["name"], part["input"]);
      if (part["type"] === "tool_result") this.#result(text(part["tool_use_id"]), part["content"]);
      const url = object(part["image_url"])["url"] ?? part["image_url"];
      if (typeof url === "string") this.pictures.push(url.slice(url.indexOf(",") + 1));
      const { data } = object(part["source"]);
      if (typeof data === "string") this.pictures.push(data);
    }
  }
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

function objects(value: unknown): readonly Json[] {
  return list(value).map(object);
}

function object(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
