/**
 * `POST /api/generate`: the same API with one prompt in place of messages, as a dialect of its own.
 *
 * A dialect of its own, because a lane is chosen by the dialect's name: a client of this end is passed on to this end byte for
 * byte, with its suffix, its template and its context, and to everybody else as a chat of one turn. What answers look like differs
 * by one member (`ollama-chat.line.ts`); all else is shared.
 */
import type { ChatRequest, JsonObject, Loss, Message, Part } from "../chat.ts";
import { GatewayError } from "../errors.ts";
import type { WriteOptions } from "./dialect.ts";
import { readImages } from "./ollama-chat.messages.ts";
import { readShared } from "./ollama-chat.read.ts";
import { isString, optional } from "./ollama-chat.fields.ts";
import { GENERATE_NAME, isArray, isOwn } from "./ollama-chat.words.ts";
import { PartWriter } from "./ollama-chat.write-parts.ts";
import { losing, takesSound, writeShared } from "./ollama-chat.write.ts";
import { saysNothing } from "./refused.ts";

export function readPrompt(body: JsonObject): ChatRequest {
  const system = optional(body, "system", "text", isString) ?? "";
  const prompt = optional(body, "prompt", "text", isString) ?? "";
  const parts: readonly Part[] = [
    ...readImages(body["images"], "images"),
    ...(prompt === "" ? [] : [{ type: "text", text: prompt } as const]),
  ];
  // Without a prompt it is a request to load the model, whatever else is said.
  const messages: readonly Message[] =
    parts.length === 0
      ? []
      : [
          ...(system === "" ? [] : [{ role: "system", parts: [{ type: "text", text: system }] } as const]),
          { role: "user", parts },
        ];
  const idle = Object.keys(ONLY_HERE).filter((key) => isNothing(body[key]));
  const said = Object.entries(ONLY_HERE).filter(([key]) => !isNothing(body[key] ?? ""));
  const read = readShared(body, GENERATE_NAME, messages, [], ["system", "prompt", "images", ...idle]);
  return said.length === 0 ? read : { ...read, onlyHere: said.map(([, word]) => word) };
}

/**
 * What a chat has no place for, in words for an error: without it, the prompt would mean something else. Older clients send these
 * fields with nothing in them.
 */
const ONLY_HERE: Readonly<Record<string, string>> = {
  suffix: "a suffix",
  template: "a template of its own",
  context: "the context of an earlier answer",
  raw: "a raw prompt",
};

function isNothing(value: JsonObject[string]): boolean {
  return value === "" || value === false || (isArray(value) && value.length === 0);
}

/** One turn at most, and no tools: anything else is a chat. */
export function writePrompt(request: ChatRequest, options: WriteOptions, losses: Loss[]): JsonObject {
  const lose = losing(losses);
  const own = isOwn(request.dialect);
  if (request.messages.length === 0 && !own) throw saysNothing();
  const [system, user] = turnOf(request);
  const writer = new PartWriter(own, takesSound(options), lose);
  const said = user === undefined ? undefined : writer.write(user.parts, "messages[0]");
  const rules = system === undefined ? undefined : writer.write(system.parts, "messages[0]");
  return {
    model: options.model,
    prompt: said?.["content"] ?? "",
    ...(rules === undefined ? {} : { system: rules["content"] ?? "" }),
    ...(said?.["images"] === undefined ? {} : { images: said["images"] }),
    ...writeShared(request, options, [], lose),
  };
}

function turnOf({ messages, tools }: ChatRequest): readonly [Message | undefined, Message | undefined] {
  const [first, ...others] = messages;
  const hasSystem = first?.role === "system" && others.length > 0;
  const [user, ...more] = hasSystem ? others : messages;
  if (more.length === 0 && (user === undefined || user.role === "user") && tools.length === 0)
    return [hasSystem ? first : undefined, user];
  throw new GatewayError(
    "unsupported",
    `${GENERATE_NAME} takes one prompt and no tools; a conversation is for /api/chat`,
    { param: "messages" },
  );
}
