/**
 * What keeps one tenant's prompts apart from another's in a client's own body, where both go to one account: a cache key that only the
 * tenant has, and, where that is wanted, a line in front of everything that the prompt says.
 */
import type { JsonObject, JsonValue } from "../chat.ts";
import type { Edit, Path } from "../edit.ts";
import { GatewayError } from "../errors.ts";

export interface Isolation {
  /** In place of a key that the client says, which another tenant may say as well. */
  readonly keyOf: (said: string) => string;
  /** Stands in front of the prompt; `undefined`: nothing does. */
  readonly line: string | undefined;
}

/** Where a prompt begins: a text, a list of parts, or nothing that a line can stand in. */
export interface Beginning {
  readonly path: Path;
  readonly value: JsonValue | undefined;
  /** What puts the line in front where neither a text nor a list is there. */
  readonly otherwise: (line: string) => Edit;
  /** What a part is called that is a text. */
  readonly textType: string;
  /** The part that it stands before; absent: the first. */
  readonly before?: number;
}

/** The line as it stands in front of a text, or alone in a part. */
export function lineBefore(line: string, text: string = ""): string {
  return `${line}\n${text}`;
}

export function keyEdits(body: JsonObject, { keyOf }: Isolation): readonly Edit[] {
  const said = body[KEY];
  return typeof said === "string" && said !== "" ? [{ op: "set", path: [KEY], value: keyOf(said) }] : [];
}

const KEY = "prompt_cache_key";

export function beginningEdit({ path, value, otherwise, textType, before = 0 }: Beginning, line: string): Edit {
  if (typeof value === "string") return { op: "set", path, value: lineBefore(line, value) };
  if (Array.isArray(value))
    return { op: "insert", path: [...path, before], value: { type: textType, text: lineBefore(line) } };
  return otherwise(line);
}

/** Of messages, of which the first one is where the prompt begins, whoever says it: what a model has in front of it is its own. */
export function messagesBeginning(messages: JsonValue | undefined): Beginning {
  const first: JsonValue | undefined = isList(messages) ? messages[0] : undefined;
  return {
    path: ["messages", 0, "content"],
    value: memberOf(first, "content"),
    otherwise: (line) => ({ op: "insert", path: ["messages", 0], value: { role: "system", content: line } }),
    textType: "text",
  };
}

/**
 * Many models are told their tools before anything else. What the provider says of tools of its own is the same for everybody: the line
 * stands in the description of the first one that is the client's.
 *
 * @param holderOf The way from a tool to the object that has its name and its description; `undefined`: it is not the client's.
 */
export function toolEdits(
  tools: JsonValue | undefined,
  path: Path,
  holderOf: (tool: JsonObject) => Path | undefined,
  line: string,
): readonly Edit[] {
  if (!isList(tools)) return [];
  for (const [at, tool] of tools.entries()) {
    const way = isRecord(tool) ? holderOf(tool) : undefined;
    if (way === undefined) continue;
    const holder = way.reduce<JsonValue | undefined>((value, step) => memberOf(value, String(step)), tool);
    if (!isRecord(holder)) continue;
    const said = holder["description"];
    const value = lineBefore(line, typeof said === "string" ? said : "");
    return [{ op: "set", path: [...path, at, ...way, "description"], value }];
  }
  return [];
}

/** Of a body in which no place comes before what the client says. */
export function notIsolated(field: string): GatewayError {
  return new GatewayError(
    "unsupported",
    `this gateway keeps tenants' prompts apart (\`cache.isolate: strict\`), and cannot where \`${field}\` is given`,
    { param: field },
  );
}

function memberOf(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return isRecord(value) ? value[name] : undefined;
}

function isRecord(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !isList(value);
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}
