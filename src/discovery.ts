/**
 * What a self-hosted server serves, no table can know: its servers are asked, at the start and ever again in the background, so that
 * their models can be called by the names that they have there. Only a name that nobody knows waits for an answer.
 */
import type { JsonObject } from "./chat.ts";
import { GatewayError } from "./errors.ts";
import type { Log } from "./log.ts";
import type { ProviderInstance, Resolved, Target, Targets } from "./target.ts";
import { readWhole } from "./read.ts";
import { UpstreamFailure, type Upstream } from "./upstream.ts";

export interface Discovery {
  /** Asks every server once, and goes on asking these and no others in the background. Never rejects. */
  watch(targets: Targets): Promise<void>;
  /**
   * As the targets do; where they know no such name, the servers are asked for it first, unless they just were.
   *
   * @throws GatewayError
   */
  resolve(targets: Targets, model: string, among?: readonly string[]): Resolved | Promise<Resolved>;
  /** Asks who was not asked just now, for a list that is to be true. Never rejects. */
  refresh(targets: Targets): Promise<void>;
  /** What a server that answers said of its models, in its own words. */
  listed(instance: ProviderInstance): readonly ServerModel[];
  /** What the servers have loaded, of all replicas of each. Never rejects: who does not answer is left out. */
  loaded(targets: Targets): Promise<readonly (readonly [instance: ProviderInstance, models: readonly ServerModel[]])[]>;
  /** The server's own description of its model. @throws GatewayError where it does not answer */
  show(target: Target, body: JsonObject): Promise<ServerAnswer>;
  close(): void;
}

/** An entry of a server's list, whatever else it holds. */
export interface ServerModel extends JsonObject {
  readonly name: string;
}

export interface ServerAnswer {
  readonly status: number;
  readonly bytes: Uint8Array;
}

export interface DiscoveryOptions {
  readonly upstream: Upstream;
  readonly log: Pick<Log, "info" | "warn">;
  /** Milliseconds, of a clock that goes on. */
  readonly now: () => number;
  /** Until the servers are asked again, as long as one of them has not answered. */
  readonly againMs?: number | undefined;
}

/** Calls and the start wait for the answers, so they are not waited for long. */
const DEADLINES = { connectMs: 2_000, headMs: 2_000, idleMs: 2_000, totalMs: 2_000 };
/** A description reads the model's file. */
const SHOW_DEADLINES = { connectMs: 2_000, headMs: 10_000, idleMs: 10_000, totalMs: 10_000 };
const ANSWER_BYTES_MAX = 1024 * 1024;
/** With a model's whole vocabulary, if it is asked for. */
const SHOW_BYTES_MAX = 32 * 1024 * 1024;
/** Models taken of one server. */
const MODELS_MAX = 500;
const AGAIN_MS = 10_000;
/** How many times rarer it is when everybody has answered. */
const ANSWERED_FACTOR = 6;
/** How long an answer counts as one of just now, and how long the lack of one does. */
const FRESH_MS = 1_000;
const FRESH_SILENCE_MS = 5_000;

/** What is known of one server. */
interface Knowledge {
  asking?: Promise<void> | undefined;
  askedAtMs: number;
  /** `undefined`: it does not answer. */
  models: readonly ServerModel[] | undefined;
}

