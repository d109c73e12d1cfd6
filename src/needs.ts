/** What a request needs of whoever answers it: filters targets before any policy runs. */
import type { ChatRequest, DialectName, JsonObject, JsonValue, Kept, Part, ToolChoice } from "./chat.ts";
import type { Ability, ModelRecord } from "./model.ts";

/**
 * What a request needs of whoever answers it. `dialect`: can only be said in the client's own,
 * or in `alsoIn`. `input`: the model must read it. `ability`: the model must be able to.
 * `sealed`: can only be said in the dialect of that name, whoever's it is.
 */
export type Need =
  | { readonly word: string; readonly kind: PlainNeed; readonly alsoIn?: readonly DialectName[] | undefined }
  | { readonly word: string; readonly kind: "ability"; readonly ability: Ability }
  | { readonly word: string; readonly kind: "sealed"; readonly dialect: DialectName };
type PlainNeed = "input" | "dialect" | "better-in-dialect" | "forced-tools";

const INPUT_WORDS = { image: "images", document: "documents", audio: "audio" } as const;

export function needs(request: ChatRequest): readonly Need[] {
  const found = new Map<string, Need>();
  const add = (word: string, kind: PlainNeed, alsoIn?: readonly DialectName[]) =>
    found.set(word, { word, kind, alsoIn });
  const read = (part: Part): void => {
    if (part.type === "image" || part.type === "document" || part.type === "audio") {
      add(INPUT_WORDS[part.type], "input");
      if (part.type !== "audio" && part.source.type === "file") add("hosted files", "dialect");
    } else if (part.type === "tool-result") {
      part.content.forEach(read);
    }
  };
  for (const message of request.messages) message.parts.forEach(read);
  for (const word of request.onlyHere ?? []) add(word, "dialect", request.alsoIn);
  if (hostedByName(request).length > 0) add("hosted containers or stores", "dialect");
  if ((request.choices ?? 1) > 1) add("several choices (n)", "dialect");
  if (isThread(request.extra["thread"])) add("a message thread", "dialect");
  // No answer that crosses dialects has them.
  if (request.logprobs !== undefined) add(WORDS.logprobs, "dialect");
  for (const ability of request.abilities ?? []) {
    if (UNTRANSLATED.has(ability)) add(WORDS[ability], "dialect");
  }
  const opaque = request.tools.filter((tool) => tool.type === "opaque");
  // With nothing but hosted tools there is nothing left to call; beside others they can be done without, as a loss.
  for (const tool of opaque) {
    add(`the tool ${tool.kind}`, opaque.length === request.tools.length ? "dialect" : "better-in-dialect");
  }
  if (forcesTools(request.toolChoice)) add("a forced tool choice", "forced-tools");
  for (const dialect of sealedIn(request)) {
    const word = `reasoning sealed in ${dialect}`;
    found.set(word, { word, kind: "sealed", dialect });
  }
  return [
    ...found.values(),
    ...abilitiesOf(request).map((ability): Need => ({ ...ABILITY, ability, word: WORDS[ability] })),
  ];
}

const ABILITY = { kind: "ability" } as const;

/** In words for an error. */
const WORDS: Readonly<Record<Ability, string>> = {
  chat: "a model that converses",
  embeddings: "embeddings",
  "text-completions": "text completions",
  "fill-in-the-middle": "completions in the middle (FIM)",
  logprobs: "logprobs",
  "audio-output": "audio as an answer (modalities)",
  "web-search-options": "web search (web_search_options)",
  "custom-tools": "custom tools",
};

/** What no dialect says in another's words. */
const UNTRANSLATED: ReadonlySet<Ability> = new Set(["audio-output", "web-search-options", "custom-tools"]);

/** What a model can be for in place of conversations. */
const OTHER_CALLS: ReadonlySet<Ability> = new Set(["embeddings", "text-completions", "fill-in-the-middle"]);

function abilitiesOf({ abilities = [], logprobs }: ChatRequest): readonly Ability[] {
  return [
    ...(abilities.some((ability) => OTHER_CALLS.has(ability)) ? [] : ["chat" as const]),
    ...(logprobs === undefined ? [] : ["logprobs" as const]),
    ...abilities,
  ];
}

