/** What decides a request's marks in a replay. */
import type { Bill, Mark, MarkCache } from "./mark-cache.ts";
import type { TraceRequest } from "./trace.ts";

export interface MarkPolicy {
  readonly name: string;
  /** Time spent deciding until now, where the policy knows better than whoever calls it. */
  readonly decidingMs?: number;
  /** Called again at the end of each hold. @param mayHold Whether it has not waited for too long already. */
  decide(request: TraceRequest, atSeconds: number, mayHold: boolean): Decision;
  /** The request left, with the marks of its last decision. */
  sent?(request: TraceRequest, atSeconds: number, bill: Bill & { readonly readySeconds: number }): void;
}

export type Decision = readonly Mark[] | { readonly holdUntilSeconds: number };

/** Policies are made for one replay. */
export type MakePolicy = (cache: MarkCache) => MarkPolicy;
