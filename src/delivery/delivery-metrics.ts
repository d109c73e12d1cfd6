/** What is told to people, for Prometheus: who relies on messages has to see when none get through. Channels are named by the config. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { ChannelState } from "./delivery.ts";

/** @returns whom to ask. */
export function deliveryMetrics(registry: Registry): (states: () => readonly ChannelState[]) => void {
  let states: () => readonly ChannelState[] = () => [];
  new Counter({
    name: "sluice_notifications_total",
    help: "Tries to tell a message: `told`, `failed` (it is tried again), and messages given up (`lost`).",
    labelNames: ["channel", "result"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { channel, told, failed, lost } of states()) {
        this.inc({ channel, result: "told" }, told);
        this.inc({ channel, result: "failed" }, failed);
        this.inc({ channel, result: "lost" }, lost);
      }
    },
  });
  const gauge = (name: string, help: string, valueOf: (state: ChannelState) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ["channel"],
      registers: [registry],
      collect() {
        this.reset();
        for (const state of states()) this.set({ channel: state.channel }, valueOf(state));
      },
    });
  gauge("sluice_notifications_waiting", "Messages that nobody was told of yet.", ({ waiting }) => waiting);
  gauge(
    "sluice_notifications_oldest_seconds",
    "How long the oldest of them has waited.",
    ({ oldestMs }) => oldestMs / 1000,
  );
  return (watched) => {
    states = watched;
  };
}
