/**
 * What becomes of a thing said when it leaves its dialect: asked of the very code that carries it.
 *
 * Each request is written twice, with the thing and without it. Where the two differ is how it was kept; a loss that only the one
 * with it has, or a refusal, is what a client is told. Neither means that it was left out without a word.
 */
import { providerKinds } from "../../providers/index.ts";
import type { DialectName, JsonObject, JsonValue, Loss } from "../../src/chat.ts";
import type { Dialect } from "../../src/dialects/dialect.ts";
import { dialects } from "../../src/dialects/index.ts";
import { GatewayError } from "../../src/errors.ts";
import { outgoing } from "../../src/lane.ts";
import type { ModelRecord } from "../../src/model.ts";
import { createModelTable } from "../../src/models.ts";
import { needs, reads } from "../../src/needs.ts";
import type { Provider } from "../../src/provider.ts";
import { NO_FACTS } from "../made-target.ts";
import type { Said } from "./said.ts";

export interface Outcome {
  readonly kind: "kept" | "changed" | "lost" | "refused" | "unsaid";
  /** The words of its losses; of a refusal, what it needs. */
  readonly words: readonly string[];
  /** Where it stands in what is written. */
  readonly places: readonly string[];
}

/** A model at a provider, as far as it matters to what is written. */
export interface Upstream {
  readonly provider: Provider;
  readonly model: string;
  readonly record: ModelRecord | undefined;
}

const TABLE = createModelTable();
const UNKNOWN_MODEL = "a-model-that-nobody-knows";

/** Every model of the table that converses at its provider, and at each provider one that no table knows. */
const UPSTREAMS: readonly Upstream[] = providerKinds
  .filter(({ kind }) => kind !== "sandbox")
  .flatMap((provider) => [
    { provider, model: UNKNOWN_MODEL, record: undefined },
    ...TABLE.all()
      .filter((record) => record.provider === provider.kind && record.abilities.chat !== false)
      .map((record) => ({ provider, model: record.id, record })),
  ]);

export function dialectNamed(name: DialectName): Dialect {
  const found = dialects.find((dialect) => dialect.name === name);
  if (found === undefined) throw new Error(`there is no dialect ${name}`);
  return found;
}

/** The models that a client of the one dialect would reach in the other. */
export function upstreamsOf(client: DialectName, upstream: DialectName): readonly Upstream[] {
  return UPSTREAMS.filter(({ provider, model, record }) => {
    const spoken = provider.dialects(model, record);
    const usual = spoken.includes(client) ? client : spoken[0];
    const isPreferable = provider.prefers !== undefined && spoken.includes(upstream) && isChat(upstream);
    return upstream === usual || (upstream !== client && isPreferable);
  });
}

/** Whether a dialect can be written at all, for another's client. */
export function isChat(name: DialectName): boolean {
  return CHATS.has(name);
}

const CHATS: ReadonlySet<DialectName> = new Set(dialects.filter((dialect) => writes(dialect)).map(({ name }) => name));

function writes(dialect: Dialect): boolean {
  try {
    const request = { dialect: "", model: "m", stream: false, wantsStreamUsage: false, tools: [], extra: {} };
    const messages = [{ role: "user", parts: [{ type: "text", text: "Hello" }] }] as const;
    dialect.writeRequest({ ...request, messages }, { model: "m", record: undefined }, []);
    return true;
  } catch {
    return false;
  }
}

/** What this upstream is told of it. */
export function outcomeOf(said: Said, client: Dialect, upstream: Dialect, target: Upstream): Outcome {
  const before = written(said.without, client, upstream, target);
  const after = written(said.with, client, upstream, target);
  if ("needs" in after) return { kind: "refused", words: [after.needs], places: [] };
  if ("needs" in before) throw new Error(`${said.what}: what it stands beside is refused: ${before.needs}`);
  const words = newWords(before.losses, after.losses);
  const places = differences(before.body, after.body);
  const text = JSON.stringify(after.body);
  const isWhole = said.marks.every((one) => text.includes(one));
  if (words.length > 0) return { kind: places.length > 0 ? "changed" : "lost", words, places };
  return { kind: places.length > 0 && isWhole ? "kept" : "unsaid", words, places };
}

type Written = { readonly body: JsonObject; readonly losses: readonly Loss[] } | { readonly needs: string };

function written(body: JsonObject, client: Dialect, upstream: Dialect, { provider, model, record }: Upstream): Written {
  const request = client.readRequest(body);
  const unmet = needs(request).find(({ kind, word }) => {
    if (client === upstream) return false;
    return kind === "dialect" || (kind === "input" && record !== undefined && !reads(record, word));
  });
  if (unmet !== undefined) return { needs: unmet.word };
  const raw = Buffer.from(JSON.stringify(body));
  const exchange = {
    id: "exchange",
    dialect: client,
    caller: { name: undefined, tenant: "" },
    headers: new Headers(),
    search: "",
    raw,
    body,
    request,
    receivedAtMs: 0,
    startedAt: 0,
  };
  const target = {
    name: `${provider.kind}/${model}`,
    instance: { name: provider.kind, provider, settings: { baseUrls: [] } },
    model,
    record,
    price: undefined,
  };
  try {
    const made = outgoing(exchange, { target, named: true, unreadable: [] }, upstream, {
      strict: false,
      call: NO_FACTS,
    });
    return { body: JSON.parse(Buffer.from(made.bytes).toString("utf8")) as JsonObject, losses: made.losses };
  } catch (error) {
    if (error instanceof GatewayError) return { needs: error.message };
    throw error;
  }
}

/** The words of losses that the second has more of. */
export function newWords(before: readonly Loss[], after: readonly Loss[]): string[] {
  const left = before.map(({ field }) => field);
  const more = after.flatMap(({ field }) => {
    const at = left.indexOf(field);
    if (at < 0) return [field];
    left.splice(at, 1);
    return [];
  });
  return [...new Set(more)].sort();
}

/** The places that the second has otherwise than the first, without the numbers of lists. */
export function differences(before: JsonValue, after: JsonValue): string[] {
  const old = leavesOf(before);
  const now = leavesOf(after);
  const added = [...now].filter(([path, value]) => old.get(path) !== value).map(([path]) => path);
  const gone = [...old.keys()].filter((path) => !now.has(path));
  return [...new Set((added.length > 0 ? added : gone).map((path) => path.replaceAll(/\[\d+\]/g, "[]")))];
}

function leavesOf(
  value: JsonValue | undefined,
  path = "",
  found: Map<string, string> = new Map(),
): Map<string, string> {
  const isBranch = typeof value === "object" && value !== null && Object.keys(value).length > 0;
  if (!isBranch) return value === undefined ? found : found.set(path, JSON.stringify(value));
  for (const [key, held] of Object.entries(value) as [string, JsonValue | undefined][]) {
    leavesOf(held, Array.isArray(value) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`, found);
  }
  return found;
}
