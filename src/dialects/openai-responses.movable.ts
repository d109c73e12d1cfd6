/** What of a client's own body may be moved to its prompt's end: of the instructions, and of the items that the input begins with. */
import type { JsonObject, JsonValue } from "../chat.ts";
import type { Edit } from "../edit.ts";
import { appendedTo, isSaid, movableOf, MOVED_APART, type Movable, type SystemContent } from "./movable.ts";
import { isArray, isObject } from "./openai-chat.words.ts";

export function movable({ instructions, input }: JsonObject): Movable | undefined {
  const append = appending(input);
  if (append === undefined) return undefined;
  const items = isArray(input) ? input : [];
  const first = items.findIndex((item) => !isSystem(item));
  const opening = items.slice(0, Math.max(0, first)).map((item, at): SystemContent => {
    const path = ["input", at, "content"];
    return { path, value: isObject(item) ? item["content"] : undefined, emptied: { op: "set", path, value: "" } };
  });
  const path = ["instructions"];
  const whole = { path, value: instructions, emptied: { op: "set", path, value: "" } } as const;
  return movableOf([whole, ...opening], append);
}

function isSystem(item: JsonValue): boolean {
  return (
    isObject(item) &&
    (item["type"] ?? "message") === "message" &&
    (item["role"] === "system" || item["role"] === "developer")
  );
}

/** Behind what the user said last, or a tool; whatever else the input ends with is not ours to go on from. */
function appending(input: JsonValue | undefined): ((text: string) => readonly Edit[]) | undefined {
  if (typeof input === "string" && input !== "") {
    return (text) => [
      {
        op: "set",
        path: ["input"],
        value: [
          {
            role: "user",
            content: [
              { type: "input_text", text: input },
              { type: "input_text", text: `${MOVED_APART}${text}` },
            ],
          },
        ],
      },
    ];
  }
  if (!isArray(input)) return undefined;
  const last = input.at(-1);
  const at = input.length - 1;
  if (!isObject(last)) return undefined;
  const type = last["type"] ?? "message";
  if (type === "message" && last["role"] === "user" && isSaid(last["content"]))
    return (text) => appendedTo(["input", at, "content"], last["content"], "input_text", text);
  if (typeof type !== "string" || !RESULTS.has(type)) return undefined;
  return (text) => [{ op: "insert", path: ["input", at + 1], value: { role: "user", content: text } }];
}

const RESULTS: ReadonlySet<string> = new Set(["function_call_output", "custom_tool_call_output"]);
