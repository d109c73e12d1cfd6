/** Which task a call belongs to in the end: what it says of itself, and else what is known of the calls before it. */
import { hash } from "node:crypto";
import type { Task, TaskSource } from "../task.ts";
import type { Traced } from "./chains.ts";

export interface Identity {
  readonly id: string;
  readonly source: TaskSource;
  readonly parent: string | undefined;
  /** Nobody can have had this id before. */
  readonly isFresh: boolean;
}

export interface Known {
  /** Where its prompt goes on from, by the ids of tasks. */
  readonly traced: Traced;
  /** The task of the answer that it goes on from by an id, where one is named and known. */
  readonly answered: string | undefined;
  /** Of a task that is open: the conversation that it is a part of. */
  readonly sessionOf: (task: string) => string | undefined;
  /** Of a task that is open: whether its calls say which it is. */
  readonly isNamed: (task: string) => boolean;
}

/** @param exchange By which a task that nobody names is named. */
export function identityOf(said: Task, known: Known, exchange: string): Identity {
  const { traced, answered } = known;
  const { id, source, parent } = said;
  if (source !== "prefix") {
    return { id, source, parent: parent ?? forkedFrom(said, known), isFresh: false };
  }
  if (answered !== undefined) return { id: answered, source: "response", parent, isFresh: false };
  switch (traced.kind) {
    case "same":
      return { id: traced.task, source, parent, isFresh: false };
    case "resend":
      // Whoever named it before would name it again.
      return known.isNamed(traced.task)
        ? { id: freshId(id, exchange), source, parent, isFresh: true }
        : { id: traced.task, source, parent, isFresh: false };
    case "unknown":
      return { id, source, parent, isFresh: false };
    case "new":
      return { id: freshId(id, exchange), source, parent, isFresh: true };
    case "child":
      return { id: freshId(id, exchange), source, parent: parent ?? traced.task, isFresh: true };
  }
}

/** An agent's new session that begins with all that another one has said. */
function forkedFrom({ id, source, session }: Task, { traced, sessionOf }: Known): string | undefined {
  if (source !== "agent-session" || traced.kind === "new" || traced.kind === "unknown" || traced.task === id) {
    return undefined;
  }
  const other = sessionOf(traced.task);
  return other === undefined || other === session ? undefined : traced.task;
}

/** The same opening of another conversation is another task. */
function freshId(openingId: string, exchange: string): string {
  return `t-${hash("sha256", `${openingId}\u0000${exchange}`, "base64url").slice(0, 22)}`;
}
