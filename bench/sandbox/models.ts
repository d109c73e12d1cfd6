/**
 * The models the sandbox knows, written down apart from the gateway's table: the few facts that decide what is cached and what is
 * refused, so that a wrong row there is a refusal or a bill here. Prices are not among them (see `invoice.ts`).
 */
import { RECORD_DEFAULTS, type CacheContract, type ModelRecord, type ReasoningContract } from "../../src/model.ts";

export interface ModelBook {
  /** A model this provider serves: one that is known, else one of the form its ids have. */
  find(provider: string, modelId: string): ModelRecord | undefined;
  of(provider: string): readonly ModelRecord[];
}

export function createModelBook(known: readonly ModelRecord[] = KNOWN_MODELS): ModelBook {
  const byName = new Map(
    known.flatMap((record) =>
      [record.id, ...record.aliases].map((name) => [`${record.provider}/${name}`, record] as const),
    ),
  );
  return {
    // A dated snapshot is the model it is a snapshot of.
    find: (provider, modelId) =>
      byName.get(`${provider}/${modelId}`) ??
      byName.get(`${provider}/${modelId.replace(SNAPSHOT_DATE, "")}`) ??
      guessed(provider, modelId),
    of: (provider) => known.filter((record) => record.provider === provider),
  };
}

const SNAPSHOT_DATE = /-(?:\d{8}|\d{4}-\d{2}-\d{2})$/;

type Facts = Partial<Omit<ModelRecord, "id" | "provider">>;

/** Of a form, newest first: an unknown id is taken for a sibling of the first that fits. */
interface Family {
  readonly provider: string;
  readonly ids: RegExp;
  readonly facts: Facts;
}

function guessed(provider: string, modelId: string): ModelRecord | undefined {
  const family = FAMILIES.find((one) => one.provider === provider && one.ids.test(modelId));
  return family === undefined ? undefined : { ...RECORD_DEFAULTS, ...family.facts, id: modelId, provider };
}

const AUTOMATIC: CacheContract = { kind: "automatic", minTokens: 1024, stepTokens: 128, key: true, idleSeconds: 450 };
/** Models whose entries outlive the machine's memory, unless the request says `in_memory`. */
const AUTOMATIC_DAY: CacheContract = { ...AUTOMATIC, idleSeconds: 86_400 };
const BREAKPOINTS: CacheContract = {
  kind: "marks",
  style: "prompt_cache_breakpoint",
  minTokens: 1024,
  maxMarks: 4,
  ttlSeconds: [1800],
  lookback: 80,
  splitsText: true,
};
const KEYED: CacheContract = { kind: "keyed", minTokens: 64, stepTokens: 64, idleSeconds: 300 };
const LOCAL: CacheContract = { kind: "local", stepTokens: 16 };
const TOKEN_BY_TOKEN: CacheContract = { kind: "local", stepTokens: 1 };

function marks(minTokens: number): CacheContract {
  return {
    kind: "marks",
    style: "cache_control",
    minTokens,
    maxMarks: 4,
    ttlSeconds: [300, 3600],
    lookback: 20,
    splitsText: true,
  };
}

const NO_REASONING: ReasoningContract = { kind: "none", efforts: [] };
const EFFORT_O: ReasoningContract = { kind: "effort", efforts: ["low", "medium", "high"], defaultEffort: "medium" };
const EFFORT_5: ReasoningContract = {
  kind: "effort",
  efforts: ["minimal", "low", "medium", "high"],
  defaultEffort: "medium",
};
const EFFORT_5_4: ReasoningContract = {
  kind: "effort",
  efforts: ["none", "low", "medium", "high", "xhigh"],
  defaultEffort: "none",
  off: "none",
};
const EFFORT_5_6: ReasoningContract = {
  kind: "effort",
  efforts: ["none", "low", "medium", "high", "xhigh", "max"],
  defaultEffort: "medium",
  off: "none",
};
const NONE_HIGH: ReasoningContract = { kind: "effort", efforts: ["none", "high"], defaultEffort: "none", off: "none" };
const BUDGET: ReasoningContract = { kind: "budget", efforts: [], off: "disabled" };
const ADAPTIVE_4_6: ReasoningContract = {
  kind: "adaptive",
  efforts: ["low", "medium", "high", "max"],
  defaultEffort: "high",
  off: "disabled",
};
const ADAPTIVE: ReasoningContract = {
  kind: "adaptive",
  efforts: ["low", "medium", "high", "xhigh", "max"],
  defaultEffort: "medium",
  off: "disabled",
};
const ADAPTIVE_ALWAYS: ReasoningContract = {
  kind: "adaptive",
  efforts: ["low", "medium", "high", "xhigh", "max"],
  defaultEffort: "medium",
};
const ADAPTIVE_BETWEEN: ReasoningContract = { ...ADAPTIVE_ALWAYS, defaultEffort: "high", off: "between_tools" };

