/** Ollama's native API: no bill, no keys, a queue, and models that come and go. */
import type { JsonObject } from "../../../src/chat.ts";
import { readOllamaEmbed } from "./ollama.embed.ts";
import { listedModel, localModel, runningModel, shownModel } from "./ollama.models.ts";
import { localModelOf, type OllamaServer, readOllamaChat, readOllamaGenerate } from "./ollama.read.ts";
import { BUSY, OllamaRunners } from "./ollama.runners.ts";
import { NDJSON, type OtherAnswer, type ReadContext, Refusal, stringOf, type Surface, type Wire } from "./wire.ts";

export interface OllamaOptions {
  /** The server's. From 0.33.3 on it tells how much of a prompt was in its cache. */
  readonly version?: string;
  /** Whether it gives calls ids, as newer versions do. Off: whoever reads its calls pairs them by their order. */
  readonly callIds?: boolean;
  /** `OLLAMA_CONTEXT_LENGTH`. */
  readonly contextTokens?: number;
  /** `OLLAMA_NUM_PARALLEL`: requests that a model serves at a time, each with a slot of its own. */
  readonly parallel?: number;
  /** `OLLAMA_MAX_QUEUE`. */
  readonly queueMax?: number;
  /** `OLLAMA_MAX_LOADED_MODELS`. */
  readonly modelsMax?: number;
  /** `OLLAMA_KEEP_ALIVE`. */
  readonly keepAliveMs?: number;
  /** How long a model takes to be loaded. */
  readonly loadMs?: number;
  /** False: it cuts what does not fit whatever it is told, as versions did that had no word for it. */
  readonly knowsTruncate?: boolean;
}

const BODY_BYTES_MAX = 256 * 1024 * 1024;
const VERSION = "0.40.0";
const REPORTS_CACHED_FROM = [0, 33, 3];

export function ollamaWire(options: OllamaOptions = {}): Wire {
  const version = options.version ?? VERSION;
  const runners = new OllamaRunners({
    parallel: options.parallel ?? 1,
    queueMax: options.queueMax ?? 512,
    modelsMax: options.modelsMax ?? 3,
    keepAliveMs: options.keepAliveMs ?? 300_000,
    loadMs: options.loadMs ?? 0,
  });
  const server: OllamaServer = {
    runners,
    contextTokens: options.contextTokens ?? 4096,
    reportsCached: isFrom(version, REPORTS_CACHED_FROM),
    knowsTruncate: options.knowsTruncate ?? true,
    callIds: options.callIds ?? false,
  };
  const surface = (path: string, read: Surface["read"], streams: boolean): Surface => ({
    path,
    form: NDJSON,
    // Streams are what it gives unless it is told not to.
    wantsStream: (body) => streams && body["stream"] !== false,
    read,
    refusalFrame: (refusal) => ({ text: `${JSON.stringify({ error: refusal.message })}\n`, tokens: 0 }),
  });
  return {
    provider: "ollama",
    base: "",
    surfaces: [
      surface("/api/chat", readOllamaChat(server), true),
      surface("/api/generate", readOllamaGenerate(server), true),
      surface("/api/embed", readOllamaEmbed(server), false),
      surface("/api/embeddings", readOllamaEmbed(server, true), false),
    ],
    bodyBytesMax: BODY_BYTES_MAX,
    jsonType: "application/json; charset=utf-8",
    limitCountsCacheRead: true,
    limitReservesOutput: false,
    overloadedStatus: 503,
    brokenStatus: 500,
    // Whoever reaches it may ask.
    account: () => "ollama",
    models: (records) => ({
      object: "list",
      data: records.map((record) => ({
        id: localModel(record).name,
        object: "model",
        created: 1_767_225_600,
        owned_by: "library",
      })),
    }),
    malformed: () => new Refusal(400, "unexpected EOF"),
    refusal: (refusal) => ({ error: refusal.message }),
    fault,
    headers: () => ({}),
    other: (method, path, body, context) => {
      if (method === "POST" && path === "/api/show") return { body: shown(body(), context) };
      return method === "GET" || method === "HEAD" ? listing(path, version, runners, context) : undefined;
    },
    reset: () => runners.clear(),
  };
}

function listing(path: string, version: string, runners: OllamaRunners, context: ReadContext): OtherAnswer | undefined {
  switch (path) {
    case "/":
      return { body: "Ollama is running", type: "text/plain; charset=utf-8" };
    case "/api/version":
      return { body: { version } };
    case "/api/tags":
      return { body: { models: context.known.map((record) => listedModel(localModel(record))) } };
    case "/api/ps":
      return {
        body: {
          models: runners.loaded(context.nowMs).flatMap((loaded) => {
            const record = context.lookup(loaded.model);
            return record === undefined ? [] : [runningModel(localModel(record), loaded)];
          }),
        },
      };
    default:
      return undefined;
  }
}

function shown(body: JsonObject, context: ReadContext): JsonObject {
  const model = stringOf(body["model"]) ?? stringOf(body["name"]) ?? "";
  return shownModel(localModelOf({ model }, context));
}

const FAULTS: Readonly<Record<number, string>> = {
  400: "the sandbox was told to refuse this",
  401: "unauthorized",
  403: "access denied",
  404: "model not found",
  413: "request too large",
  429: "too many requests",
  500: "an error was encountered while running the model: unexpected EOF",
  502: "remote model is unavailable",
  503: BUSY,
};

function fault(status: number, _kind: "plain" | "quota", retryAfterMs?: number): Refusal {
  const headers =
    retryAfterMs === undefined ? {} : { headers: { "retry-after": String(Math.ceil(retryAfterMs / 1000)) } };
  return new Refusal(status, FAULTS[status] ?? "internal server error", headers);
}

/** Whether a version is this one or a later one. */
function isFrom(version: string, first: readonly number[]): boolean {
  const numbers = version.split(/[.-]/).map(Number);
  for (const [index, least] of first.entries()) {
    const number = numbers[index] ?? 0;
    if (number !== least) return number > least;
  }
  return true;
}
