/**
 * Which task a call says it belongs to: by a header or metadata, by an agent's session id, else by its opening, which `tasks/chains.ts`
 * refines with the calls before it.
 */
import { hash } from "node:crypto";
import type { ChatRequest } from "./chat.ts";
import { openingText } from "./cache/opening.ts";
import { GatewayError } from "./errors.ts";

/** The run of exchanges that one piece of work makes. */
export interface Task {
  /** Stable over the run; made of [A-Za-z0-9._:-], at most 128 characters. */
  readonly id: string;
  /** Tasks of one kind: as the caller says it, else derived from what its prompts begin with; `undefined` where neither is known. */
  readonly className: string | undefined;
  /** How the id was found, for the ledger. */
  readonly source: TaskSource;
  /** The task that it was begun by, which its cost rolls up to. */
  readonly parent?: string | undefined;
  /** The conversation, where the caller names it: a task is all of it or a part. */
  readonly session?: string | undefined;
  /** What this call shows of how the task goes, in words of `tasks/signals.ts`. */
  readonly signals?: readonly string[];
}

export type TaskSource = "header" | "metadata" | "agent-session" | "response" | "prefix";

export const TASK_ID: RegExp = /^[A-Za-z0-9._:-]{1,128}$/;

/**
 * @param namespace Whose tasks these are (the caller's name): the same opening of two callers is two tasks.
 * @throws GatewayError when a header of ours names an id or a class with characters that it may not have.
 */
export function identifyTask(request: ChatRequest, headers: Pick<Headers, "get">, namespace: string): Task {
  const className =
    explicit(headers.get("x-sluice-task-class"), "x-sluice-task-class") ?? metadataWord(request, "task_class");
  const parent = explicit(headers.get("x-sluice-task-parent"), "x-sluice-task-parent");
  const named = explicit(headers.get("x-sluice-task"), "x-sluice-task");
  if (named !== undefined) return { id: named, className, source: "header", session: named, ...childOf(parent, named) };
  const fromMetadata = metadataWord(request, "task");
  if (fromMetadata !== undefined) {
    const id = fromMetadata;
    return { id, className, source: "metadata", session: id, ...childOf(parent, id) };
  }
  const session = agentTask(headers) ?? sessionInEndUser(request.endUser);
  if (session !== undefined) {
    return {
      id: session.id,
      className,
      source: "agent-session",
      session: session.session,
      ...childOf(parent ?? session.parent, session.id),
    };
  }
  const opening = hash("sha256", `${namespace}\u0000${openingText(request)}`, "base64url").slice(0, 22);
  return { id: `t-${opening}`, className, source: "prefix", ...childOf(parent, "") };
}

/** Nobody is their own parent. */
function childOf(parent: string | undefined, id: string): Pick<Task, "parent"> {
  return parent === undefined || parent === id ? {} : { parent };
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

/**
 * Metadata is the application's own, too: what cannot be an id was not meant for us, and is no mistake. Where a dialect has an end-user
 * id and nothing else, that may be JSON text with the same words.
 */
function metadataWord({ metadata, endUser }: ChatRequest, key: string): string | undefined {
  const value = metadata?.[key];
  if (typeof value === "string" && TASK_ID.test(value)) return value;
  return endUser === undefined ? undefined : wordIn(endUser, key);
}

interface AgentTask {
  readonly id: string;
  /** The conversation: the task, or what it is a part of. */
  readonly session: string;
  readonly parent?: string;
}

type Get = (header: string) => string | undefined;

/** Known agents by the headers that are on the wire of each, a subagent's own before its parent's. */
function agentTask(headers: Pick<Headers, "get">): AgentTask | undefined {
  const get: Get = (header) => {
    const value = headers.get(header);
    return value !== null && TASK_ID.test(value) ? value : undefined;
  };
  return claudeCode(get) ?? codex(get, headers.get("x-codex-turn-metadata")) ?? opencode(get);
}

/** A session, and the subagents that it begins. */
function claudeCode(get: Get): AgentTask | undefined {
  const session = get("x-claude-code-session-id");
  const agent = get("x-claude-code-agent-id");
  if (agent === undefined) return session === undefined ? undefined : { id: session, session };
  const id = joined([session, agent]);
  return { id, session: id, ...(session === undefined ? {} : { parent: session }) };
}

/** A thread's part of one thing that the user asked for; the threads that it begins for that are its children. */
function codex(get: Get, turnMetadata: string | null): AgentTask | undefined {
  const [session, thread] = [get("session-id"), get("thread-id")];
  if (session === undefined && thread === undefined) return undefined;
  const conversation = joined([session, thread]);
  const turn = rootTurnIn(turnMetadata);
  const parentThread = get("x-codex-parent-thread-id");
  const id = turn === undefined || thread === undefined ? conversation : joined([thread, turn]);
  if (parentThread === undefined) return { id, session: conversation, ...opencodeParent(get) };
  return {
    id,
    session: conversation,
    parent: joined(turn === undefined ? [session, parentThread] : [parentThread, turn]),
  };
}

/** A session; a subagent's names the one that began it. */
function opencode(get: Get): AgentTask | undefined {
  const session = get("x-session-id");
  return session === undefined ? undefined : { id: session, session, ...opencodeParent(get) };
}

function opencodeParent(get: Get): Pick<AgentTask, "parent"> {
  const parent = get("x-parent-session-id");
  return parent === undefined ? {} : { parent };
}

/** Cut off, two long ids with one beginning would become one. */
function joined(ids: readonly (string | undefined)[]): string {
  const id = ids.filter((one) => one !== undefined).join(":");
  return TASK_ID.test(id) ? id : `s-${hash("sha256", id, "base64url").slice(0, 22)}`;
}

function rootTurnIn(turnMetadata: string | null): string | undefined {
  return turnMetadata === null ? undefined : wordIn(turnMetadata, "root_turn_id");
}

/** Claude Code also writes its session into the end-user id, as JSON text `{"session_id": …}`; any application may. */
function sessionInEndUser(endUser: string | undefined): AgentTask | undefined {
  const session = endUser === undefined ? undefined : wordIn(endUser, "session_id");
  return session === undefined ? undefined : { id: session, session };
}

/** Longest JSON text that is looked into. */
const JSON_CHARACTERS_MAX = 16_384;

function wordIn(json: string, key: string): string | undefined {
  if (!json.startsWith("{") || json.length > JSON_CHARACTERS_MAX) return undefined;
  try {
    const value = (JSON.parse(json) as Readonly<Record<string, unknown>>)[key];
    return typeof value === "string" && TASK_ID.test(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
