/** An attempt's money, before it is sent: the most that it may cost, reserved against every budget that it falls under. */
import type { GatewayError } from "../errors.ts";
import type { Exchange } from "../exchange.ts";
import type { Target } from "../target.ts";
import type { BudgetSubject } from "./budget.ts";
import type { Budgets, Held } from "./budgets.ts";
import { worstCase } from "./worst-case.ts";

export interface AttemptMoney {
  /** Its id. */
  readonly attempt: string;
  readonly exchange: Pick<Exchange, "request" | "body">;
  /** Whose money it takes. */
  readonly subject: BudgetSubject;
  readonly target: Target;
  /** What is sent. */
  readonly bodyBytes: number;
  readonly isTranslated: boolean;
  readonly startedAtMs: number;
}

/** @returns `undefined`: there are no budgets; or why it must not be sent. */
export function holdMoney(
  { attempt, exchange, subject, target, bodyBytes, isTranslated, startedAtMs }: AttemptMoney,
  budgets: Pick<Budgets, "isOn" | "reserve">,
): Held | GatewayError | undefined {
  if (!budgets.isOn) return undefined;
  const { request, body } = exchange;
  const { record, price, name, instance } = target;
  return budgets.reserve({
    attempt,
    subject: { ...subject, target: name, provider: instance.name },
    worst: worstCase({ request, record, price, body, bodyBytes, isTranslated }),
    atMs: startedAtMs,
  });
}
