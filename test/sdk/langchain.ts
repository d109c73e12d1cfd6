/** LangChain's chat models pointed at the gateway as a person would. */
import { ChatAnthropic } from "@langchain/anthropic";
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { UsageMetadata } from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import { isSame, present, type SimulatedTarget } from "./simulated.ts";

/** What the classes have in common, and all of them have. */
export type LangchainChat = BaseChatModel & Required<Pick<BaseChatModel, "bindTools">>;

export interface LangchainModel {
  readonly name: string;
  /** What it speaks. */
  readonly dialect: string;
  /** The model of this id behind the gateway. Told to think where `thinks`. */
  readonly create: (url: string, id: string, options?: LangchainOptions) => LangchainChat;
}

export interface LangchainOptions {
  readonly apiKey?: string;
  readonly maxTokens?: number;
  readonly thinks?: boolean;
}

const RETRIES = { maxRetries: 0 };
const EFFORT = { reasoning: { effort: "high" as const } };

/** A class joins here, and every suite of LangChain's runs over it. */
export const LANGCHAIN_MODELS: readonly LangchainModel[] = [
  {
    name: "ChatOpenAI",
    dialect: "openai-chat",
    create: (url, model, { apiKey = "any", thinks = false, ...rest } = {}) =>
      new ChatOpenAI({
        model,
        apiKey,
        configuration: { baseURL: `${url}/v1` },
        useResponsesApi: false,
        ...RETRIES,
        ...(thinks ? EFFORT : {}),
        ...rest,
      }),
  },
  {
    name: "ChatOpenAI on Responses",
    dialect: "openai-responses",
    create: (url, model, { apiKey = "any", thinks = false, ...rest } = {}) =>
      new ChatOpenAI({
        model,
        apiKey,
        configuration: { baseURL: `${url}/openai/v1` },
        useResponsesApi: true,
        // What was said before is sent whole, with what was thought: any target can go on from it.
        zdrEnabled: true,
        ...RETRIES,
        ...(thinks ? EFFORT : {}),
        ...rest,
      }),
  },
  {
    name: "ChatAnthropic",
    dialect: "anthropic-messages",
    create: (url, model, { apiKey = "any", thinks = false, maxTokens = 4_000, ...rest } = {}) =>
      new ChatAnthropic({
        model,
        apiKey,
        anthropicApiUrl: url,
        maxTokens,
        ...RETRIES,
        ...(thinks ? { thinking: { type: "enabled" as const, budget_tokens: 2_048 } } : {}),
        ...rest,
      }),
  },
];

/** Anthropic's own streams begin with one token of output, which is in their last count, too: LangChain adds them up. */
export function addedInStreams(dialect: string, target: SimulatedTarget): number {
  return dialect === "anthropic-messages" && isSame(target, dialect) ? 1 : 0;
}

/** The usage of a message, which its type has for messages of a known structure only. */
export function usageOf(message: object | undefined): UsageMetadata {
  const { usage_metadata: usage } = present(message, "the message") as { readonly usage_metadata?: UsageMetadata };
  return present(usage, "usage");
}
