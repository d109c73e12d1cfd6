/** What a request needs of whoever answers it: filters targets before any policy runs. */
import type { ChatRequest, JsonObject, Part, ToolChoice } from "./chat.ts";
import type { ModelRecord } from "./model.ts";

/** What a request needs of whoever answers it. `dialect`: can only be said in the client's own. `input`: the model must read it. */
export interface Need {
  readonly word: string;
  readonly kind: "input" | "dialect" | "better-in-dialect" | "forced-tools";
}

const INPUT_WORDS = { image: "images", document: "documents", audio: "audio" } as const;

export function needs(request: ChatRequest): readonly Need[] {
  const found = new Map<string, Need>();
  const add = (word: string, kind: Need["kind"]) => found.set(word, { word, kind });
  const read = (part: Part): void => {
    if (part.type === "image" || part.type === "document" || part.type === "audio") {
      add(INPUT_WORDS[part.type], "input");
      if (part.type !== "audio" && part.source.type === "file") add("hosted files", "dialect");
    } else if (part.type === "tool-result") {
      part.content.forEach(read);
    }
  };
  for (const message of request.messages) message.parts.forEach(read);
  for (const word of request.onlyHere ?? []) add(word, "dialect");
  if ((request.choices ?? 1) > 1) add("several choices (n)", "dialect");
  if (isThread(request.extra["thread"])) add("a message thread", "dialect");
  if (request.logprobs !== undefined) add("logprobs", "better-in-dialect");
  const opaque = request.tools.filter((tool) => tool.type === "opaque");
  // With nothing but hosted tools there is nothing left to call; beside others they can be done without, as a loss.
  for (const tool of opaque) {
    add(`the tool ${tool.kind}`, opaque.length === request.tools.length ? "dialect" : "better-in-dialect");
  }
  if (forcesTools(request.toolChoice)) add("a forced tool choice", "forced-tools");
  return [...found.values()];
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
