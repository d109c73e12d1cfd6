/**
 * A call before anybody chooses for it: as it will be sent, where its prompt's prefixes end, and what it says of its task. The same for
 * whoever sends it and for whoever only asks where it would go.
 */
import type { CachingMode, IsolationMode } from "./cache/modes.ts";
import { withoutTail, type Mover } from "./cache/moving.ts";
import { readPrefixes, type Prefixes } from "./cache/prefixes.ts";
import type { ChatRequest } from "./chat.ts";
import type { Dialect } from "./dialects/dialect.ts";
import type { Isolation } from "./dialects/isolating.ts";
import { isShared, type Caller, type ClientKey, type Received, type ReceiveLimits } from "./exchange.ts";
import { isolatedCall, isolationOf, withoutLine } from "./isolated.ts";
import { movedCall, type MovedCall } from "./moved.ts";
import type { Remembered } from "./remembered.ts";
import { identifyTask, type Task } from "./task.ts";

/** What of the config decides how a call is sent. */
export interface PreparingSetup {
  readonly keys: readonly ClientKey[];
  readonly limits: ReceiveLimits;
  readonly cache: {
    readonly mode: CachingMode;
    readonly boundaryLine: string;
    /** How the tenants' prompts are kept apart, where there are several. */
    readonly isolate: IsolationMode;
    /** For each class of tasks, what moves its lines that change by themselves; `undefined`: nothing does. */
    readonly moverFor: (className: string | undefined) => Mover | undefined;
  };
}

export interface Preparing {
  readonly dialect: Dialect;
  readonly caller: Caller;
  readonly headers: Pick<Headers, "get">;
}

export interface PreparedCall {
  /** The bytes that go out, and their reading. */
  readonly received: Received;
  /** What was moved to the prompt's end; `undefined`: nothing. */
  readonly moved: MovedCall | undefined;
  /** Whom it is kept apart as; `undefined`: there is nobody to be kept apart from. */
  readonly isolation: Isolation | undefined;
  /** What it says of the task that it is for. */
  readonly said: Task;
  /** Without what changes by itself and what is the gateway's: what a task is known by. */
  readonly steady: ChatRequest;
  readonly prefixes: Prefixes;
}

/**
 * @param received As its client sent it.
 * @throws GatewayError for what cannot be sent so, or names a task by what is no name.
 */
export function preparedCall(
  received: Received,
  { dialect, caller, headers }: Preparing,
  { keys, limits, cache }: PreparingSetup,
  remembered: Pick<Remembered, "isOn">,
): PreparedCall {
  const { tenant } = caller;
  const isolation = isShared(keys) ? isolationOf(caller, cache.isolate) : undefined;
  const isolated = isolatedCall(received, dialect, isolation, limits);
  const own = isolated === received ? received : { ...isolated, request: metRequest(isolated, dialect, remembered) };
  const byClient = identifyTask(received.request, headers, tenant);
  const moved = movedCall(own, dialect, cache.moverFor(byClient.className), limits);
  const sent = moved?.call ?? own;
  // What changes by itself is no part of what a task is known by.
  const steady = withoutLine(moved === undefined ? sent.request : withoutTail(sent.request), isolation?.line);
  return {
    received: sent,
    moved,
    isolation,
    said: moved === undefined ? byClient : identifyTask(steady, headers, tenant),
    steady,
    prefixes: readPrefixes(sent.request, tenant, cache.boundaryLine),
  };
}

/** What its dialect asks to be kept is no need of a target's, where the gateway keeps it. */
export function metRequest(
  { body, request }: Pick<Received, "body" | "request">,
  { remembering }: Pick<Dialect, "remembering">,
  { isOn }: Pick<Remembered, "isOn">,
): ChatRequest {
  return isOn && remembering?.isWanted(body) === true ? remembering.met(request) : request;
}
