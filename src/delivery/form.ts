/** How a kind of channel says a message. Adding one: a file beside `webhook.ts`, its name in `CHANNEL_KINDS`, and a line here. */
import { alertmanager } from "./alertmanager.ts";
import type { Channel, ChannelKind, Message } from "./message.ts";
import { slack } from "./slack.ts";
import { webhook } from "./webhook.ts";

export interface Outgoing {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Pure: the time is an argument. */
export interface Form {
  /** Whether it forgets what is not told again: what fires is, until it does not. */
  readonly forgets: boolean;
  outgoing(channel: Channel, message: Message, nowMs: number): Outgoing;
}

export const forms: Readonly<Record<ChannelKind, Form>> = { webhook, slack, alertmanager };
