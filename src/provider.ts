/**
 * The interface a provider implements (in `providers/`): who bills us, and how it wants to be spoken to.
 */
import type { ChatRequest, DialectName, JsonObject } from "./chat.ts";
import type { Edit } from "./edit.ts";
import type { ModelRecord } from "./model.ts";

/** What an operator configured for one provider instance. The key never leaves `headers`. */
export interface ProviderSettings {
  /** One or more base URLs without trailing slash; several are replicas of one service. */
  readonly baseUrls: readonly string[];
  /** How many calls each of them is to get in proportion to the others, in their order; absent: all as many. */
  readonly weights?: readonly number[];
  readonly apiKey?: string;
  /** Extra request headers from the config. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The window each call asks for, where it may: what the request needs (`auto`, the default), always so many tokens, none. */
  readonly contextTokens?: "auto" | "off" | number;
  /** How a call finds its replica: by where its prompt's beginning is warm (`prefix`, the default), or in turn. */
  readonly affinity?: "prefix" | "turns";
  /** What one replica's cache holds, where that is known better than `Provider.replicaCacheTokens`. */
  readonly cacheTokens?: number;
}

/** What of a call, besides its body, decides how a provider is to be asked. */
export interface CallFacts {
  /** Keeps this tenant's cache entries apart from others' at a server that keeps all in one; `undefined`: there is one tenant only. */
  readonly cacheSalt: string | undefined;
  /** How large a window to ask for, in the model's tokens, where each call says it; `undefined`: as the server has it. */
  readonly contextTokens: number | undefined;
  /**
   * The id of the answer to the prompt that this one goes on from, for a provider that tells what has changed since; `null`: there is
   * none. Absent: it is not to be asked.
   */
  readonly previousAnswer?: string | null | undefined;
}

/** Counters of a Prometheus text, by their names without `_total`. */
export interface CacheCounterNames {
  /** Path to append to the base URL. */
  readonly path: string;
  /** Prompt tokens that were looked for in the cache. */
  readonly queries: string;
  /** Those of them that were found. */
  readonly hits: string;
  /** A series whose labels say how large the cache is: in tokens, or else in blocks of so many. */
  readonly size?: {
    readonly name: string;
    readonly tokens: string;
    readonly blocks: string;
    readonly blockTokens: string;
  };
}

export interface Provider {
  /** The kind's name: `openai`, `anthropic`, … The instance's own name is the config's key. */
  readonly kind: string;
  /** Default base URL, for kinds that have one. */
  readonly defaultBaseUrl?: string;
  /** Environment variables that configure it without a config file; the first is what makes it appear. */
  readonly environment: { readonly apiKey?: string; readonly baseUrl: string };
  /** A base URL as people write it (without `/v1`, a bare host) as the one that paths are appended to. */
  baseUrl?(given: string): string;
  /** False for servers that answer without a credential (self-hosted). */
  readonly needsKey: boolean;
  /** Kinds whose rows of the model table, prices included, hold here too. Its own only, unless it says otherwise. */
  readonly recordsOf?: readonly string[];
  /** What is true of any model it serves that has no row (a self-hosted server's cache); limits and prices stay unknown. */
  readonly modelDefaults?: Partial<Omit<ModelRecord, "id" | "provider" | "aliases" | "prices">>;
  /** Bare model ids with these beginnings come here when the table does not know them. */
  readonly modelPrefixes: readonly string[];
  /** Path that lists what the server has (`{data: [{id}]}` or `{models: [{name}]}`), for kinds whose models no table can know. */
  readonly modelsPath?: string;
  /** Where a server whose list is in Ollama's words describes one model (POST `{model}`) and says which are loaded (GET). */
  readonly modelPaths?: { readonly show: string; readonly loaded: string };
  /** The one form of a model id that may be written in several; absent: each is written in one. Pure. */
  wholeId?(model: string): string;
  /** Path that answers 200 as long as the server is well, for kinds that run in several replicas. */
  readonly healthPath?: string;
  /** Where the server counts what it read from cache, for kinds whose answers may leave that out. */
  readonly cacheCounters?: CacheCounterNames;
  /**
   * How many tokens of prompts one replica keeps in a cache of its own, assumed rather too large than too small. Absent: replicas have
   * none of their own, and take turns.
   */
  readonly replicaCacheTokens?: number;
  /** The dialects it accepts for this model, best first. */
  dialects(model: string, record: ModelRecord | undefined): readonly [DialectName, ...DialectName[]];
  /**
   * The one of its dialects in which the model takes this very request better than in the client's own, or than in the first of the
   * list; `undefined`: no such. Pure; it is followed as long as the client's own dialect is not needed.
   */
  prefers?(request: ChatRequest, record: ModelRecord | undefined): DialectName | undefined;
  /** Path to append to the base URL. */
  path(dialect: DialectName, model: string, record: ModelRecord | undefined): string;
  /** Request headers: the credential, the version, and the client's headers that this provider should see. */
  headers(clientHeaders: Headers, settings: ProviderSettings): Record<string, string>;
  /** Names of answer headers that may reach the client besides the common ones. */
  readonly answerHeaders?: readonly string[];
  /** Changes to a body of `dialect` that this provider insists on, each listed. Pure; same body and facts, same edits. */
  quirks?(dialect: DialectName, body: JsonObject, model: ModelRecord | undefined, call: CallFacts): readonly Edit[];
  /**
   * Whether a request that names what it does not have (a file, a container, an answer) is refused, so that its answer says that it
   * has it. Absent: it may pass over what it does not know, and nothing is learned from its answer.
   */
  readonly refusesUnknownIds?: boolean;
  /** Whether `stream_options.include_usage` must be sent to get usage in a stream (false: it always comes, or the field is refused). */
  readonly asksStreamUsage: boolean;
  /** What an absent cached-token count means: `zero` (documented to be absent when nothing was cached) or `unknown`. */
  readonly absentCacheRead: "zero" | "unknown";
  /**
   * Whether it cuts a prompt that does not fit and answers the rest without a word, so that its count has to be compared with ours.
   * Absent: it refuses such a prompt. A body of its own dialect may have asked for the one or the other.
   */
  truncatesSilently?(body: JsonObject, model: string, record: ModelRecord | undefined): boolean;
  /**
   * Whether it loads this model with the window that a call asks for (`CallFacts.contextTokens`), anew for every other one.
   * Absent: no call can say.
   */
  sizesWindow?(model: string, record: ModelRecord | undefined): boolean;
  /** The window that a body of its own dialect asks for by itself. */
  windowOf?(body: JsonObject): number | undefined;
}
