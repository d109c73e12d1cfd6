/** Requests and targets with as little in them as a test needs. */
import { providerKinds } from "../providers/index.ts";
import type { ChatRequest, Message } from "../src/chat.ts";
import { priceAt, type ModelRecord } from "../src/model.ts";
import { createModelTable, type ModelOverrides } from "../src/models.ts";
import type { CallFacts, ProviderSettings } from "../src/provider.ts";
import { createTargets, type Candidate, type Target, type Targets, type TargetsConfig } from "../src/target.ts";

export const NOW_MS: number = Date.parse("2026-11-22T12:00:00Z");

/** A call of the only tenant. */
export const NO_FACTS: CallFacts = { cacheSalt: undefined, contextTokens: undefined };

/** One user message, unless said otherwise. */
export function request(given: Partial<ChatRequest> = {}): ChatRequest {
  return {
    dialect: "openai-chat",
    model: "auto",
    stream: false,
    wantsStreamUsage: false,
    messages: [said("Hello")],
    tools: [],
    extra: {},
    ...given,
  };
}

export function said(text: string, role: "user" | "system" | "assistant" = "user"): Message {
  return { role, parts: [{ type: "text", text }] };
}

/** A model of the table (or one that is made up) at the provider that serves it. */
export function target(model: string, own: Partial<ModelRecord> = {}, instanceName?: string): Target {
  const found = createModelTable().find(model);
  if (found === undefined) throw new Error(`${model} is not in the table`);
  const record = { ...found, ...own };
  const provider = providerKinds.find((kind) => kind.kind === record.provider);
  if (provider === undefined) throw new Error(`nobody serves ${model}`);
  const name = instanceName ?? provider.kind;
  return {
    name: `${name}/${model}`,
    instance: { name, provider, settings: { baseUrls: ["http://127.0.0.1:9/v1"] } },
    model,
    record,
    price: priceAt(record, NOW_MS),
  };
}

export function candidate(name: string, given: Partial<Candidate> = {}): Candidate {
  return {
    target: { ...target("gpt-5.4-nano"), name },
    dialect: "openai-chat",
    promptTokens: 100,
    warmTokens: 0,
    outputTokens: 50,
    expectedCost: undefined,
    named: false,
    bound: false,
    resting: false,
    ...given,
  };
}

export interface TargetsOptions {
  readonly config?: Partial<TargetsConfig>;
  readonly models?: ModelOverrides;
  readonly nowMs?: number;
}

/** Targets of providers by their kinds ("openai"), or by names of their own ("vllm-eu": "vllm"). */
export function targetsOf(
  providers: readonly string[] | Readonly<Record<string, string>>,
  { config = {}, models = {}, nowMs = NOW_MS }: TargetsOptions = {},
): Targets {
  const named: Readonly<Record<string, string>> = Array.isArray(providers)
    ? Object.fromEntries(providers.map((kind: string) => [kind, kind]))
    : (providers as Readonly<Record<string, string>>);
  const settings: ProviderSettings = { baseUrls: ["http://127.0.0.1:9/v1"] };
  return createTargets(
    {
      providers: Object.entries(named).map(([name, kind]) => ({ name, kind, settings, models: [] })),
      aliases: {},
      policy: {},
      ...config,
    },
    createModelTable(models),
    providerKinds,
    () => nowMs,
  );
}
