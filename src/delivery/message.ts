/** The words of delivery: what is told to people, and where. Types, constants and how both are named. */
import { createHash } from "node:crypto";
import type { JsonObject } from "../chat.ts";

/** What can be told of: spend that left its baseline, and budgets. */
export const NEWS = ["alerts", "budgets"] as const;
export type News = (typeof NEWS)[number];

/**
 * Something to be told, as it is written down until it is. How a channel says it is decided when it is sent; what it says is not, so that
 * each try says the same. Names, numbers and times: never a prompt or a key.
 */
export interface Message {
  /** The same for the same thing, also after a restart: an idempotency key. */
  readonly id: string;
  readonly news: News;
  /** `alert.fired`, `alert.resolved`, `budget.level`, … */
  readonly type: string;
  /** Who has the same are told in order, and what ends one ends the other. */
  readonly about: string;
  readonly isResolved: boolean;
  readonly severity: "warning" | "critical";
  /** One line. */
  readonly title: string;
  readonly text: string;
  /** When it came to be told. */
  readonly atMs: number;
  readonly startsAtMs: number;
  /** When it is over of itself, at the latest; of what is resolved, when that was. */
  readonly endsAtMs: number;
  /** The same for what fires and for its end: who groups and silences does it by these. */
  readonly labels: Readonly<Record<string, string>>;
  /** For machines. */
  readonly facts: JsonObject;
  /** For people, in a few words each. */
  readonly fields: readonly (readonly [name: string, value: string])[];
}

export const CHANNEL_KINDS = ["webhook", "slack", "alertmanager"] as const;
export type ChannelKind = (typeof CHANNEL_KINDS)[number];

/** Where to tell it. */
export interface Channel {
  /** Unique; a metric's label. */
  readonly name: string;
  readonly kind: ChannelKind;
  readonly url: string;
  /** What bodies are signed with. */
  readonly secret?: string;
  /** A bearer token. */
  readonly token?: string;
  /** Whether its host's name may mean an address of a private network. */
  readonly allowPrivate: boolean;
  readonly tells: readonly News[];
  /** How long one try may take. */
  readonly timeoutMs: number;
  /** How often what fires is told again, where the kind forgets it otherwise. */
  readonly resendMs: number;
}

const KEY_CHARACTERS_MAX = 255;

/** The id as a header can carry it: itself where it can, else its hash. */
export function idempotencyKey(id: string): string {
  if (id.length <= KEY_CHARACTERS_MAX && /^[\x21-\x7e]+$/.test(id)) return id;
  return `sha256-${createHash("sha256").update(id).digest("hex")}`;
}
