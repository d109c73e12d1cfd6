/** What a provider of the sandbox serves its requests with. */
import type { JsonObject } from "../../src/chat.ts";
import type { Said } from "./answer.ts";
import type { Clock } from "./clock.ts";
import type { Faults } from "./faults.ts";
import type { Invoice } from "./invoice.ts";
import type { Limiter } from "./limits.ts";
import type { ModelBook } from "./models.ts";
import type { Wire } from "./wire/wire.ts";

/** How fast models are: nothing takes any time unless it is said. */
export interface ModelPace {
  /** Until the first token, whatever the prompt. */
  readonly firstTokenMs?: number;
  /** Prompt tokens read per second; what is read from cache takes no time. */
  readonly prefillTokensPerSecond?: number;
  readonly tokensPerSecond?: number;
}

/** A model that somebody scripted. @returns `undefined`: the sandbox's own answers. */
export type ScriptedModel = (asked: {
  readonly provider: string;
  readonly model: string;
  /** The request as it came. */
  readonly body: JsonObject;
}) => Said | undefined;

export interface Counter {
  readonly wire: Wire;
  readonly book: ModelBook;
  readonly clock: Clock;
  readonly pace: ModelPace;
  readonly model: ScriptedModel | undefined;
  readonly faults: Faults;
  readonly limiter: Limiter;
  readonly invoice: Invoice;
  /** Chats that are being answered now. */
  readonly chats: { running: number };
  /** Aborts when the sandbox closes. */
  readonly closing: AbortSignal;
  /** A number that no other request has. */
  readonly number: () => number;
}
