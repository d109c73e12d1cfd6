/**
 * Says of every call what its cache did: what broke a prefix that was expected to be read, and, by class, what caching saved.
 *
 * It costs 0.2 to 0.9 ms a call of 50 kB, and is asked once the answer's first bytes are with the client: nobody waits for it.
 */
import type { CacheDiagnosis } from "../chat.ts";
import type { Target } from "../target.ts";
import { promptTokens as wholeOf, ratesFor, UNKNOWN_USAGE, type Usage } from "../usage.ts";
import { digestText, memoryKey } from "./bust-memory.ts";
import { createBustMemory, type Bust, type WatchedPrompt } from "./bust.ts";
import type { Prompt } from "./placer.ts";
import { classKeyOf, createCacheReporter, type CacheReport } from "./report.ts";
import type { CacheRules } from "./rules.ts";
import type { SentMark } from "./sent-marks.ts";
import { cacheSettings } from "./settings.ts";

/** A prompt as it was sent. */
export interface SentCall {
  readonly prompt: Prompt;
  readonly target: Target;
  readonly rules: CacheRules;
  readonly predictedRead: number;
  readonly marks: readonly SentMark[];
  readonly marksBy: "client" | "gateway";
  /** Our own routing key, where we sent one. */
  readonly key: string | undefined;
  readonly isTranslated: boolean;
  readonly sentMs: number;
  /** When its first event arrived. */
  readonly begunMs: number;
  /** Where it went to, of several that have a cache each. */
  readonly replica?: string | undefined;
}

export interface Explainer {
  /** The call's answer has begun. */
  begun(call: SentCall): ExplainedCall;
  /** @param tenant Whose classes; absent: everybody's. */
  read(nowMs: number, tenant?: string): CacheReport;
  /** What it has summed up, as JSON, for a restart. */
  snapshot(): unknown;
  /** Goes on from what {@link snapshot} gave. @throws Error where that cannot be read: it begins anew then. */
  restore(snapshot: unknown): void;
}

export interface ExplainedCall {
  /** @returns what broke its prefix; `undefined`: nothing did, or nobody can tell. */
  settled(usage: Usage | undefined, diagnosis?: CacheDiagnosis): Bust | undefined;
}

export interface ExplainerOptions {
  /** Whether what is said of a broken prefix may quote it. Absent: no. */
  readonly excerpts?: boolean;
}

export function createExplainer({ excerpts = false }: ExplainerOptions = {}): Explainer {
  const busts = createBustMemory();
  const reporter = createCacheReporter();
  return {
    begun({ prompt, target, rules, predictedRead, marks, marksBy, key, isTranslated, sentMs, begunMs, replica }) {
      const { namespace, task, taskClass, request, prefixes } = prompt;
      const tokenRatio = target.record?.tokenRatio ?? 1;
      const promptTokens = Math.ceil(prefixes.promptTokens * tokenRatio);
      const { price } = target;
      const settings = cacheSettings(request, prefixes, target.record);
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
          price,
          tokenRatio,
          predictedRead,
          marks,
          marksBy,
          settings,
          sentAs,
          replica: replica === undefined ? undefined : digestText(replica),
          isNoiseSent: !isTranslated,
          excerpts,
        },
        sentMs,
      );
      watched.readable(begunMs);
      const staticTokens = Math.ceil((prefixes.tokens[prefixes.staticPlace] ?? 0) * tokenRatio);
      const classKey = classKeyOf(taskClass, prefixes);
      const end = reporter.begun({
        prefixes,
        target: target.name,
        settings: settings === undefined ? "" : digestText(settings.map(({ word }) => word).join("")),
        rules,
        promptTokens,
        sentMs,
        begunMs,
      });
      return {
        settled(usage = UNKNOWN_USAGE, diagnosis) {
          const bust = watched.settled(usage, diagnosis);
          const whole = wholeOf(usage) ?? promptTokens;
          reporter.observe({
            tenant: namespace,
            classKey,
            task: memoryKey(namespace, "task", task),
            usage,
            staticTokens,
            endRead: end.settled(whole),
            predictedRead,
            bust,
            agrees: watched.agrees,
            sentMs,
            rates: price === undefined ? undefined : ratesFor(price, whole),
            rules,
          });
          return bust;
        },
      };
    },
    read: (nowMs, tenant) => reporter.read(nowMs, tenant),
    snapshot: () => reporter.snapshot(),
    restore: (snapshot) => reporter.restore(snapshot),
  };
}

/**
 * For the ledger: whose change it was, where, and what it cost ("client messages[3].content[0] timestamp: 4120 tokens"); behind it the
 * provider's own word, where it gave one ("; provider: messages"), and what we would have said, where that is something else; and, where
content may be logged, what stood there.
 */
export function bustText({ cause, span, breaker, lostTokens, verdict, excerpt }: Bust): string {
  const quoted = excerpt === undefined || excerpt === "" ? "" : ` ${JSON.stringify(excerpt)}`;
  const said = `${cause} ${span}${breaker === undefined ? "" : ` ${breaker}`}${quoted}: ${lostTokens} tokens`;
  if (verdict === undefined) return said;
  return `${said}; provider: ${verdict.word}${verdict.ours === undefined ? "" : `; gateway: ${verdict.ours}`}`;
}
