/** Anthropic, Messages. */
import type { Provider } from "../src/provider.ts";

/** What is spoken when the client did not choose: the version whose documented credential header is `x-api-key`. */
const VERSION = "2023-06-01";
/** The client chooses what it speaks: dropping a beta would make its own fields unknown ones. */
const PASSED = ["anthropic-version", "anthropic-beta"];

export const anthropic: Provider = {
  kind: "anthropic",
  defaultBaseUrl: "https://api.anthropic.com",
  environment: { apiKey: "ANTHROPIC_API_KEY", baseUrl: "ANTHROPIC_BASE_URL" },
  // The SDKs' base URL has no version, but many write it.
  baseUrl: (given) => given.replace(/\/+$/, "").replace(/\/v1$/, ""),
  needsKey: true,
  modelPrefixes: ["claude-"],
  dialects: () => ["anthropic-messages"],
  path: () => "/v1/messages",
  headers(clientHeaders, settings) {
    const passed = PASSED.flatMap((name) => {
      const value = clientHeaders.get(name);
      return value === null ? [] : [[name, value] as const];
    });
    return {
      "anthropic-version": VERSION,
      ...Object.fromEntries(passed),
      ...(settings.apiKey === undefined ? {} : { "x-api-key": settings.apiKey }),
      ...settings.headers,
    };
  },
  // Not `anthropic-organization-id`: that describes our account.
  answerHeaders: ["anthropic-ratelimit-*", "anthropic-priority-*", "anthropic-fast-*"],
  asksStreamUsage: false,
  absentCacheRead: "zero",
};
