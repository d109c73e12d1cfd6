/**
 * What a self-hosted server serves, no table can know: where `auto` would have nothing to choose from, its servers are asked.
 *
 * Only then: a gateway whose targets are named has no business with its upstreams before somebody calls.
 */
import type { Log } from "./log.ts";
import type { Targets } from "./target.ts";
import { readWhole } from "./read.ts";
import type { Upstream } from "./upstream.ts";

export interface Discovery {
  /** Asks once, and goes on asking in the background as long as nobody answers. Never rejects. */
  ask(targets: Targets): Promise<void>;
  close(): void;
}

export interface DiscoveryOptions {
  readonly upstream: Upstream;
  readonly log: Pick<Log, "info" | "warn">;
  /** Until the next try, while no server has answered. */
  readonly againMs?: number | undefined;
}

/** The start waits for the answers, so they are not waited for long. */
const DEADLINES = { connectMs: 2_000, headMs: 2_000, idleMs: 2_000, totalMs: 2_000 };
const ANSWER_BYTES_MAX = 1024 * 1024;
/** Models taken of one server; `auto` compares them all at each call. */
const MODELS_MAX = 20;

export function createDiscovery({ upstream, log, againMs = 10_000 }: DiscoveryOptions): Discovery {
  const closed = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const ask = async (targets: Targets): Promise<void> => {
    clearTimeout(timer);
    for (const instance of targets.toAsk()) {
      const models = await modelsOf(instance, upstream, closed.signal);
      if (models.length > 0) targets.learn(instance.name, models);
      else
        log.warn("models-unknown", {
          provider: instance.name,
          remedy: "start the server, or name models in the config",
        });
    }
    if (targets.toAsk().length === 0 || closed.signal.aborted) return;
    timer = setTimeout(() => void ask(targets), againMs).unref();
  };
  return {
    ask,
    close() {
      clearTimeout(timer);
      closed.abort();
    },
  };
}

type Instance = ReturnType<Targets["toAsk"]>[number];

/** Of the first replica that answers; empty when none says. */
async function modelsOf(instance: Instance, upstream: Upstream, signal: AbortSignal): Promise<string[]> {
  for (const baseUrl of instance.settings.baseUrls) {
    const models = await modelsAt(baseUrl, instance, upstream, signal);
    if (models.length > 0) return models;
  }
  return [];
}

async function modelsAt(
  baseUrl: string,
  { provider, settings }: Instance,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<string[]> {
  try {
    const answer = await upstream.send({
      url: new URL(`${baseUrl}${provider.modelsPath ?? ""}`),
      headers: { accept: "application/json", ...provider.headers(new Headers(), settings) },
      body: undefined,
      deadlines: DEADLINES,
      signal,
    });
    const bytes = await readWhole(answer.body, ANSWER_BYTES_MAX);
    const said = JSON.parse(Buffer.from(bytes).toString("utf8")) as { data?: readonly { id?: unknown }[] };
    const ids = answer.status === 200 && Array.isArray(said.data) ? said.data.map((model) => model.id) : [];
    return ids.filter((id) => typeof id === "string" && id !== "").slice(0, MODELS_MAX) as string[];
  } catch {
    return [];
  }
}
