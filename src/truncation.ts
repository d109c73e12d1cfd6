/**
 * Prompts that a server cuts to what fits and says nothing of: known only by its own count, which is then far below ours.
 */
import type { ChatRequest, JsonObject, Part } from "./chat.ts";
import { GatewayError } from "./errors.ts";
import type { Candidate } from "./target.ts";
import { estimateTokens } from "./tokens.ts";
import { promptTokens, type Usage } from "./usage.ts";

/** The loss's word on a row whose prompt was cut. */
export const PROMPT_TRUNCATED = "prompt-truncated";

/** Shorter prompts fit into every window, and our estimate of them is worth less. */
const TOKENS_MIN = 1_000;
/** Our estimates are within a few percent for most texts: a count that is so much lower is of something else. */
const CERTAIN_SHARE = 0.6;

/**
 * The count under which a prompt must have been cut; `undefined` where the provider would say so, or the prompt is too short to tell.
 *
 * Only text counts: what a picture takes differs by model, templates leave earlier thoughts and some tools out.
 *
 * @param body What was sent in the client's own words; `{}` when it was written by us.
 */
export function certainPromptTokens(
  request: ChatRequest,
  { target }: Pick<Candidate, "target">,
  body: JsonObject,
): number | undefined {
  // What is not a conversation (embeddings) is cut by design.
  if (request.onlyHere !== undefined) return undefined;
  const { model, record, instance } = target;
  if (instance.provider.truncatesSilently?.(body, model, record) !== true) return undefined;
  const parts = request.messages.flatMap((message): readonly Part[] => message.parts);
  const estimate = textTokens(parts) * (record?.tokenRatio ?? 1);
  return estimate < TOKENS_MIN ? undefined : Math.ceil(estimate * CERTAIN_SHARE);
}

function textTokens(parts: readonly Part[]): number {
  let tokens = 0;
  for (const part of parts) {
    if (part.type === "text") tokens += estimateTokens(part.text);
    else if (part.type === "tool-call") tokens += estimateTokens(part.arguments);
    else if (part.type === "tool-result") tokens += textTokens(part.content);
  }
  return tokens;
}

/**
 * Whether the server's count says that the prompt was cut. One of zero says nothing; and a server that does not tell what came from
 * its cache may have left just that out, as some versions did.
 */
export function isTruncated(certain: number | undefined, usage: Usage, { warmTokens }: Candidate): boolean {
  const counted = promptTokens(usage);
  if (certain === undefined || counted === undefined || counted === 0) return false;
  return counted + (usage.cacheRead === undefined ? warmTokens : 0) < certain;
}

export function truncated({ target }: Candidate, counted: number | undefined): GatewayError {
  return new GatewayError(
    "context-too-long",
    // "Prompt is too long" and "exceeds the context window" are what agents and frameworks look for, to shorten it by themselves.
    `the prompt is too long and exceeds the context window: ${target.name} cut the prompt to ${counted ?? "some"} tokens to make it fit, and answered that; shorten the conversation, or give the model a larger window (\`num_ctx\`)`,
    { param: "messages", code: "context_length_exceeded" },
  );
}
