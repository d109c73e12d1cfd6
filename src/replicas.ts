/** Which of a provider's base URLs is called: replicas take turns, and one that failed is passed over while another is there. */
import type { ProviderInstance } from "./target.ts";

export interface Replicas {
  /** The base URL whose turn it is; a resting one only when all of them rest. */
  next(instance: ProviderInstance, nowMs: number): string;
  /** @returns whether another one is there, so that nothing has to be waited for. */
  failed(instance: ProviderInstance, baseUrl: string, nowMs: number): boolean;
}

interface Turns {
  next: number;
  readonly restsUntilMs: Map<string, number>;
}

/** Kept by instance, so that a reload, which makes new ones, forgets it. Which replica is warm is the affinity's to know. */
export function createReplicas(options: () => { readonly restMs: number }): Replicas {
  const all = new WeakMap<ProviderInstance, Turns>();
  const turnsOf = (instance: ProviderInstance): Turns => {
    const turns = all.get(instance) ?? { next: 0, restsUntilMs: new Map() };
    all.set(instance, turns);
    return turns;
  };
  const isUp = (turns: Turns, baseUrl: string, nowMs: number) => (turns.restsUntilMs.get(baseUrl) ?? 0) <= nowMs;
  return {
    next(instance, nowMs) {
      const { baseUrls } = instance.settings;
      const turns = turnsOf(instance);
      const from = turns.next % Math.max(1, baseUrls.length);
      const order = [...baseUrls.slice(from), ...baseUrls.slice(0, from)];
      const baseUrl = order.find((each) => isUp(turns, each, nowMs)) ?? order[0] ?? "";
      turns.next = baseUrls.indexOf(baseUrl) + 1;
      return baseUrl;
    },
    failed(instance, baseUrl, nowMs) {
      const turns = turnsOf(instance);
      turns.restsUntilMs.set(baseUrl, nowMs + options().restMs);
      return instance.settings.baseUrls.some((each) => isUp(turns, each, nowMs));
    },
  };
}