export function createDiscovery({ upstream, log, now, againMs = AGAIN_MS }: DiscoveryOptions): Discovery {
  const closed = new AbortController();
  const known = new WeakMap<ProviderInstance, Knowledge>();
  let watched: Targets | undefined;
  let timer: NodeJS.Timeout | undefined;

  const isAnswering = (instance: ProviderInstance) => known.get(instance)?.models !== undefined;
  const isFresh = (instance: ProviderInstance, freshMs: number): boolean => {
    const knowledge = known.get(instance);
    if (knowledge === undefined || knowledge.asking !== undefined) return false;
    return now() - knowledge.askedAtMs < (knowledge.models === undefined ? FRESH_SILENCE_MS : freshMs);
  };

  // Never two at once: whoever wants to know waits for the one that is on its way.
  const ask = (instance: ProviderInstance, targets: Targets): Promise<void> => {
    const knowledge = known.get(instance) ?? { askedAtMs: 0, models: undefined };
    const isFirst = !known.has(instance);
    known.set(instance, knowledge);
    knowledge.asking ??= (async () => {
      const models = await modelsOf(instance, upstream, closed.signal);
      if (closed.signal.aborted) return;
      const wasAnswering = knowledge.models !== undefined;
      knowledge.askedAtMs = now();
      knowledge.models = models;
      knowledge.asking = undefined;
      targets.learn(
        instance.name,
        models?.map(({ name }) => name),
      );
      if (models !== undefined && !wasAnswering) {
        log.info("models-known", { provider: instance.name, models: models.length });
      } else if (models === undefined && (wasAnswering || isFirst)) {
        log.warn("models-unknown", {
          provider: instance.name,
          remedy: "start the server, or name models in the config",
        });
      }
    })();
    return knowledge.asking;
  };
  const askAll = async (targets: Targets): Promise<void> => {
    clearTimeout(timer);
    const instances = askable(targets);
    await Promise.all(instances.map((instance) => ask(instance, targets)));
    if (watched !== targets || instances.length === 0 || closed.signal.aborted) return;
    clearTimeout(timer);
    const waitMs = instances.every(isAnswering) ? againMs * ANSWERED_FACTOR : againMs;
    timer = setTimeout(() => void askAll(targets), waitMs).unref();
  };
  const refresh = async (targets: Targets, freshMs: number): Promise<void> => {
    const stale = askable(targets).filter((instance) => !isFresh(instance, freshMs));
    await Promise.all(stale.map((instance) => ask(instance, targets)));
  };

  return {
    watch(targets) {
      watched = targets;
      return askAll(targets);
    },
    resolve(targets, model, among) {
      try {
        return targets.resolve(model, among);
      } catch (error) {
        const isStale = askable(targets).some((instance) => !isFresh(instance, FRESH_SILENCE_MS));
        if (!(error instanceof GatewayError) || !isStale) throw error;
        return refresh(targets, FRESH_SILENCE_MS).then(() => targets.resolve(model, among));
      }
    },
    refresh: (targets) => refresh(targets, FRESH_MS),
    listed: (instance) => known.get(instance)?.models ?? [],
    loaded: (targets) =>
      Promise.all(
        targets.instances.map(async (instance) => {
          const path = instance.provider.modelPaths?.loaded;
          const isDead = !isAnswering(instance) && isFresh(instance, FRESH_MS);
          if (path === undefined || isDead) return [instance, []] as const;
          const answers = await Promise.all(
            addressesOf(instance).map((baseUrl) =>
              modelsAt(baseUrl + path, instance, upstream, closed.signal).catch(() => []),
            ),
          );
          return [instance, answers.flat()] as const;
        }),
      ),
    show: (target, body) => shown(target, body, upstream, closed.signal),
    close() {
      clearTimeout(timer);
      closed.abort();
    },
  };
}

function askable(targets: Targets): readonly ProviderInstance[] {
  return targets.instances.filter((instance) => instance.provider.modelsPath !== undefined);
}

function addressesOf({ settings }: ProviderInstance): readonly string[] {
  return [...new Set(settings.baseUrls)];
}

/** Of the first replica that answers; `undefined` when none does. */
async function modelsOf(
  instance: ProviderInstance,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<readonly ServerModel[] | undefined> {
  const path = instance.provider.modelsPath ?? "";
  try {
    return await Promise.any(
      addressesOf(instance).map((baseUrl) => modelsAt(baseUrl + path, instance, upstream, signal)),
    );
  } catch {
    return undefined;
  }
}

/** @throws Error for anything but a list. */
async function modelsAt(
  url: string,
  { provider, settings }: ProviderInstance,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<readonly ServerModel[]> {
  const answer = await upstream.send({
    url: new URL(url),
    headers: { accept: "application/json", ...provider.headers(new Headers(), settings) },
    body: undefined,
    deadlines: DEADLINES,
    signal,
  });
  const bytes = await readWhole(answer.body, ANSWER_BYTES_MAX);
  if (answer.status !== 200) throw new Error(`the server answered ${answer.status}`);
  const said = JSON.parse(Buffer.from(bytes).toString("utf8")) as JsonObject | null;
  // An Ollama that has no models says so by a list of none, or by `null`.
  const list = said?.["data"] ?? said?.["models"] ?? (said !== null && "models" in said ? [] : undefined);
  if (!Array.isArray(list)) throw new Error("the server's answer is no list of models");
  return (list as readonly JsonObject[]).flatMap(named).slice(0, MODELS_MAX);
}

function named(model: JsonObject | null): readonly ServerModel[] {
  const name = model?.["id"] ?? model?.["name"];
  return typeof name === "string" && name !== "" ? [{ ...model, name }] : [];
}

async function shown(
  { instance, model }: Target,
  body: JsonObject,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<ServerAnswer> {
  const { provider, settings } = instance;
  const within = AbortSignal.any([signal, AbortSignal.timeout(SHOW_DEADLINES.totalMs)]);
  let failure = new UpstreamFailure("upstream-failed", "the server has no address", false);
  for (const baseUrl of addressesOf(instance)) {
    try {
      const answer = await upstream.send({
        url: new URL(`${baseUrl}${provider.modelPaths?.show ?? ""}`),
        headers: { "content-type": "application/json", ...provider.headers(new Headers(), settings) },
        body: Buffer.from(JSON.stringify({ ...body, model })),
        deadlines: SHOW_DEADLINES,
        signal: within,
      });
      const bytes = await readWhole(answer.body, SHOW_BYTES_MAX);
      if (answer.status !== 401 && answer.status !== 403) return { status: answer.status, bytes };
      throw new GatewayError(
        "upstream-credential",
        `the server of \`${instance.name}\` refuses the gateway's credential`,
      );
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error;
      failure = error;
    }
  }
  throw new GatewayError(failure.kind, failure.message, { cause: failure });
}
