/**
 * Writes the canonical reading as a request of `/api/chat`. Same request, same bytes; what finds no word is a loss.
 */
import type { ChatRequest, JsonObject, Loss } from "../chat.ts";
import { GatewayError } from "../errors.ts";
import type { WriteOptions } from "./dialect.ts";
import { fieldWord } from "./field-words.ts";
import { writeOptions } from "./ollama-chat.options.ts";
import { writeThink } from "./ollama-chat.think.ts";
import { writeTools } from "./ollama-chat.tools.ts";
import { writeMessages } from "./ollama-chat.turns.ts";
import type { Lose } from "./ollama-chat.write-parts.ts";
import { isArray, isOwn, NAME, without } from "./ollama-chat.words.ts";
import { saysNothing } from "./refused.ts";

export function writeRequest(request: ChatRequest, options: WriteOptions, losses: Loss[]): JsonObject {
  const lose = losing(losses);
  // Of this API's own clients, no messages are a request to load the model.
  if (request.messages.length === 0 && !isOwn(request.dialect)) throw saysNothing();
  refusePromptFields(request);
  const tools = writeTools(request, lose);
  const messages = writeMessages(request, takesSound(options), lose);
  return {
    model: options.model,
    messages,
    ...(tools.length === 0 ? {} : { tools }),
    ...writeShared(request, options, PROMPT_FIELDS, lose),
  };
}

/** What only `/api/generate` has. */
const PROMPT_FIELDS: readonly string[] = ["suffix", "template", "context", "raw"];

/** Text to be filled in before, tokens of an earlier conversation and a prompt that no template may touch are not messages. */
function refusePromptFields({ extra, dialect }: ChatRequest): void {
  if (!isOwn(dialect)) return;
  const { context } = extra;
  const said = {
    suffix: (extra["suffix"] ?? "") !== "",
    template: (extra["template"] ?? "") !== "",
    context: isArray(context) && context.length > 0,
    raw: extra["raw"] === true,
  };
  const [first] = Object.entries(said).find(([, isSaid]) => isSaid) ?? [];
  if (first === undefined) return;
  throw new GatewayError("unsupported", `${NAME} has no \`${first}\`; leave it out, or call a model at /api/generate`, {
    param: first,
  });
}

export function losing(losses: Loss[]): Lose {
  return (field, path) => void losses.push(path === undefined ? { field } : { field, path });
}

export function takesSound({ record }: WriteOptions): boolean {
  return record?.input.includes("audio") === true;
}

/** What both ends of this API have. @param unsayable Fields of the other one. */
export function writeShared(
  request: ChatRequest,
  { record }: WriteOptions,
  unsayable: readonly string[],
  lose: Lose,
): JsonObject {
  const own = isOwn(request.dialect) ? without(request.extra, ["options", ...unsayable]) : undefined;
  const settings = writeOptions(request, record, lose);
  loseUnsayable(request, lose);
  return {
    ...writeFormat(request, lose),
    ...writeThink(request, record, lose),
    ...writeLogprobs(request),
    // Silently cut to what fits, a prompt would be answered as if it had ended there. Better that the server says so.
    truncate: false,
    ...own,
    ...(settings === undefined ? {} : { options: settings }),
    stream: request.stream,
  };
}

/** A schema's name and its `strict` have no place here and change nothing: the output is always held to it. */
function writeFormat({ responseFormat }: ChatRequest, lose: Lose): JsonObject {
  if (responseFormat === undefined || responseFormat.type === "text") return {};
  if (responseFormat.type === "json-object") return { format: "json" };
  if (responseFormat.description !== undefined) lose("response_format.description", "response_format");
  return { format: responseFormat.schema };
}

function writeLogprobs({ logprobs }: ChatRequest): JsonObject {
  if (logprobs === undefined) return {};
  return { logprobs: true, ...(logprobs.top === undefined ? {} : { top_logprobs: logprobs.top }) };
}

/** Tiers that say no more than "as usual". */
const USUAL_TIERS: ReadonlySet<string> = new Set(["auto", "default", "standard_only"]);

/** A cache key and cache marks are not among these: the server caches by itself, and nobody does without. */
function loseUnsayable(request: ChatRequest, lose: Lose): void {
  const { verbosity, endUser, metadata, serviceTier, choices } = request;
  if (verbosity !== undefined && verbosity !== "medium") lose("verbosity", "verbosity");
  if (endUser !== undefined) lose("user", "user");
  if (metadata !== undefined && Object.keys(metadata).length > 0) lose("metadata", "metadata");
  if (serviceTier !== undefined && !USUAL_TIERS.has(serviceTier)) lose("service_tier", "service_tier");
  if (choices !== undefined && choices > 1) lose("n", "n");
  if (!isOwn(request.dialect)) for (const key of Object.keys(request.extra)) lose(fieldWord(key), key);
}
