/**
 * Says of every call what its cache did: what broke a prefix that was expected to be read, and, by class, what caching saved.
 *
 * It costs 0.2 to 0.9 ms a call of 50 kB, and is asked once the answer's first bytes are with the client: nobody waits for it.
 */
import type { CacheDiagnosis } from "../chat.ts";
import type { Target } from "../target.ts";
import { ratesFor, type Rates, type Usage } from "../usage.ts";
import { memoryKey } from "./bust-memory.ts";
import { createBustMemory, type Bust, type WatchedPrompt } from "./bust.ts";
import type { PlannedMark } from "./plan.ts";
import type { Prompt } from "./placer.ts";
import { classKeyOf, createCacheReporter, type CacheReport } from "./report.ts";
import type { CacheRules } from "./rules.ts";

/** A prompt as it was sent. */
export interface SentCall {
  readonly prompt: Prompt;
  readonly target: Target;
  readonly rules: CacheRules;
  readonly predictedRead: number;
  readonly marks: readonly PlannedMark[];
  readonly marksBy: "client" | "gateway";
  /** Our own routing key, where we sent one. */
  readonly key: string | undefined;
  readonly isTranslated: boolean;
  readonly sentMs: number;
}

export interface Explainer {
  /** The call's answer has begun. */
  begun(call: SentCall): ExplainedCall;
  read(nowMs: number): CacheReport;
  /** What it has summed up, as JSON, for a restart. */
  snapshot(): unknown;
  /** Goes on from what {@link snapshot} gave. @throws Error where that cannot be read: it begins anew then. */
  restore(snapshot: unknown): void;
}

export interface ExplainedCall {
  /** @returns what broke its prefix; `undefined`: nothing did, or nobody can tell. */
  settled(usage: Usage | undefined, diagnosis?: CacheDiagnosis): Bust | undefined;
}

export function createExplainer(): Explainer {
  const busts = createBustMemory();
  const reporter = createCacheReporter();
  return {
    begun({ prompt, target, rules, predictedRead, marks, marksBy, key, isTranslated, sentMs }) {
      const { namespace, task, taskClass, request, prefixes } = prompt;
      const tokenRatio = target.record?.tokenRatio ?? 1;
      const rates = ratesOf(target, prefixes.promptTokens * tokenRatio);
      const sentAs: Record<string, string> = key === undefined ? {} : { prompt_cache_key: key };
      const watched: WatchedPrompt = busts.sent(
        {
          tenant: namespace,
          task,
          taskClass,
          request,
          prefixes,
          target: target.name,
          rules,
          rates,
          tokenRatio,
          predictedRead,
          marks,
          marksBy,
          sentAs,
          isNoiseSent: !isTranslated,
          excerpts: false,
        },
        sentMs,
      );
      watched.readable();
      const staticTokens = Math.ceil((prefixes.tokens[prefixes.staticPlace] ?? 0) * tokenRatio);
      const classKey = classKeyOf(taskClass, prefixes);
      return {
        settled(usage, diagnosis) {
          const bust = watched.settled(usage, diagnosis);
          const { sharedTokens, agrees } = watched;
          if (usage !== undefined)
            reporter.observe({
              classKey,
              task: memoryKey(namespace, "task", task),
              usage,
              staticTokens,
              sharedTokens,
              predictedRead,
              bust,
              agrees,
              sentMs,
              rates,
              rules,
            });
          return bust;
        },
      };
    },
    read: (nowMs) => reporter.read(nowMs),
    snapshot: () => reporter.snapshot(),
    restore: (snapshot) => reporter.restore(snapshot),
  };
}

function ratesOf({ price }: Target, promptTokens: number): Rates | undefined {
  return price === undefined ? undefined : ratesFor(price, promptTokens);
}

/**
 * For the ledger: whose change it was, where, and what it cost ("client messages[3].content[0] timestamp: 4120 tokens"); behind it the
 * provider's own word, where it gave one ("; provider: messages"), and what we would have said, where that is something else.
 */
export function bustText({ cause, span, breaker, lostTokens, verdict }: Bust): string {
  const said = `${cause} ${span}${breaker === undefined ? "" : ` ${breaker}`}: ${lostTokens} tokens`;
  if (verdict === undefined) return said;
  return `${said}; provider: ${verdict.word}${verdict.ours === undefined ? "" : `; gateway: ${verdict.ours}`}`;
}
