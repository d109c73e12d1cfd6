/**
 * What a request says, in either dialect, read by other means than the gateway's: who said what in which order, what was called and
 * what came back, what is offered, and how the answer is wanted. Two requests that say the same have the same facts.
 */
import { object, objects, type Api } from "./answer.ts";
import type { Json } from "./material.ts";

export interface Facts {
  readonly utterances: readonly Utterance[];
  readonly tools: readonly ToolFact[];
  readonly choice: string | undefined;
  readonly parallel: boolean;
  readonly maxTokens: number | undefined;
  readonly temperature: number | undefined;
  readonly topP: number | undefined;
  readonly stop: readonly string[];
  /** The schema that the answer is to have. */
  readonly format: unknown;
  readonly stream: boolean;
}

/** Neighbouring texts of one speaker are one: dialects cut them differently. */
export type Utterance =
  | { readonly kind: "text"; readonly who: string; readonly text: string }
  | { readonly kind: "image" | "document"; readonly who: string; readonly data: string }
  | { readonly kind: "call"; readonly id: string; readonly name: string; readonly arguments: unknown }
  | { readonly kind: "result"; readonly id: string; readonly text: string };

export interface ToolFact {
  readonly name: string;
  readonly description: unknown;
  readonly schema: unknown;
}

export function factsOf(api: Api, body: Json): Facts {
  return api === "chat" ? chatFacts(body) : messagesFacts(body);
}

function chatFacts(body: Json): Facts {
  const format = object(body["response_format"]);
  return {
    utterances: joined(objects(body["messages"]).flatMap(chatUtterances)),
    tools: objects(body["tools"]).map((tool) => {
      const { name, description, parameters } = object(tool["function"]);
      return { name: String(name ?? tool["type"]), description, schema: parameters };
    }),
    choice: chatChoice(body["tool_choice"]),
    parallel: body["parallel_tool_calls"] !== false,
    maxTokens: numberIn(body, "max_completion_tokens") ?? numberIn(body, "max_tokens"),
    temperature: numberIn(body, "temperature"),
    topP: numberIn(body, "top_p"),
    stop: [body["stop"] ?? []].flat().map(String),
    format: object(format["json_schema"])["schema"],
    stream: body["stream"] === true,
  };
}

function chatUtterances(message: Json): Utterance[] {
  const role = message["role"] === "developer" ? "system" : String(message["role"]);
  if (role === "tool") {
    return [{ kind: "result", id: String(message["tool_call_id"]), text: plain(message["content"]) }];
  }
  const calls = objects(message["tool_calls"]).map((call): Utterance => {
    const { name, arguments: given } = object(call["function"]);
    return { kind: "call", id: String(call["id"]), name: String(name), arguments: valueOf(given) };
  });
  return [...partsOf(message["content"]).flatMap((part) => chatPart(role, part)), ...calls];
}

function chatPart(who: string, part: Json): Utterance[] {
  if (part["type"] === "text") return [spoken(who, String(part["text"]))];
  const image = object(part["image_url"])["url"] ?? part["image_url"];
  if (part["type"] === "image_url") return [{ kind: "image", who, data: dataOf(String(image)) }];
  const file = object(part["file"])["file_data"] ?? part["document_url"];
  if (file !== undefined) return [{ kind: "document", who, data: dataOf(String(file)) }];
  return [];
}

function chatChoice(choice: unknown): string | undefined {
  if (choice === undefined || choice === null) return undefined;
  if (typeof choice === "string") return choice === "any" ? "required" : choice;
  return `named ${String(object(object(choice)["function"])["name"])}`;
}

function messagesFacts(body: Json): Facts {
  const system = partsOf(body["system"]).flatMap((part) => messagesPart("system", part));
  const choice = object(body["tool_choice"]);
  return {
    utterances: joined([
      ...system,
      ...objects(body["messages"]).flatMap((message) =>
        partsOf(message["content"]).flatMap((part) => messagesPart(String(message["role"]), part)),
      ),
    ]),
    tools: objects(body["tools"]).map((tool) => ({
      name: String(tool["name"]),
      description: tool["description"],
      schema: tool["input_schema"],
    })),
    choice:
      MESSAGES_CHOICES[String(choice["type"])] ??
      (choice["type"] === "tool" ? `named ${String(choice["name"])}` : undefined),
    parallel: choice["disable_parallel_tool_use"] !== true,
    maxTokens: numberIn(body, "max_tokens"),
    temperature: numberIn(body, "temperature"),
    topP: numberIn(body, "top_p"),
    stop: [body["stop_sequences"] ?? []].flat().map(String),
    format: object(object(body["output_config"])["format"])["schema"],
    stream: body["stream"] === true,
  };
}

const MESSAGES_CHOICES: Readonly<Record<string, string>> = { auto: "auto", any: "required", none: "none" };

/** A note to Anthropic's accounting, not to the model: other providers' caches would stumble over it. */
const BILLING = "x-anthropic-billing-header:";

function messagesPart(who: string, part: Json): Utterance[] {
  switch (part["type"]) {
    case "text": {
      const text = String(part["text"]);
      if (who === "system" && text.startsWith(BILLING)) return [];
      return [spoken(who, text)];
    }
    case "image":
    case "document": {
      const source = object(part["source"]);
      return [{ kind: part["type"], who, data: String(source["data"] ?? source["url"]) }];
    }
    case "tool_use":
      return [{ kind: "call", id: String(part["id"]), name: String(part["name"]), arguments: valueOf(part["input"]) }];
    case "tool_result":
      return [{ kind: "result", id: String(part["tool_use_id"]), text: plain(part["content"]) }];
    default:
      return [];
  }
}

/** A system's words among the messages, for models that take none there, stand in tags in what the user says. */
const TAGGED = /^<system>\n([^]*)\n<\/system>$/;

function spoken(who: string, text: string): Utterance {
  const tagged = who === "user" ? TAGGED.exec(text)?.[1] : undefined;
  return tagged === undefined ? { kind: "text", who, text } : { kind: "text", who: "system", text: tagged };
}

function joined(utterances: readonly Utterance[]): Utterance[] {
  const all: Utterance[] = [];
  for (const one of utterances) {
    const last = all.at(-1);
    if (one.kind === "text" && last?.kind === "text" && one.who === last.who) {
      all[all.length - 1] = { ...last, text: last.text + one.text };
    } else {
      all.push(one);
    }
  }
  // What dialects put between pieces of text is space.
  return all.flatMap((one): Utterance[] => {
    if (one.kind !== "text") return [one];
    const text = one.text.replace(/\s+/g, "");
    return text === "" ? [] : [{ ...one, text }];
  });
}

function partsOf(content: unknown): readonly Json[] {
  return typeof content === "string" ? [{ type: "text", text: content }] : objects(content);
}

function plain(content: unknown): string {
  return partsOf(content)
    .map((part) => String(part["text"] ?? ""))
    .join("");
}

function dataOf(url: string): string {
  return url.startsWith("data:") ? url.slice(url.indexOf(",") + 1) : url;
}

function valueOf(given: unknown): unknown {
  if (typeof given !== "string") return given ?? {};
  return given.trim() === "" ? {} : JSON.parse(given);
}

function numberIn(body: Json, key: string): number | undefined {
  return typeof body[key] === "number" ? body[key] : undefined;
}
