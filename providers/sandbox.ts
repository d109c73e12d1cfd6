/**
 * The simulator that stands in for the real ones: each model is spoken to as its own provider would be, quirks included, so that
 * what works here works there.
 */
import type { DialectName } from "../src/chat.ts";
import type { ModelRecord } from "../src/model.ts";
import type { Provider } from "../src/provider.ts";
import { anthropic } from "./anthropic.ts";
import { mistral } from "./mistral.ts";
import { ollama } from "./ollama.ts";
import { openai } from "./openai.ts";
import { vllm } from "./vllm.ts";

const SIMULATED: readonly Provider[] = [openai, anthropic, mistral, vllm, ollama];

export const sandbox: Provider = {
  kind: "sandbox",
  environment: { baseUrl: "SLUICE_SANDBOX_URL" },
  needsKey: false,
  recordsOf: SIMULATED.map((provider) => provider.kind),
  // Whatever nobody else takes.
  modelPrefixes: [""],
  // One of the simulated servers tells what it has: its models are called by the names that people know them by.
  modelsPath: `/${ollama.kind}${ollama.modelsPath ?? ""}`,
  modelPaths: {
    show: `/${ollama.kind}${ollama.modelPaths?.show ?? ""}`,
    loaded: `/${ollama.kind}${ollama.modelPaths?.loaded ?? ""}`,
  },
  wholeId: (model) => ollama.wholeId?.(model) ?? model,
  dialects: (model, record) => simulated(model, record).dialects(model, record),
  prefers: (request, record) =>
    record === undefined ? undefined : simulated(record.id, record).prefers?.(request, record),
  path(dialect, model, record) {
    const provider = simulated(model, record);
    const path = provider.path(dialect, model, record);
    return `/${provider.kind}${/^\/(?:v1|api)\//.test(path) ? "" : "/v1"}${path}`;
  },
  // Which model it is for is not known here: each simulated provider takes the header it knows. It wants a key, and takes any.
  headers(clientHeaders, settings) {
    const keyed = { apiKey: "sandbox", ...settings };
    return { ...openai.headers(clientHeaders, keyed), ...anthropic.headers(clientHeaders, keyed) };
  },
  answerHeaders: SIMULATED.flatMap((provider) => provider.answerHeaders ?? []),
  quirks(dialect, body, record, call) {
    // The name in a client's body may have our own in front of it: a model that nobody knows has the quirks of who speaks so.
    const provider = record === undefined ? onlySpeaker(dialect) : simulated(record.id, record);
    if (provider === undefined) return [];
    if (record === undefined) return provider.quirks?.(dialect, body, record, call) ?? [];
    const edits = provider.quirks?.(dialect, body, record, call) ?? [];
    // This kind asks for usage in streams, as most of the simulated ones need it; who refuses the question is not asked.
    return provider.asksStreamUsage || !provider.dialects(record.id, record).includes(dialect)
      ? edits
      : [...edits, { op: "delete", path: ["stream_options"] }];
  },
  asksStreamUsage: true,
  // One of the simulated ones does not tell, and silence is not zero; the others always tell.
  absentCacheRead: "unknown",
  truncatesSilently: (body, model, record) =>
    simulated(model, record).truncatesSilently?.(body, model, record) === true,
  sizesWindow: (model, record) => simulated(model, record).sizesWindow?.(model, record) === true,
  windowOf: (body) => ollama.windowOf?.(body),
};

/** A dialect that several have does not tell which of them is simulated. */
function onlySpeaker(dialect: DialectName): Provider | undefined {
  return ollama.dialects("", undefined).includes(dialect) ? ollama : undefined;
}

/**
 * Open weights are named as on their hub, with an owner, or as Ollama does, with a tag; others by how a provider's names begin; what
 * nobody knows is answered as OpenAI would.
 */
function simulated(model: string, record: ModelRecord | undefined): Provider {
  const kind = record?.provider;
  const known = SIMULATED.find((provider) => provider.kind === kind);
  if (known !== undefined) return known;
  if (model.includes("/")) return vllm;
  if (TAGGED.test(model)) return ollama;
  return SIMULATED.find(({ modelPrefixes }) => modelPrefixes.some((prefix) => model.startsWith(prefix))) ?? openai;
}

/** Not a fine-tuned model of OpenAI's. */
const TAGGED = /^(?!ft:)[\w.-]+:[\w.-]+$/;