const gpt4: Facts = { cache: AUTOMATIC, reasoning: NO_REASONING };
const gpt5: Facts = {
  cache: AUTOMATIC,
  reasoning: EFFORT_5,
  sampling: "none",
  contextTokens: 400_000,
  maxInputTokens: 272_000,
  maxOutputTokens: 128_000,
};
const gpt54: Facts = {
  cache: AUTOMATIC,
  reasoning: EFFORT_5_4,
  sampling: "effort-none-only",
  chatToolsNeedEffortNone: true,
  contextTokens: 400_000,
  maxInputTokens: 272_000,
  maxOutputTokens: 128_000,
};
const gpt54Large: Facts = { ...gpt54, cache: AUTOMATIC_DAY, contextTokens: 1_050_000, maxInputTokens: 922_000 };
const gpt56: Facts = { ...gpt54Large, cache: BREAKPOINTS, reasoning: EFFORT_5_6 };

const claude4: Facts = {
  cache: marks(4096),
  reasoning: BUDGET,
  sampling: "temperature-xor-top-p",
  temperatureMax: 1,
  prefill: true,
  contextTokens: 200_000,
  maxOutputTokens: 64_000,
};
const claude46: Facts = {
  cache: marks(1024),
  reasoning: ADAPTIVE_4_6,
  temperatureMax: 1,
  contextTokens: 1_000_000,
  maxOutputTokens: 64_000,
};
/** "Approximately 30 % more tokens" than Haiku 4.5 for the same text. */
const claude47: Facts = {
  ...claude46,
  cache: marks(2048),
  reasoning: ADAPTIVE,
  sampling: "none",
  maxOutputTokens: 128_000,
  tokenRatio: 1.3,
};
const claude5: Facts = { ...claude47, cache: marks(512) };

const mistral: Facts = {
  cache: KEYED,
  reasoning: NO_REASONING,
  temperatureMax: 1.5,
  contextTokens: 128_000,
  prefill: true,
};
const vllm: Facts = { cache: LOCAL, prefill: true };
/** What they can do besides stands where they are described (`wire/ollama.models.ts`). */
const ollama: Facts = { cache: TOKEN_BY_TOKEN, prefill: true, contextTokens: 131_072 };

function model(provider: string, id: string, facts: Facts): ModelRecord {
  return { ...RECORD_DEFAULTS, ...facts, id, provider };
}

