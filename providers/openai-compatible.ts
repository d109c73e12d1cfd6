/** The factory for providers that speak OpenAI's Chat Completions: what they have in common, each difference a property. */
import type { DialectName } from "../src/chat.ts";
import type { Provider } from "../src/provider.ts";
import { EMBEDDINGS, forOpenai } from "./embeddings.edits.ts";

/** What a provider of this family says of itself; everything but the first two has a usual answer. */
export interface OpenaiCompatible extends Partial<
  Omit<Provider, "kind" | "environment" | "dialects" | "path" | "headers">
> {
  readonly kind: string;
  readonly environment: Provider["environment"];
  /** Dialects and their paths, where they are not the usual ones; the first is what everything else is translated to. */
  readonly paths?: Readonly<Record<DialectName, string>>;
}

export const CHAT = "openai-chat";

/** The first is what everything else is translated to. */
export const PATHS: Readonly<Record<DialectName, string>> = {
  [CHAT]: "/chat/completions",
  "openai-embeddings": "/embeddings",
  "openai-completions": "/completions",
};

/**
 * @example
 * export const groq = openaiCompatible({
 *   kind: "groq",
 *   defaultBaseUrl: "https://api.groq.com/openai/v1",
 *   environment: { apiKey: "GROQ_API_KEY", baseUrl: "GROQ_BASE_URL" },
 * });
 */
export function openaiCompatible(own: OpenaiCompatible): Provider {
  const { paths = PATHS, ...provider } = own;
  const [first = CHAT, ...others] = Object.keys(paths);
  const dialects: Provider["dialects"] = () => [first, ...others];
  const root = own.defaultBaseUrl === undefined ? "/v1" : new URL(own.defaultBaseUrl).pathname;
  return {
    baseUrl: (given) => withRoot(given, root),
    needsKey: own.environment.apiKey !== undefined,
    modelPrefixes: [],
    asksStreamUsage: true,
    absentCacheRead: "unknown",
    answerHeaders: ["x-ratelimit-*"],
    quirks: (dialect, body) => (dialect === EMBEDDINGS ? forOpenai(body) : []),
    ...provider,
    dialects,
    path: (dialect) => paths[dialect] ?? PATHS[CHAT] ?? "",
    headers: (_clientHeaders, settings) => ({
      ...(settings.apiKey === undefined ? {} : { authorization: `Bearer ${settings.apiKey}` }),
      ...settings.headers,
    }),
  };
}

/** A bare host is where the API's usual root is; who names a path (a proxy's, a region's) means that very path. */
function withRoot(given: string, root: string): string {
  const url = given.replace(/\/+$/, "");
  return URL.canParse(url) && new URL(url).pathname === "/" ? url + root : url;
}

/** For servers that people name with or without the `/v1` that their paths begin with. */
export function withVersion(given: string): string {
  const url = given.replace(/\/+$/, "");
  return /\/v\d+$/.test(url) ? url : `${url}/v1`;
}

/** Any other server that speaks it, named in the config with its address. */
export const openaiCompatibleServer: Provider = openaiCompatible({
  kind: "openai-compatible",
  environment: { apiKey: "OPENAI_COMPATIBLE_API_KEY", baseUrl: "OPENAI_COMPATIBLE_BASE_URL" },
  needsKey: false,
  modelsPath: "/models",
});
