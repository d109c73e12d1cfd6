/**
 * Everything between an alert and a person: what is to be told is written down for each channel, and told until it was taken. At least
 * once, with a key to know it by; also over a crash. Nothing here is in the way of a call.
 */
import type { AlertEvent } from "../alerts/alert.ts";
import type { BudgetNotice } from "../budgets/budget.ts";
import type { DriftEvent } from "../drift/drift.ts";
import type { OutboxRow } from "../ledger-outbox.ts";
import { alertMessage } from "./alert-message.ts";
import { budgetMessage } from "./budget-message.ts";
import { driftMessage } from "./drift-message.ts";
import type { Channel, Message } from "./message.ts";
import { Outbox, type OutboxStore } from "./outbox.ts";
import { Sender, type SenderOptions } from "./sender.ts";
import type { NameOf } from "./wording.ts";

/** Of a channel, since the process began. */
export interface ChannelState {
  readonly channel: string;
  readonly told: number;
  /** Tries. */
  readonly failed: number;
  /** Messages that nobody will be told of. */
  readonly lost: number;
  readonly waiting: number;
  /** Of what waits. */
  readonly oldestMs: number;
}

export interface Delivery {
  /** Takes an alert's event over. Never throws, waits for nothing. */
  alert(event: AlertEvent): void;
  /** The same of live tasks that have left their report; told where alerts are. */
  drift(event: DriftEvent): void;
  /** The same of a budget. */
  notice(notice: BudgetNotice): void;
  /** From now on these are told; what waits for others is forgotten. */
  configure(channels: readonly Channel[]): void;
  states(): readonly ChannelState[];
  /** What is under way is told again by the next process. */
  close(): void;
}

export interface DeliveryOptions extends SenderOptions {
  readonly store: OutboxStore;
  /** What an earlier process wrote down. */
  readonly rows: readonly OutboxRow[];
  readonly channels: readonly Channel[];
  readonly classNameOf: NameOf;
}

export function createDelivery(options: DeliveryOptions): Delivery {
  const { store, log, now, classNameOf } = options;
  let senders: readonly Sender[] = [];
  const configure = (channels: readonly Channel[], rows: readonly OutboxRow[]) => {
    const before = new Map(senders.map((sender) => [sender.channel.name, sender]));
    senders = channels.map((channel) => {
      const known = before.get(channel.name);
      before.delete(channel.name);
      if (known === undefined) return new Sender(channel, new Outbox(channel.name, store), options);
      known.channel = channel;
      return known;
    });
    const byName = new Map(senders.map((sender) => [sender.channel.name, sender]));
    for (const row of rows) {
      const sender = byName.get(row.channel);
      // A channel that is not configured any more has nobody to be told.
      if (sender === undefined) store.unpost(row);
      else sender.outbox.recall(row);
    }
    for (const gone of before.values()) {
      gone.stop();
      const { waiting } = gone.outbox;
      if (waiting.length > 0) log.warn("notify-channel-gone", { channel: gone.channel.name, lost: waiting.length });
      gone.outbox.clear();
    }
    for (const sender of senders) sender.wake();
  };
  configure(options.channels, options.rows);
  const tell = (message: Message) => {
    for (const sender of senders) sender.tell(message);
  };
  return {
    drift: (event) => tell(driftMessage(event)),
    alert: (event) => tell(alertMessage(event, classNameOf)),
    notice: (notice) => tell(budgetMessage(notice, classNameOf)),
    configure: (channels) => configure(channels, []),
    states: () =>
      senders.map(({ channel, outbox, told, failed }) => {
        const { waiting } = outbox;
        const [oldest] = waiting;
        return {
          channel: channel.name,
          told,
          failed,
          lost: outbox.lost,
          waiting: waiting.length,
          oldestMs: oldest === undefined ? 0 : Math.max(0, now() - oldest.createdAtMs),
        };
      }),
    close() {
      for (const sender of senders) sender.stop();
    },
  };
}
