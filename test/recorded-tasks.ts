/** A month of tasks as an export's lines, made with the production prices: what the tests of the replay know the truth of. */
import { createModelTable } from "../src/models.ts";
import { priceAt } from "../src/model.ts";
import { costOf, UNKNOWN_USAGE, type Usage } from "../src/usage.ts";

export interface MadeCall {
  readonly target: string;
  readonly usage: Partial<Usage>;
  readonly outcome?: "complete" | "failed" | "canceled" | "lost";
  /** As the row has it, where that is not what its tokens come to. */
  readonly costPicoUsd?: bigint | null;
  readonly finishReason?: string;
  readonly policy?: string;
  readonly signals?: string;
}

export interface MadeTask {
  readonly id: string;
  readonly className: string;
  readonly startedAtMs: number;
  readonly success?: number | undefined;
  readonly calls: readonly MadeCall[];
}

export const MONTH_MS: number = Date.UTC(2026, 9, 1);
export const HOUR_MS = 3_600_000;
const CALL_MS = 20_000;

const table = createModelTable();

/** The task's line, and one for each of its calls, an hour at most after each other. */
export function linesOf(tasks: readonly MadeTask[]): string {
  const lines = tasks.flatMap((task) => [
    taskLine(task),
    ...task.calls.map((call, index) => attemptLine(task, call, index)),
  ]);
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

function taskLine({ id, className, startedAtMs, success, calls }: MadeTask): object {
  const lastAtMs = startedAtMs + calls.length * CALL_MS;
  return {
    task: id,
    class: className,
    tenant: "",
    started_at: new Date(startedAtMs).toISOString(),
    last_at: new Date(lastAtMs).toISOString(),
    ended_at: new Date(lastAtMs + 1_000).toISOString(),
    success: success ?? null,
    success_source: success === undefined ? null : "told",
  };
}

function attemptLine(task: MadeTask, call: MadeCall, index: number): object {
  const atMs = task.startedAtMs + index * CALL_MS;
  const [provider = "", ...model] = call.target.split("/");
  const usage: Usage = { ...UNKNOWN_USAGE, ...call.usage };
  const record = table.find(model.join("/"));
  const price = record === undefined ? undefined : priceAt(record, atMs);
  const cost = call.costPicoUsd === undefined ? price && costOf(usage, price) : (call.costPicoUsd ?? undefined);
  return {
    attempt: `${task.id}-${index}.1`,
    exchange: `${task.id}-${index}`,
    task: task.id,
    task_class: task.className,
    tenant: "",
    provider,
    model: model.join("/"),
    policy: call.policy ?? "ordered",
    outcome: call.outcome ?? "complete",
    usage: {
      input_uncached: usage.inputUncached ?? null,
      cache_read: usage.cacheRead ?? null,
      cache_write_5m: usage.cacheWrite5m ?? null,
      cache_write_1h: usage.cacheWrite1h ?? null,
      cache_write_other: usage.cacheWriteOther ?? null,
      output: usage.output ?? null,
      reasoning: usage.reasoning ?? null,
    },
    cost_pico_usd: cost === undefined ? null : String(cost),
    cost_basis: cost === undefined ? "unpriced" : "reported",
    price_version: price?.version ?? null,
    started_at: new Date(atMs).toISOString(),
    duration_ms: 1_000,
    finish_reason: call.finishReason ?? "stop",
    signals: call.signals ?? null,
  };
}

export interface MadeConversation {
  readonly target: string;
  readonly turns: number;
  readonly firstPrompt: number;
  readonly growth: number;
  readonly output: number;
  /** Of what is sent again. */
  readonly readShare: number;
}

/** The calls of a conversation, each of which sends the one before it again. */
export function conversation(made: MadeConversation): readonly MadeCall[] {
  const { target, turns, firstPrompt, growth, output, readShare } = made;
  return Array.from({ length: turns }, (_, turn) => {
    const prompt = firstPrompt + turn * growth;
    const cacheRead = turn === 0 ? 0 : Math.round((prompt - growth) * readShare);
    return { target, usage: { inputUncached: prompt - cacheRead, cacheRead, output } };
  });
}
