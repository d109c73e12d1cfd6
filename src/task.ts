/**
 * Which task an exchange belongs to: said by the caller, known from an agent's session id, else recognised by its opening.
 */
import { hash } from "node:crypto";
import type { ChatRequest } from "./chat.ts";
import { openingText } from "./cache/opening.ts";
import { GatewayError } from "./errors.ts";

/** The run of exchanges that one piece of work makes. */
export interface Task {
  /** Stable over the run; made of [A-Za-z0-9._:-], at most 128 characters. */
  readonly id: string;
  /** Tasks of one kind; `undefined` when nobody said. */
  readonly className: string | undefined;
  /** How the id was found, for the ledger. */
  readonly source: "header" | "metadata" | "agent-session" | "prefix";
}

const TASK_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/**
 * Headers by which known agents name their session, most specific first: a subagent's id before its parent's session.
 * Claude Code, Codex and opencode; the names are on the wire of each (thread-id is Codex' unit of one conversation).
 */
const SESSION_HEADERS: readonly (readonly string[])[] = [
  ["x-claude-code-session-id", "x-claude-code-agent-id"],
  ["session-id", "thread-id"],
  ["x-session-id"],
];

/**
 * @param namespace Whose tasks these are (the caller's name): the same opening of two callers is two tasks.
 * @throws GatewayError when a header of ours names an id or a class with characters that it may not have.
 */
export function identifyTask(request: ChatRequest, headers: Pick<Headers, "get">, namespace: string): Task {
  const className =
    explicit(headers.get("x-sluice-task-class"), "x-sluice-task-class") ?? metadataWord(request, "task_class");
  const named = explicit(headers.get("x-sluice-task"), "x-sluice-task");
  if (named !== undefined) return { id: named, className, source: "header" };
  const fromMetadata = metadataWord(request, "task");
  if (fromMetadata !== undefined) return { id: fromMetadata, className, source: "metadata" };
  const session = sessionOf(request, headers);
  if (session !== undefined) return { id: session, className, source: "agent-session" };
  const opening = hash("sha256", `${namespace}\u0000${openingText(request)}`, "base64url").slice(0, 22);
  return { id: `t-${opening}`, className, source: "prefix" };
}

/** An empty word says nothing. */
function explicit(value: string | null, header: string): string | undefined {
  if (value === null || value === "") return undefined;
  if (TASK_ID.test(value)) return value;
  throw new GatewayError(
    "invalid-request",
    `\`${header}\` may hold letters, digits and . _ : - only, at most 128 characters`,
    { param: header },
  );
}

/** Metadata is the application's own, too: what cannot be an id was not meant for us, and is no mistake. */
function metadataWord(request: ChatRequest, key: string): string | undefined {
  const value = request.metadata?.[key];
  return typeof value === "string" && TASK_ID.test(value) ? value : undefined;
}

function sessionOf(request: ChatRequest, headers: Pick<Headers, "get">): string | undefined {
  for (const names of SESSION_HEADERS) {
    const values = names.map((name) => headers.get(name)).filter((value) => value !== null && TASK_ID.test(value));
    if (values.length > 0) return shortened(values.join(":"));
  }
  return sessionInEndUser(request.endUser);
}

/** Cut off, two long ids with one beginning would become one. */
function shortened(id: string): string {
  return TASK_ID.test(id) ? id : `s-${hash("sha256", id, "base64url").slice(0, 22)}`;
}

/** Claude Code also writes its session into the end-user id, as JSON text `{"session_id": …}`. */
function sessionInEndUser(endUser: string | undefined): string | undefined {
  if (endUser === undefined || !endUser.startsWith("{")) return undefined;
  try {
    const id = (JSON.parse(endUser) as { session_id?: unknown }).session_id;
    return typeof id === "string" && TASK_ID.test(id) ? id : undefined;
  } catch {
    return undefined;
  }
}
