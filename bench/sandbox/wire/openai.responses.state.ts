/** What a request to OpenAI's Responses API goes on from: a response that is kept, or items that are referred to. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import { refuse } from "./openai.parameters.ts";
import { typeOfItem } from "./openai.responses.items.ts";
import type { KeptResponse, ResponseStore } from "./openai.responses.store.ts";
import { isObject, objects, type ReadContext, Refusal, stringOf } from "./wire.ts";

export interface ResolvedItems {
  /** The whole conversation. */
  readonly items: readonly JsonObject[];
  /** What this request adds to it. */
  readonly added: readonly JsonObject[];
}

/** @throws Refusal for what is not there, and for a request that says nothing. */
export function resolveState(
  body: JsonObject,
  context: ReadContext,
  store: ResponseStore,
  checksItems: boolean,
): ResolvedItems {
  const conversation = body["conversation"] ?? undefined;
  const previousId = stringOf(body["previous_response_id"]);
  if (conversation !== undefined && previousId !== undefined) {
    throw refuse(
      "Mutually exclusive parameters: ''. Ensure you are only providing one of: 'pre..._id' or 'conversation'.",
      undefined,
      "mutually_exclusive_parameters",
    );
  }
  // Neither can be made here, so none is there.
  if (conversation !== undefined) throw notThere("Conversation", conversation);
  if (isObject(body["prompt"])) throw notThere("Prompt", body["prompt"]);
  const previous = previousId === undefined ? undefined : store.find(context.account, previousId, context.nowMs);
  if (previousId !== undefined && checksItems) checkPrevious(previous, previousId);
  const added = itemsOf(body["input"]).map((item) => resolved(item, context, store, body, checksItems));
  if (added.length === 0 && previousId === undefined && body["input"] !== undefined) {
    throw refuse(
      `One of "input" or "previous_response_id" or 'prompt' or 'conversation' must be provided.`,
      undefined,
      "missing_required_parameter",
    );
  }
  return { items: previous === undefined ? added : [...previous.told, ...previous.said, ...added], added };
}

function notThere(what: string, given: JsonValue): Refusal {
  const id = isObject(given) ? given["id"] : given;
  return new Refusal(404, `${what} with id '${String(id)}' not found.`, { type: "invalid_request_error" });
}

function checkPrevious(previous: KeptResponse | undefined, id: string): void {
  const isOver = previous !== undefined && !["queued", "in_progress"].includes(String(previous.body["status"]));
  if (isOver) return;
  throw refuse(`Previous response with id '${id}' not found.`, "previous_response_id", "previous_response_not_found");
}

function itemsOf(input: JsonObject[string]): readonly JsonObject[] {
  if (typeof input === "string") return input === "" ? [] : [{ role: "user", content: input }];
  return objects(input);
}

/** An item that is only referred to, as it was; and reasoning without its content, when it is kept. */
function resolved(
  item: JsonObject,
  context: ReadContext,
  store: ResponseStore,
  body: JsonObject,
  checksItems: boolean,
): JsonObject {
  const type = typeOfItem(item);
  const isBare = type === "reasoning" && typeof item["encrypted_content"] !== "string" && item["id"] !== undefined;
  if (type !== "item_reference" && !isBare) return item;
  const id = String(item["id"]);
  const found = store.item(context.account, id);
  if (found !== undefined) return found;
  if (!checksItems && isBare) return item;
  const advice =
    body["store"] === false
      ? " Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input."
      : "";
  throw new Refusal(404, `Item with id '${id}' not found.${advice}`, { type: "invalid_request_error", param: "input" });
}