const KNOWN_MODELS: readonly ModelRecord[] = [
  model("openai", "gpt-5.4", gpt54Large),
  model("openai", "gpt-5.4-mini", gpt54),
  model("openai", "gpt-5.4-nano", gpt54),
  model("openai", "gpt-5.5", gpt54Large),
  model("openai", "gpt-5-mini", gpt5),
  model("openai", "gpt-5-nano", gpt5),
  model("openai", "gpt-4.1-nano", { ...gpt4, contextTokens: 1_047_576, maxOutputTokens: 32_768 }),
  model("openai", "gpt-5.6-luna", gpt56),
  model("openai", "gpt-5.6-terra", gpt56),
  model("openai", "gpt-6-luna", gpt56),
  model("openai", "gpt-6.1-sol", gpt56),
  model("anthropic", "claude-haiku-4-5", claude4),
  model("anthropic", "claude-opus-4-5", claude4),
  model("anthropic", "claude-haiku-5-5", claude5),
  model("anthropic", "claude-sonnet-4-6", claude46),
  model("anthropic", "claude-opus-4-6", { ...claude46, cache: marks(4096), maxOutputTokens: 128_000 }),
  model("anthropic", "claude-opus-4-7", claude47),
  model("anthropic", "claude-opus-4-8", { ...claude47, cache: marks(1024), systemInMessages: true }),
  model("anthropic", "claude-sonnet-5", { ...claude5, cache: marks(1024) }),
  model("anthropic", "claude-sonnet-5-5", { ...claude5, reasoning: ADAPTIVE_BETWEEN, forcedTools: false }),
  model("anthropic", "claude-opus-5", { ...claude5, systemInMessages: true }),
  model("anthropic", "claude-opus-5-5", {
    ...claude5,
    reasoning: ADAPTIVE_ALWAYS,
    forcedTools: false,
    systemInMessages: true,
  }),
  model("anthropic", "claude-fable-5-1", {
    ...claude5,
    reasoning: ADAPTIVE_ALWAYS,
    forcedTools: false,
    systemInMessages: true,
  }),
  model("mistral", "mistral-small-2603", {
    ...mistral,
    reasoning: NONE_HIGH,
    contextTokens: 256_000,
    aliases: ["mistral-small-latest"],
  }),
  model("mistral", "mistral-medium-3.5", {
    ...mistral,
    contextTokens: 256_000,
    aliases: ["mistral-medium-3-5", "mistral-medium-latest"],
  }),
  model("mistral", "codestral-2508", { ...mistral, contextTokens: 256_000, aliases: ["codestral-latest"] }),
  model("mistral", "mistral-large-latest", { ...mistral, contextTokens: 256_000 }),
  model("vllm", "mistralai/Mistral-Small-4-119B-2603", {
    ...vllm,
    reasoning: NONE_HIGH,
    contextTokens: 256_000,
    toolCallIds: "nine-alphanumerics",
  }),
  model("ollama", "llama3.1:latest", { ...ollama, aliases: ["llama3.1"] }),
  model("ollama", "qwen3:4b", { ...ollama, contextTokens: 262_144 }),
  model("ollama", "qwen3-vl:8b-instruct", { ...ollama, contextTokens: 262_144 }),
  model("ollama", "qwen3-vl:8b", { ...ollama, contextTokens: 262_144 }),
  model("ollama", "gpt-oss:20b", ollama),
  model("ollama", "gemma3:1b", { ...ollama, contextTokens: 32_768 }),
  model("ollama", "gemma3:4b", ollama),
  model("ollama", "qwen2.5-coder:7b", { ...ollama, contextTokens: 32_768 }),
  model("ollama", "nomic-embed-text:latest", { ...ollama, contextTokens: 2048, aliases: ["nomic-embed-text"] }),
];

const FAMILIES: readonly Family[] = [
  { provider: "openai", ids: /^gpt-(?:5\.[6-9]|[6-9])/, facts: gpt56 },
  { provider: "openai", ids: /^gpt-5\.[1-5]/, facts: gpt54 },
  { provider: "openai", ids: /^gpt-5/, facts: gpt5 },
  { provider: "openai", ids: /^o\d/, facts: { ...gpt5, reasoning: EFFORT_O, contextTokens: 200_000 } },
  { provider: "openai", ids: /^(?:gpt-|chatgpt-|codex-|ft:gpt-)/, facts: gpt4 },
  {
    provider: "anthropic",
    ids: /^claude-(?:opus|fable|mythos)-[5-9]/,
    facts: { ...claude5, reasoning: ADAPTIVE_ALWAYS, systemInMessages: true },
  },
  { provider: "anthropic", ids: /^claude-[a-z]+-[5-9]/, facts: claude5 },
  { provider: "anthropic", ids: /^claude-[a-z]+-4-[7-9](?!\d)/, facts: claude47 },
  { provider: "anthropic", ids: /^claude-[a-z]+-4-6(?!\d)/, facts: claude46 },
  { provider: "anthropic", ids: /^claude-(?:[a-z]+-[34]|3)/, facts: { ...claude4, cache: marks(1024) } },
  { provider: "mistral", ids: /^magistral-/, facts: { ...mistral, reasoning: NONE_HIGH } },
  {
    provider: "mistral",
    ids: /^(?:mistral|ministral|codestral|devstral|pixtral|voxtral|open-mi(?:s|x)tral)-/,
    facts: mistral,
  },
  // Pulled is whatever has a name that could be; only other vendors' names are nobody's weights.
  {
    provider: "ollama",
    ids: /^(?!gpt-\d|claude-|mistral-(?:small|medium|large)-(?:\d{4}|latest))[\w.-]+(?:\/[\w.-]+)*(?::[\w.-]+)?$/,
    facts: ollama,
  },
  // A server of one's own serves whatever it was started with; only other vendors' names are nobody's weights.
  { provider: "vllm", ids: /^(?!gpt-\d|claude-|mistral-(?:small|medium|large)-)/, facts: vllm },
];
