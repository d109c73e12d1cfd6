/** What an attempt is made with: its call, the settings, and the parts of the gateway that it uses. */
import type { BackgroundAnswers } from "./background.ts";
import type { Bindings } from "./binding.ts";
import type { Breakers } from "./breaker.ts";
import type { BudgetSubject } from "./budgets/budget.ts";
import type { Budgets } from "./budgets/budgets.ts";
import type { ForkJoin } from "./cache/fork-join.ts";
import type { Placer, Prompt } from "./cache/placer.ts";
import type { Predecessors } from "./cache/predecessors.ts";
import type { Dialect } from "./dialects/dialect.ts";
import type { Exchange } from "./exchange.ts";
import type { RecordedDecision } from "./ledger-decisions.ts";
import type { Ledger } from "./ledger.ts";
import type { Log } from "./log.ts";
import type { Decision } from "./policies/policy.ts";
import type { Replicas } from "./replicas.ts";
import type { Task } from "./task.ts";
import type { Tasks } from "./tasks/tasks.ts";
import type { Deadlines, Upstream } from "./upstream.ts";
import type { Windows } from "./windows.ts";

export interface AttemptSettings {
  readonly attemptsMax: number;
  /** Longest wait before trying again; a longer `retry-after` is the client's to keep. */
  readonly waitMaxMs: number;
  /** First wait when the upstream names none; doubles with each further try. */
  readonly backoffMs: number;
  readonly strict: boolean;
  /** Whether calls wait for a sibling that writes what they begin with. */
  readonly hold: boolean;
  /** Whether a provider that can tell why a prompt was not read from its cache is asked to, where the request is ours to write. */
  readonly diagnose: boolean;
  readonly deadlines: { readonly stream: Deadlines; readonly whole: Deadlines };
}

export interface AttemptDependencies {
  readonly dialect: (name: string) => Dialect;
  readonly upstream: Upstream;
  readonly ledger: Pick<Ledger, "reserve" | "settle" | "explain" | "written">;
  readonly budgets: Pick<Budgets, "isOn" | "reserve" | "release">;
  readonly background: Pick<BackgroundAnswers, "postpone">;
  readonly bindings: Bindings;
  readonly breakers: Breakers;
  readonly replicas: Replicas;
  readonly placer: Placer;
  readonly forkJoin: ForkJoin;
  readonly predecessors: Predecessors;
  readonly windows: Windows;
  readonly tasks: Pick<Tasks, "answered">;
  readonly log: Pick<Log, "warn">;
  readonly now: () => number;
  /** Rejects when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface AttemptContext {
  readonly exchange: Exchange;
  readonly task: Task;
  readonly prompt: Prompt;
  /** Whose money it takes. */
  readonly subject: BudgetSubject;
  readonly decision: Decision;
  readonly policy: string;
  /** Why it goes there, for the ledger. */
  readonly recorded: () => RecordedDecision | undefined;
  readonly settings: AttemptSettings;
  /** Whether the answer will be judged by how likely its tokens were; absent: no. */
  readonly asksLogprobs?: boolean;
  /** What was tried before, in the same exchange; absent: nothing. */
  readonly tries?: Tries;
  /** Aborted when the client has left and nothing more is worth reading. */
  readonly signal: AbortSignal;
}

/** The attempts of one exchange, and what of its time is not ours. */
export class Tries {
  count = 0;
  /** What they took, and the waits between them: the providers' time. */
  theirsMs = 0;
}
