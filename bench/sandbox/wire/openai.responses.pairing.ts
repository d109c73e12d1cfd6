/**
 * Which items of a conversation belong together: a result and its call, a reasoning item and what followed it. Half of a pair is refused.
 */
import type { JsonObject } from "../../../src/chat.ts";
import { typeOfItem } from "./openai.responses.items.ts";
import { refuse } from "./openai.parameters.ts";
import { stringOf } from "./wire.ts";

/** Calls that a client answers, by the type of the answer. */
const CALLS: Readonly<Record<string, readonly string[]>> = {
  function_call_output: ["function_call", "local_shell_call"],
  custom_tool_call_output: ["custom_tool_call"],
  computer_call_output: ["computer_call"],
  shell_call_output: ["shell_call"],
  apply_patch_call_output: ["apply_patch_call"],
};
const ANSWERED: ReadonlySet<string> = new Set(["function_call", "custom_tool_call"]);

/**
 * @param from Where the client's own items begin, behind those that were kept for it.
 * @param reasoningBefore The reasoning item that an item is known to have been said after.
 * @throws Refusal for the first half of a pair.
 */
export function checkPairs(
  items: readonly JsonObject[],
  from: number,
  reasoningBefore: (itemId: string) => string | undefined,
): void {
  checkResults(items);
  checkCalls(items);
  for (const [index, item] of items.entries()) {
    if (index < from) continue;
    if (typeOfItem(item) === "reasoning") checkFollowed(item, items[index + 1]);
    else checkPreceded(item, items, reasoningBefore);
  }
}

function checkResults(items: readonly JsonObject[]): void {
  const called = new Map<string, string>();
  for (const item of items) {
    const type = typeOfItem(item);
    const callId = stringOf(item["call_id"]);
    if (callId === undefined) continue;
    const calls = CALLS[type];
    if (calls === undefined) called.set(callId, type);
    else if (!calls.includes(called.get(callId) ?? "")) {
      const words = type
        .replace(/_output$/, "")
        .replace("_tool_call", " tool call")
        .replaceAll("_", " ");
      throw refuse(`No tool call found for ${words} output with call_id ${callId}.`, "input");
    }
  }
}

function checkCalls(items: readonly JsonObject[]): void {
  const answered = new Set(
    items.filter((item) => CALLS[typeOfItem(item)] !== undefined).map((item) => item["call_id"]),
  );
  const open = items.find((item) => ANSWERED.has(typeOfItem(item)) && !answered.has(item["call_id"]));
  if (open === undefined) return;
  const words = typeOfItem(open).replace("_tool_call", " tool call").replaceAll("_", " ");
  throw refuse(`No tool output found for ${words} ${String(open["call_id"])}.`, "input");
}

/** What the model said after it thought; a reasoning item that goes by no id is nobody's half. */
function checkFollowed(item: JsonObject, next: JsonObject | undefined): void {
  const id = stringOf(item["id"]);
  if (id === undefined) return;
  const type = next === undefined ? undefined : typeOfItem(next);
  const isSaid = type === "message" ? next?.["role"] === "assistant" : type !== undefined && !type.endsWith("_output");
  if (isSaid) return;
  throw refuse(`Item '${id}' of type 'reasoning' was provided without its required following item.`, "input");
}

function checkPreceded(
  item: JsonObject,
  items: readonly JsonObject[],
  reasoningBefore: (itemId: string) => string | undefined,
): void {
  const id = stringOf(item["id"]);
  const needed = id === undefined ? undefined : reasoningBefore(id);
  if (needed === undefined || items.some((one) => one["id"] === needed)) return;
  throw refuse(
    `Item '${id}' of type '${typeOfItem(item)}' was provided without its required 'reasoning' item: '${needed}'.`,
    "input",
  );
}
