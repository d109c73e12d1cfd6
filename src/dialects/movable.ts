/** What of a client's own body may be moved to the end of its prompt, and the edits that do. */
import type { JsonObject, JsonValue } from "../chat.ts";
import type { Edit, Path } from "../edit.ts";

export interface Movable {
  /** The texts of the system text that the prompt begins with, in its order. */
  readonly texts: readonly string[];
  /**
   * @param left The same texts with what is left of them. One of which nothing but white space is left is left out where it is one
   *   of several.
   * @param moved What stands at the prompt's end from now on.
   */
  edits(left: readonly string[], moved: string): readonly Edit[];
}

/** Between what was moved and what its message says besides. */
export const MOVED_APART = "\n\n";

/** A text, or a list of parts. */
export interface SystemContent {
  readonly path: Path;
  readonly value: JsonValue | undefined;
  /** Where nothing is left of it. */
  readonly emptied: Edit;
}

/** Marks that a part may bear; one of a part that goes is set on the part before it. */
const MARKS = ["cache_control", "prompt_cache_breakpoint"] as const;

/**
 * @param append Puts a text behind everything that the prompt says.
 * @param isNoise Whether a part's text is none that the model reads.
 */
export function movableOf(
  contents: readonly SystemContent[],
  append: (text: string) => readonly Edit[],
  isNoise: (text: string) => boolean = () => false,
): Movable | undefined {
  const textOf = (part: JsonValue): string | undefined => {
    const text = partText(part);
    return text === "" || text === undefined || isNoise(text) ? undefined : text;
  };
  const read = contents.map(({ value }): readonly string[] => {
    if (typeof value === "string") return value === "" ? [] : [value];
    return isList(value) ? value.flatMap((part) => textOf(part) ?? []) : [];
  });
  const texts = read.flat();
  if (texts.length === 0) return undefined;
  return {
    texts,
    edits(left, moved) {
      let from = 0;
      const shorter = contents.flatMap((content, at) => {
        const count = read[at]?.length ?? 0;
        from += count;
        return contentEdits(content, left.slice(from - count, from), textOf);
      });
      return [...shorter, ...append(moved)];
    },
  };
}

/** What has a text and another type is no text of the prompt. */
function partText(part: JsonValue): string | undefined {
  const type = memberOf(part, "type");
  const text = memberOf(part, "text");
  return (type === "text" || type === "input_text") && typeof text === "string" ? text : undefined;
}

function contentEdits(
  { path, value, emptied }: SystemContent,
  left: readonly string[],
  textOf: (part: JsonValue) => string | undefined,
): readonly Edit[] {
  const [alone = ""] = left;
  if (typeof value === "string") {
    if (left.length === 0 || alone === value) return [];
    return [alone.trim() === "" ? emptied : { op: "set", path, value: alone }];
  }
  if (!isList(value)) return [];
  const edits: Edit[] = [];
  const kept: number[] = [];
  let index = 0;
  for (const [at, part] of value.entries()) {
    const text = textOf(part);
    const now = text === undefined ? undefined : left[index];
    if (text !== undefined) index += 1;
    if (now === undefined || now === text) kept.push(at);
    else if (now.trim() !== "") {
      kept.push(at);
      edits.push({ op: "set", path: [...path, at, "text"], value: now });
    } else {
      edits.push({ op: "delete", path: [...path, at] }, ...marksBefore(path, value, part, kept.at(-1)));
    }
  }
  return kept.length === 0 ? [emptied] : edits;
}

function marksBefore(
  path: Path,
  parts: readonly JsonValue[],
  part: JsonValue,
  before: number | undefined,
): readonly Edit[] {
  const holder = before === undefined ? undefined : parts[before];
  return MARKS.flatMap((name): readonly Edit[] => {
    const mark = memberOf(part, name);
    if (before === undefined || mark === undefined || memberOf(holder, name) !== undefined) return [];
    return [{ op: "set", path: [...path, before, name], value: mark }];
  });
}

function memberOf(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return typeof value === "object" && value !== null && !isList(value) ? value[name] : undefined;
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** Of a message that says something: the edits that let it say this, too. @param type What a text part is called. */
export function appendedTo(path: Path, content: JsonValue | undefined, type: string, text: string): readonly Edit[] {
  const part = { type, text: `${MOVED_APART}${text}` };
  if (isList(content)) return [{ op: "insert", path: [...path, content.length], value: part }];
  return [{ op: "set", path, value: [{ type, text: content ?? "" }, part] }];
}

/** Whether there is something in a message that a text can stand behind. */
export function isSaid(content: JsonValue | undefined): boolean {
  return isList(content) ? content.length > 0 : typeof content === "string" && content !== "";
}

/** Of a list of messages whose roles are named as in most dialects: the system text that it begins with, and its end. */
export function movableInMessages(
  messages: readonly JsonValue[],
  append: (last: JsonObject, at: number, text: string) => readonly Edit[],
): Movable | undefined {
  const first = messages.findIndex((message) => !/^(?:system|developer)$/.test(roleOf(message)));
  const system = messages.slice(0, Math.max(0, first)).map((message, at): SystemContent => {
    const path = ["messages", at, "content"];
    return { path, value: memberOf(message, "content"), emptied: { op: "set", path, value: "" } };
  });
  const last = messages.at(-1);
  const at = messages.length - 1;
  if (first === -1 || typeof last !== "object" || last === null || isList(last)) return undefined;
  switch (roleOf(last)) {
    case "user":
      return isSaid(last["content"]) ? movableOf(system, (text) => append(last, at, text)) : undefined;
    case "tool":
    case "function":
      return movableOf(system, (text) => [
        { op: "insert", path: ["messages", at + 1], value: { role: "user", content: text } },
      ]);
    default:
      return undefined;
  }
}

function roleOf(message: JsonValue): string {
  const role = memberOf(message, "role");
  return typeof role === "string" ? role.toLowerCase() : "";
}
