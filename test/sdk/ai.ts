/** The Vercel `ai` package with each of its providers pointed at the gateway as a person would. */
import { createAnthropic } from "@ai-sdk/anthropic";
import { createMistral } from "@ai-sdk/mistral";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import type { generateText, LanguageModel } from "ai";

// Its warnings are about settings a provider has no word for, and would be printed in between.
globalThis.AI_SDK_LOG_WARNINGS = false;

type ProviderOptions = NonNullable<Parameters<typeof generateText>[0]["providerOptions"]>;

export interface AiProvider {
  readonly name: string;
  /** What it speaks. */
  readonly dialect: string;
  /** Where a person points it at, after the gateway's own URL. */
  readonly paths: readonly [string, ...string[]];
  /** The model of this id behind this base URL. */
  readonly model: (baseURL: string, id: string, apiKey?: string) => LanguageModel;
  /** What it must be told besides, so that what it sends is whole for every target. */
  readonly providerOptions?: ProviderOptions;
  /** How it is told to ask for a structure in the dialect's own words, where it would force a tool of its own for most models. */
  readonly structures?: ProviderOptions;
  /** How it is told to think. */
  readonly thinks: ProviderOptions;
  /** Whether its dialect has a word for what was thought, and it reads that. */
  readonly hearsThoughts: boolean;
  /** Whether a cache is asked for by marks in the prompt, and not by a key. */
  readonly marks: boolean;
  /** Whether it hands on how much was written to a cache, and how much was thought. */
  readonly tellsCacheWrite: boolean;
  readonly tellsReasoning: boolean;
}

const KEY = "any";

/** A provider of the package joins here, and every suite of it runs over it. */
export const AI_PROVIDERS: readonly AiProvider[] = [
  {
    name: "openai, Responses",
    dialect: "openai-responses",
    paths: ["/v1", "/openai/v1"],
    model: (baseURL, id, apiKey = KEY) => createOpenAI({ baseURL, apiKey })(id),
    // As it is by itself: it names what was said and thought before by its id, for who answered to have kept it.
    thinks: {
      openai: {
        // It knows a model that thinks by its bare name.
        forceReasoning: true,
        reasoningEffort: "high",
        reasoningSummary: "auto",
      },
    },
    hearsThoughts: true,
    marks: false,
    tellsCacheWrite: true,
    tellsReasoning: true,
  },
  {
    name: "openai, Chat Completions",
    dialect: "openai-chat",
    paths: ["/v1", "/openai/v1"],
    model: (baseURL, id, apiKey = KEY) => createOpenAI({ baseURL, apiKey }).chat(id),
    thinks: { openai: { reasoningEffort: "high" } },
    hearsThoughts: false,
    marks: false,
    tellsCacheWrite: true,
    tellsReasoning: true,
  },
  {
    name: "openai-compatible",
    dialect: "openai-chat",
    paths: ["/v1", "/openai/v1"],
    model: (baseURL, id, apiKey = KEY) =>
      createOpenAICompatible({
        name: "sluice",
        baseURL,
        apiKey,
        includeUsage: true,
        supportsStructuredOutputs: true,
      })(id),
    thinks: { sluice: { reasoningEffort: "high" } },
    hearsThoughts: true,
    marks: false,
    tellsCacheWrite: false,
    tellsReasoning: true,
  },
  {
    name: "anthropic",
    dialect: "anthropic-messages",
    paths: ["/v1", "/anthropic/v1"],
    model: (baseURL, id, apiKey = KEY) => createAnthropic({ baseURL, apiKey })(id),
    structures: { anthropic: { structuredOutputMode: "outputFormat" } },
    thinks: { anthropic: { thinking: { type: "enabled", budgetTokens: 2_048 } } },
    hearsThoughts: true,
    marks: true,
    tellsCacheWrite: true,
    tellsReasoning: true,
  },
  {
    name: "mistral",
    dialect: "mistral-chat",
    // It does not say who it is: at the official path, which is OpenAI's, too, it gets OpenAI's errors and finds no words in them.
    paths: ["/mistral/v1"],
    model: (baseURL, id, apiKey = KEY) => createMistral({ baseURL, apiKey })(id),
    thinks: { mistral: { reasoningEffort: "high" } },
    hearsThoughts: true,
    marks: false,
    tellsCacheWrite: false,
    tellsReasoning: false,
  },
];
