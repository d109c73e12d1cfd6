/**
 * Encrypted reasoning: what a client carries for OpenAI without being able to read it. Here it is sealed with the account and the item
 * it belongs to, so that another account's, another item's or a changed one is refused as the original does.
 */
import type { JsonObject } from "../../../src/chat.ts";
import { digest, opaqueTokens } from "../tokens.ts";
import { refuse } from "./openai.parameters.ts";
import { isObject, stringOf } from "./wire.ts";

/** What was thought, as far as a later prompt has to know. */
export interface Thought {
  readonly content: string;
  readonly tokens: number;
}

/** As the original's begin. */
const OPENING = "gAAAAAB";

export function seal(account: string, itemId: string, thought: Thought): string {
  const sealed = { id: itemId, ...thought, mac: macOf(account, itemId, thought) };
  return OPENING + Buffer.from(JSON.stringify(sealed)).toString("base64url");
}

/** @throws Refusal when this account's item cannot have it. */
export function unseal(account: string, item: JsonObject, content: string): Thought {
  const opened = openedOf(content);
  const id = stringOf(opened?.["id"]);
  const thought = { content: String(opened?.["content"]), tokens: Number(opened?.["tokens"]) };
  if (opened === undefined || id === undefined || opened["mac"] !== macOf(account, id, thought)) {
    throw unverified(content, "Encrypted content could not be decrypted or parsed.");
  }
  const itemId = stringOf(item["id"]);
  if (itemId !== undefined && itemId !== id) {
    throw unverified(content, "Encrypted content item_id did not match the target item id.");
  }
  return thought;
}

/** A thought that was sealed by somebody else, taken as it is: its length says about how long it was. */
export function foreignThought(content: string): Thought {
  return { content: digest("foreign", content), tokens: Math.ceil(content.length / 8) };
}

export function thoughtTokens({ content, tokens }: Thought): string[] {
  return opaqueTokens(content, tokens);
}

function openedOf(content: string): JsonObject | undefined {
  if (!content.startsWith(OPENING)) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(content.slice(OPENING.length), "base64url").toString("utf8"));
    return isObject(value as JsonObject) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

function macOf(account: string, itemId: string, { content, tokens }: Thought): string {
  return digest("reasoning", account, itemId, content, String(tokens));
}

function unverified(content: string, reason: string): Error {
  const shown = content.length <= 12 ? content : `${content.slice(0, 4)}...${content.slice(-4)}`;
  return refuse(
    `The encrypted content ${shown} could not be verified. Reason: ${reason}`,
    undefined,
    "invalid_encrypted_content",
  );
}
