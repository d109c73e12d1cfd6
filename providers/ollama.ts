/** Ollama, on its native API: its OpenAI-compatible endpoint ignores what it does not know, and cuts prompts to their end in silence. */
import type { DialectName, JsonObject, JsonValue } from "../src/chat.ts";
import type { Edit } from "../src/edit.ts";
import type { Provider } from "../src/provider.ts";

const PORT = "11434";
const PATHS: Readonly<Record<DialectName, string>> = {
  "ollama-chat": "/api/chat",
  "ollama-generate": "/api/generate",
  "ollama-embed": "/api/embed",
  "ollama-embeddings": "/api/embeddings",
};

export const ollama: Provider = {
  kind: "ollama",
  environment: { baseUrl: "OLLAMA_HOST" },
  baseUrl: hostUrl,
  needsKey: false,
  modelPrefixes: [],
  modelsPath: "/api/tags",
  modelPaths: { show: "/api/show", loaded: "/api/ps" },
  wholeId,
  // A slot keeps what it was asked last, up to its window; how many slots and models a server has, nobody says.
  replicaCacheTokens: 262_144,
  // Its own memory, token by token; it cannot be told which tool to call.
  modelDefaults: { cache: { kind: "local", stepTokens: 1 }, forcedTools: false, abilities: { logprobs: true } },
  dialects: () => ["ollama-chat", "ollama-generate", "ollama-embed", "ollama-embeddings"],
  path: (dialect) => PATHS[dialect] ?? "/api/chat",
  headers: (_clientHeaders, settings) => ({
    ...(settings.apiKey === undefined ? {} : { authorization: `Bearer ${settings.apiKey}` }),
    ...settings.headers,
  }),
  asksStreamUsage: false,
  // Before 0.33.3 it said nothing of its cache.
  absentCacheRead: "unknown",
  // What cannot be told not to (`truncate: false`) does it, and so does every version unless it is told. Who asks for it knows.
  truncatesSilently: (body) => body["truncate"] !== true,
  sizesWindow: () => true,
  windowOf: (body) => numberIn(optionsOf(body)?.["num_ctx"]),
  quirks: (dialect, body, _record, { contextTokens }) =>
    CONVERSES.has(dialect) ? [...untruncated(body), ...windowed(body, contextTokens)] : [],
};

/** Without a tag it is the latest, without a host the library's; case is not told apart. */
function wholeId(model: string): string {
  const short = model.toLowerCase().replace(/^(?:registry\.ollama\.ai\/)?(?:library\/)?/, "");
  return /:[^/]*$/.test(short) ? short : `${short}:latest`;
}

const CONVERSES: ReadonlySet<DialectName> = new Set(["ollama-chat", "ollama-generate"]);

/** A cut that nobody asked for is an error, and in a stream it has to be one before the stream begins. */
function untruncated({ truncate }: JsonObject): readonly Edit[] {
  return truncate === undefined || truncate === null ? [{ op: "set", path: ["truncate"], value: false }] : [];
}

function windowed(body: JsonObject, contextTokens: number | undefined): readonly Edit[] {
  if (contextTokens === undefined) return [];
  const said = body["options"];
  if (said === undefined || said === null) return [{ op: "set", path: ["options"], value: { num_ctx: contextTokens } }];
  const options = optionsOf(body);
  // What is no options at all the server refuses in its own words.
  if (options === undefined || numberIn(options["num_ctx"]) !== undefined) return [];
  return [{ op: "set", path: ["options", "num_ctx"], value: contextTokens }];
}

function optionsOf(body: JsonObject): JsonObject | undefined {
  const said = body["options"];
  return typeof said === "object" && said !== null && !Array.isArray(said) ? (said as JsonObject) : undefined;
}

function numberIn(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" && value > 0 ? value : undefined;
}

/** `OLLAMA_HOST` is what the server listens on: a scheme, the port, or a host one could call may be missing. */
function hostUrl(given: string): string {
  const hasScheme = /^https?:\/\//i.test(given);
  const named = isBareIPv6(given) ? `[${given}]` : given.startsWith(":") ? `0.0.0.0${given}` : given;
  const text = hasScheme ? given : `http://${named}`;
  if (!URL.canParse(text)) return given;
  const url = new URL(text);
  if (url.hostname === "0.0.0.0") url.hostname = "127.0.0.1";
  if (url.hostname === "[::]") url.hostname = "[::1]";
  const isBare = !hasScheme && url.port === "" && !/:\d+\/?$/.test(named);
  if (isBare) url.port = PORT;
  // Some write it as their OpenAI client has it.
  return url.href.replace(/\/+$/, "").replace(/\/v1$/, "");
}

function isBareIPv6(given: string): boolean {
  return /^[0-9a-f:.]+$/i.test(given) && given.split(":").length > 2;
}