/** Whether the model can answer this request so; `undefined`: not known. */
export function can(record: ModelRecord | undefined, ability: Ability, request: ChatRequest): boolean | undefined {
  // Self-hosted models are for conversations as a rule.
  const able = record?.abilities[ability] ?? (ability === "chat" ? true : undefined);
  // Probabilities are sampled from, which such a model does only while it does not reason.
  const isWithheld = able === true && ability === "logprobs" && record?.sampling === "effort-none-only";
  return isWithheld ? !reasons(request, record) : able;
}

function reasons({ reasoning }: ChatRequest, record: ModelRecord): boolean {
  if (reasoning?.enabled === false) return false;
  const isAsked = reasoning?.enabled === true || reasoning?.budgetTokens !== undefined;
  return (reasoning?.effort ?? (isAsked ? "some" : record.reasoning.defaultEffort) ?? "none") !== "none";
}

/** The dialects that the reasoning of a tool loop was sealed in, while it is open: later it can be done without. */
function sealedIn(request: ChatRequest): ReadonlySet<DialectName> {
  const parts = request.messages.slice(openFrom(request)).flatMap((message): readonly Part[] => message.parts);
  return new Set(
    parts.flatMap((part) => {
      const isSealed = part.type === "reasoning" && (part.signature ?? part.redacted) !== undefined;
      return isSealed && part.issuer !== undefined ? [part.issuer] : [];
    }),
  );
}

/** Where the tool loop begins that waits for its next step: `Infinity` when the last answer has no results behind it. */
export function openFrom({ messages }: ChatRequest): number {
  let from = messages.findLastIndex(({ role }) => role === "assistant");
  if (from < 0 || !messages.slice(from).some(({ role }) => role === "tool")) return Number.POSITIVE_INFINITY;
  while (from > 0 && messages[from - 1]?.role !== "user") from -= 1;
  return from;
}

/** Files, containers and stores that a provider has been given: only there are they known. */
export function hosted(request: ChatRequest): readonly Kept[] {
  const found = new Map<string, Kept>();
  const read = (part: Part): void => {
    if (part.type === "tool-result") part.content.forEach(read);
    else if (part.type === "image" || part.type === "document") {
      if (part.source.type === "file") found.set(part.source.id, { field: "file_id", id: part.source.id });
    } else if (part.type === "opaque" && isObject(part.value)) {
      for (const id of textsIn(part.value["file_id"])) found.set(id, { field: "file_id", id });
    }
  };
  for (const message of request.messages) {
    message.parts.forEach(read);
    // What was said aloud is named by its id.
    const { audio } = message.extra ?? {};
    if (isObject(audio)) for (const id of textsIn(audio["id"])) found.set(id, { field: "audio", id });
  }
  for (const named of hostedByName(request)) found.set(named.id, named);
  return [...found.values()];
}

/** What a field or a hosted tool names, and no part holds. */
function hostedByName({ extra, tools }: ChatRequest): readonly Kept[] {
  const found = containerIn(extra["container"]);
  for (const tool of tools) {
    if (tool.type !== "opaque") continue;
    const { value } = tool;
    found.push(...containerIn(value["container"]));
    found.push(...textsIn(value["vector_store_ids"]).map((id) => ({ field: "vector_store_ids", id })));
  }
  return found;
}

/** By its id, or by an object that has one, or the files that a new one is to have. */
function containerIn(value: JsonValue | undefined): Kept[] {
  const ids = isObject(value) ? [...textsIn(value["id"]), ...textsIn(value["file_ids"])] : textsIn(value);
  return ids.map((id) => ({ field: "container", id }));
}

function textsIn(value: JsonValue | undefined): readonly string[] {
  const all: readonly (JsonValue | undefined)[] = Array.isArray(value) ? value : [value];
  return all.filter((one) => typeof one === "string" && one !== "") as string[];
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function forcesTools(choice: ToolChoice | undefined): boolean {
  return (
    choice?.type === "required" || choice?.type === "named" || (choice?.type === "subset" && choice.mode === "required")
  );
}

/** A server-side thread: the messages before are at the provider, so that nobody else knows them. */
export function isThread(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether the model reads what the word names. */
export function reads(record: ModelRecord, word: string): boolean {
  return record.input.some((kind) => kind !== "text" && INPUT_WORDS[kind] === word);
}
