/**
 * A call as it goes upstream where several tenants share an account: with cache keys that only its tenant has, and, where that is wanted
 * (`cache.isolate: strict`), with a line of the tenant's own in front of its prompt, so that no other tenant's begins like it.
 *
 * Both are made of the key's hash, which no other tenant knows: who could make them up could ask by them what a tenant has sent.
 */
import { hash } from "node:crypto";
import type { IsolationMode } from "./cache/modes.ts";
import type { ChatRequest, Message, Part, Tool } from "./chat.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { lineBefore, type Isolation } from "./dialects/isolating.ts";
import { applyEdits } from "./edit.ts";
import { parseBody, type Caller, type Received, type ReceiveLimits } from "./exchange.ts";

/** @returns `undefined`: there is nobody to be kept apart from. */
export function isolationOf({ keySha256 }: Caller, mode: IsolationMode): Isolation | undefined {
  if (keySha256 === undefined || mode === "off") return undefined;
  return {
    keyOf: (said) => digest("sluice cache key", keySha256, said),
    line:
      mode === "strict" ? `<!-- ${digest("sluice cache line", keySha256).slice(0, LINE_CHARACTERS)} -->` : undefined,
  };
}

/** 96 bits: nobody meets another's by trying. */
const LINE_CHARACTERS = 16;

function digest(...parts: readonly string[]): string {
  return hash("sha256", parts.join("\u0000"), "base64url");
}

/**
 * The same call, the same bytes.
 *
 * @throws GatewayError `unsupported` for a prompt that a line cannot stand in front of.
 */
export function isolatedCall(
  received: Received,
  dialect: Pick<Dialect, "isolating" | "readRequest">,
  isolation: Isolation | undefined,
  limits: ReceiveLimits,
): Received {
  const edits = isolation === undefined ? [] : (dialect.isolating?.(received.body, isolation) ?? []);
  if (edits.length === 0) return received;
  const raw = applyEdits(received.raw, edits);
  const body = parseBody(raw, limits);
  return { raw, body, request: dialect.readRequest(body) };
}

/** As its client said it: what a call is for is told from that. */
export function withoutLine(request: ChatRequest, line: string | undefined): ChatRequest {
  if (line === undefined) return request;
  const before = lineBefore(line);
  const messages = request.messages.flatMap((message, at): readonly Message[] => {
    if (at > 0 || !hasLine(message, before)) return [message];
    const parts = (message.parts as readonly Part[]).flatMap((part) => without(part, before));
    return parts.length === 0 ? [] : [{ ...message, parts } as Message];
  });
  return { ...request, messages, tools: request.tools.map((tool) => toolWithout(tool, before)) };
}

function toolWithout(tool: Tool, before: string): Tool {
  if (!("description" in tool)) return tool;
  const { description, ...rest } = tool;
  if (!description?.startsWith(before)) return tool;
  return description === before ? rest : { ...rest, description: description.slice(before.length) };
}

function hasLine({ parts }: Message, before: string): boolean {
  return (parts as readonly Part[]).some((part) => part.type === "text" && `${part.text}\n`.startsWith(before));
}

function without(part: Part, before: string): readonly Part[] {
  if (part.type !== "text" || !`${part.text}\n`.startsWith(before)) return [part];
  const text = part.text.slice(before.length);
  return text === "" ? [] : [{ ...part, text }];
}
