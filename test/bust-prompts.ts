/** Prompts as they are sent, and their bills: for what is told of prompts that were not read. */
import type { SentPrompt } from "../src/cache/bust.ts";
import { readPrefixes } from "../src/cache/prefixes.ts";
import { cacheRules } from "../src/cache/rules.ts";
import type { ChatRequest, FunctionTool, Message } from "../src/chat.ts";
import { UNKNOWN_USAGE, type Rates, type Usage } from "../src/usage.ts";
import { request, said } from "./made-target.ts";

export const RATES: Rates = {
  inputUncached: 1_000n,
  cacheRead: 100n,
  cacheWrite5m: 1_250n,
  cacheWrite1h: 2_000n,
  output: 5_000n,
};
export const MARKS = cacheRules(
  { kind: "marks", style: "cache_control", minTokens: 100, maxMarks: 4, ttlSeconds: [300, 3_600], lookback: 20 },
  RATES,
);
export const AUTOMATIC = cacheRules(
  { kind: "automatic", minTokens: 1_024, stepTokens: 128, key: true, idleSeconds: 600 },
  RATES,
);

export const prose = (words: number, seed = 1) =>
  Array.from({ length: words }, (_, at) => `word${"abcdefghij"[(at * seed * 7 + at) % 10]}`).join(" ");
export const tool = (name: string, own: Partial<FunctionTool> = {}): FunctionTool => ({
  type: "function",
  name,
  description: `Does ${name}. ${prose(150)}`,
  parameters: { type: "object", properties: { one: { type: "string" }, two: { type: "number" } } },
  ...own,
});
export const SYSTEM = `You are careful. ${prose(1_500)}`;

export function conversation(
  given: Partial<ChatRequest> = {},
  turns: readonly string[] = ["Hello there"],
): ChatRequest {
  const messages: Message[] = [
    said(SYSTEM, "system"),
    ...turns.map((text, at) => said(text, at % 2 === 0 ? "user" : "assistant")),
  ];
  return request({ model: "claude", tools: [tool("alpha"), tool("beta"), tool("gamma")], messages, ...given });
}

export function sentPrompt(request: ChatRequest, given: Partial<SentPrompt> = {}): SentPrompt {
  const prefixes = readPrefixes(request, given.tenant ?? "tenant", "");
  return {
    tenant: "tenant",
    task: "task",
    taskClass: undefined,
    request,
    prefixes,
    target: "anthropic/claude",
    rules: MARKS,
    price: { version: "p", rates: RATES },
    tokenRatio: 1,
    predictedRead: 0,
    marks: [
      { place: prefixes.staticPlace, ttlSeconds: 300 },
      { place: prefixes.spots.length - 1, ttlSeconds: 300 },
    ].filter(({ place }) => place >= 0),
    marksBy: "gateway",
    sentAs: {},
    isNoiseSent: true,
    excerpts: false,
    ...given,
  };
}

export const billed = (read: number, whole: number): Usage => ({
  ...UNKNOWN_USAGE,
  inputUncached: 0,
  cacheRead: read,
  cacheWrite5m: whole - read,
  output: 1,
});
export const AT = 1_000_000;
export const FIVE_MINUTES = 300_000;
