/**
 * Tries targets in order until one gives a first good event. Nothing is retried after that.
 *
 * Each try is a reservation before it is sent and one settled row after it. What an error means (come back, go elsewhere, give up)
 * is the catalogue's to say; here it is only followed.
 */
import { Tries, type AttemptContext, type AttemptDependencies, type AttemptSettings } from "./attempt-context.ts";
import { tryOnce } from "./attempt-once.ts";
import { attemptId } from "./attempt-row.ts";
import { type FirstAnswer, type Refusal } from "./begun.ts";
import { Holding } from "./cache/fork-join.ts";
import { GatewayError, mayRetrySame } from "./errors.ts";

export async function firstAnswer(
  context: AttemptContext,
  dependencies: AttemptDependencies,
): Promise<FirstAnswer | Refusal> {
  const { decision, settings, signal, tries = new Tries() } = context;
  let refusal: Refusal | undefined;
  let tried = 0;
  const { forkJoin, now } = dependencies;
  const holding = new Holding({ forkJoin, signal, now, elapsedMs: () => performance.now() });
  for (let index = 0; index < decision.order.length && tried < settings.attemptsMax; index += 1) {
    const candidate = decision.order[index];
    if (candidate === undefined) break;
    const isLast = index === decision.order.length - 1;
    for (let again = 0; tried < settings.attemptsMax; again += 1) {
      tried += 1;
      tries.count += 1;
      const triedAt = performance.now();
      const attempt = { number: tries.count, theirsMs: tries.theirsMs, holding, isLast };
      const result = await tryOnce(context, candidate, attempt, dependencies).catch((error: unknown) => {
        // It was not sent: what fails from then on is a refusal.
        dependencies.budgets.release(attemptId(context.exchange, attempt.number));
        throw error;
      });
      if (result.kind === "refused") logRefusal(result, context.exchange.id, tries.count, dependencies);
      tries.theirsMs += performance.now() - triedAt;
      if (result.kind !== "refused") return result;
      if (!result.recorded) {
        // Nothing was sent: it is no try, and says less than the refusal of a target that was asked.
        tried -= 1;
        tries.count -= 1;
        refusal ??= result;
        break;
      }
      refusal = result;
      if (signal.aborted) return refusal;
      if (!isLast && result.error.nextTarget) break;
      if (tried >= settings.attemptsMax) return refusal;
      const waitsAt = performance.now();
      if (!(await waited(result, again, settings, signal, dependencies))) return refusal;
      tries.theirsMs += performance.now() - waitsAt;
    }
  }
  return (
    refusal ?? {
      kind: "refused",
      error: new GatewayError("internal", "the policy gave no target"),
      candidate: undefined,
      recorded: false,
      verbatim: undefined,
    }
  );
}

/** What only the operator can mend, with the reason that clients are not told (`ECONNREFUSED`). */
function logRefusal(
  { error, candidate }: Refusal,
  exchange: string,
  attempt: number,
  { log }: AttemptDependencies,
): void {
  if (error.status < 500 && error.kind !== "quota-exhausted") return;
  const code = (error.cause as { cause?: { code?: unknown } } | undefined)?.cause?.code;
  log.warn("attempt-failed", {
    exchange,
    attempt,
    target: candidate?.target.name,
    error: error.kind,
    code: typeof code === "string" ? code : undefined,
  });
}

/** Waits as the error asks. @returns false when trying again is not allowed or not worth it. */
async function waited(
  { error, elsewhere }: Refusal,
  again: number,
  settings: AttemptSettings,
  signal: AbortSignal,
  dependencies: AttemptDependencies,
): Promise<boolean> {
  if (!mayRetrySame(error, again)) return false;
  if (elsewhere === true) return true;
  const waitMs = error.retryAfterMs ?? settings.backoffMs * 2 ** again;
  if (waitMs > settings.waitMaxMs) return false;
  try {
    await dependencies.sleep(waitMs, signal);
    return true;
  } catch {
    return false;
  }
}
