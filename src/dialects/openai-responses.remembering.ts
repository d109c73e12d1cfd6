/**
 * What this dialect says of answers that the gateway remembers, as nobody else keeps them: how a request names one, what stands in
 * its place, and how it is read, listed and deleted. Their ids are of our own making, and told by that from everybody else's.
 */
import type { ChatRequest, JsonObject, JsonValue } from "../chat.ts";
import { GatewayError } from "../errors.ts";
import type { Memory, RememberedAnswer, Remembering } from "./remembering.ts";
import { isArray, isObject, textOf, without } from "./openai-chat.words.ts";
import { isReference } from "./openai-responses.items.ts";
import { isMadeId } from "./openai-responses.words.ts";

export const remembering: Remembering = {
  isOurs: isMadeId,
  isWanted: (body) => body["store"] !== false,
  met,
  resolve,
  remembered,
  read,
};

/** That it be kept is no wish to anybody else any more. */
function met(request: ChatRequest): ChatRequest {
  const { store } = request.extra;
  if (store !== true) return request;
  return {
    ...request,
    extra: without(request.extra, ["store"]) ?? {},
    envelope: { ...request.envelope, store },
  };
}

/** `instructions` are for one answer only: those of the one before are not among what was told. */
function resolve(body: JsonObject, memory: Memory): JsonObject {
  const previous = textOf(body["previous_response_id"]) ?? "";
  const input = itemsIn(body["input"]);
  const isNamed = (item: JsonValue) => isObject(item) && isReference(item) && isMadeId(textOf(item["id"]) ?? "");
  const goesOn = isMadeId(previous);
  if (!goesOn && !input.some(isNamed)) return body;
  const before = goesOn ? found(memory.answer(previous), "previous_response_id", previous) : undefined;
  const said = input.map((item, at) => {
    const id = isObject(item) ? (textOf(item["id"]) ?? "") : "";
    return isNamed(item) ? found(memory.item(id), `input[${at}].id`, id) : item;
  });
  const { previous_response_id: _resolved, ...rest } = body;
  const told = before === undefined ? [] : toldBefore(before, body);
  return { ...(goesOn ? rest : body), input: [...told, ...said] };
}

/** What was thought under other instructions is refused by some providers with them: it cannot be said again as it was. */
function toldBefore({ told, items, answer }: RememberedAnswer, body: JsonObject): readonly JsonValue[] {
  const all = [...told, ...items.map(({ item }) => item)];
  const isSameTask = (answer["instructions"] ?? "") === (body["instructions"] ?? "");
  return isSameTask ? all : all.filter((item) => !isObject(item) || item["type"] !== "reasoning");
}

function found<Value>(value: Value | undefined, field: string, id: string): Value {
  if (value !== undefined) return value;
  const what = field === "previous_response_id" ? "previous_response" : "item";
  throw new GatewayError(
    "invalid-request",
    `\`${field}\` names \`${id.slice(0, 128)}\`, which was remembered here for a while only, and is not any more: send the whole conversation instead, with \`store: false\``,
    { param: field, code: `${what}_not_found` },
  );
}

function itemsIn(input: JsonValue | undefined): readonly JsonValue[] {
  if (typeof input === "string") return [{ type: "message", role: "user", content: input }];
  return isArray(input) ? input : [];
}

function remembered(body: JsonObject): (answer: JsonObject) => RememberedAnswer {
  // As text it is a fraction of what it is as objects.
  const told = JSON.stringify(itemsIn(body["input"]));
  const { instructions = null, metadata = {} } = body;
  return (answer) => {
    const items = isArray(answer["output"]) ? answer["output"].filter(isObject) : [];
    return {
      id: textOf(answer["id"]) ?? "",
      answer: { ...answer, instructions, metadata },
      told: JSON.parse(told) as JsonValue[],
      items: items.map((item) => ({ id: textOf(item["id"]) ?? "", item })),
    };
  };
}

function read(
  { id, answer, told }: RememberedAnswer,
  method: string,
  operation: string,
  query: URLSearchParams,
): JsonObject {
  if (operation === "/input_items") return listed(id, told, query);
  if (operation === "/cancel") throw refused("Cannot cancel a synchronous response.");
  if (method === "DELETE") return { id, object: "response", deleted: true };
  if (query.get("stream") === "true") throw refused("Only a response made in the background can be streamed again.");
  return answer;
}

function refused(message: string): GatewayError {
  return new GatewayError("invalid-request", message);
}

const LISTED = 20;
const LISTED_MAX = 100;

/** Newest first, unless it is asked for otherwise. What the client gave no id has one by its place. */
function listed(answerId: string, told: readonly JsonValue[], query: URLSearchParams): JsonObject {
  const all = told.filter(isObject).map((item, at): JsonObject => {
    const id = textOf(item["id"]) ?? `${answerId.replace(/^resp_/, "msg_")}_${at}`;
    return { type: "message", ...item, id, ...withContentListed(item) };
  });
  const ordered = query.get("order") === "asc" ? all : all.toReversed();
  const after = ordered.findIndex((item) => item["id"] === query.get("after"));
  const limit = Number(query.get("limit") ?? LISTED);
  const most = Number.isSafeInteger(limit) && limit > 0 ? Math.min(limit, LISTED_MAX) : LISTED;
  const data = ordered.slice(after + 1, after + 1 + most);
  return {
    object: "list",
    data,
    first_id: data.at(0)?.["id"] ?? null,
    last_id: data.at(-1)?.["id"] ?? null,
    has_more: after + 1 + most < ordered.length,
  };
}

function withContentListed({ content, role }: JsonObject): JsonObject {
  if (typeof content !== "string") return {};
  return { content: [{ type: role === "assistant" ? "output_text" : "input_text", text: content }] };
}
