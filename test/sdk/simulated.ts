/**
 * The whole arrangement under the official SDKs: client → gateway → provider simulator, each provider configured as a person would
 * do it, by the variables of its environment.
 */
import Anthropic from "@anthropic-ai/sdk";
import { Mistral } from "@mistralai/mistralai";
import { Ollama } from "ollama";
import OpenAI from "openai";
import { startSandbox, type RunningSandbox } from "../../bench/sandbox/index.ts";
import { startGateway, type RunningGateway } from "../running.ts";

interface SimulatedProvider {
  readonly kind: string;
  /** The model id that it knows. */
  readonly model: string;
  /** What other dialects are translated to for it. */
  readonly dialect: string;
  /** What it takes as it is, besides. */
  readonly takes?: readonly string[];
  /** Its variables, when it is the simulator at `url`. */
  readonly environment: (url: string) => Readonly<Record<string, string>>;
  /** Whether its answers say how much of the prompt came from its cache. */
  readonly tellsCacheRead: boolean;
  readonly isPriced: boolean;
  /** Whether it says which of the stop sequences it met. */
  readonly tellsStopSequence: boolean;
  /** Whether it has a word for a refusal that is not an answer's text. */
  readonly tellsRefusal: boolean;
  /** Whether it can be asked for "some JSON object". */
  readonly takesJsonObject: boolean;
  /** Whether its streams end with usage even where nobody asked. */
  readonly alwaysTellsUsage: boolean;
  /** Whether it can be told which tool to call, and how many. */
  readonly choosesTools: boolean;
  readonly seesImages: boolean;
  /** What it embeds with, where it does. */
  readonly embeds?: string;
}

/** A new provider joins here, and every suite of this folder runs over it. */
export const PROVIDERS: readonly SimulatedProvider[] = [
  {
    kind: "openai",
    model: "gpt-5.4-nano",
    dialect: "openai-chat",
    takes: ["openai-responses"],
    environment: (url) => ({ OPENAI_API_KEY: "sk-simulated-1", OPENAI_BASE_URL: `${url}/openai/v1` }),
    tellsCacheRead: true,
    isPriced: true,
    tellsStopSequence: false,
    tellsRefusal: true,
    takesJsonObject: true,
    alwaysTellsUsage: false,
    choosesTools: true,
    seesImages: true,
    embeds: "text-embedding-3-small",
  },
  {
    kind: "anthropic",
    model: "claude-haiku-5-5",
    dialect: "anthropic-messages",
    environment: (url) => ({ ANTHROPIC_API_KEY: "sk-simulated-2", ANTHROPIC_BASE_URL: `${url}/anthropic` }),
    tellsCacheRead: true,
    isPriced: true,
    tellsStopSequence: true,
    tellsRefusal: true,
    takesJsonObject: false,
    alwaysTellsUsage: true,
    choosesTools: true,
    seesImages: true,
  },
  {
    kind: "mistral",
    model: "mistral-small-2603",
    dialect: "mistral-chat",
    takes: ["openai-chat"],
    environment: (url) => ({ MISTRAL_API_KEY: "simulated-3", MISTRAL_BASE_URL: `${url}/mistral/v1` }),
    tellsCacheRead: true,
    isPriced: true,
    tellsStopSequence: false,
    tellsRefusal: false,
    takesJsonObject: true,
    alwaysTellsUsage: true,
    choosesTools: true,
    seesImages: true,
    embeds: "mistral-embed",
  },
  {
    kind: "vllm",
    model: "mistralai/Mistral-Small-4-119B-2603",
    dialect: "openai-chat",
    environment: (url) => ({ VLLM_BASE_URL: `${url}/vllm/v1` }),
    tellsCacheRead: false,
    isPriced: false,
    tellsStopSequence: true,
    tellsRefusal: false,
    takesJsonObject: true,
    alwaysTellsUsage: false,
    choosesTools: true,
    seesImages: true,
    embeds: "intfloat/e5-mistral-7b-instruct",
  },
  {
    kind: "ollama",
    model: "llama3.1:latest",
    dialect: "ollama-chat",
    environment: (url) => ({ OLLAMA_HOST: `${url}/ollama` }),
    tellsCacheRead: true,
    isPriced: false,
    tellsStopSequence: false,
    tellsRefusal: false,
    takesJsonObject: true,
    alwaysTellsUsage: true,
    choosesTools: false,
    seesImages: false,
  },
];

/** One of the simulated providers, under its own name or behind the `sandbox` provider. */
export interface SimulatedTarget extends Omit<SimulatedProvider, "environment"> {
  /** As a client names it, and as `x-sluice-target` says it. */
  readonly name: string;
  /** The provider on the ledger's rows. */
  readonly provider: string;
}

export const TARGETS: readonly SimulatedTarget[] = PROVIDERS.flatMap(({ environment: _, ...simulated }) => [
  { ...simulated, name: `${simulated.kind}/${simulated.model}`, provider: simulated.kind },
  { ...simulated, name: `sandbox/${simulated.model}`, provider: "sandbox" },
]);

/** Whether the target is sent a request of this dialect as it is. */
export function isSame({ dialect, takes = [] }: SimulatedTarget, client: string): boolean {
  return client === dialect || takes.includes(client);
}

export interface Simulation {
  readonly sandbox: RunningSandbox;
  readonly gateway: RunningGateway;
  /** No retries of its own: what the gateway says is what the test sees. */
  readonly openai: OpenAI;
  readonly anthropic: Anthropic;
  /** At the official path, where its client is known by its name. */
  readonly mistral: Mistral;
  readonly ollama: Ollama;
  close(): Promise<void>;
}

export interface SimulationOptions {
  /** Text of a sluice.yaml. */
  readonly yaml?: string;
  /** Without the provider that takes whatever nobody else does. */
  readonly withoutSandbox?: boolean;
  /** Further variables of the gateway's environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Tries again at once: nothing here needs the time that a provider would. */
export const QUICK_RETRIES = "retries:\n  backoffMs: 1\n";

export async function startSimulation(options: SimulationOptions = {}): Promise<Simulation> {
  const sandbox = await startSandbox({ host: "127.0.0.1", port: 0, ollama: { contextTokens: 16_384 } });
  const providers = Object.assign({}, ...PROVIDERS.map((provider) => provider.environment(sandbox.url))) as Record<
    string,
    string
  >;
  const gateway = await startGateway({
    environment: {
      ...providers,
      ...(options.withoutSandbox === true ? {} : { SLUICE_SANDBOX_URL: sandbox.url }),
      ...options.environment,
    },
    yaml: options.yaml ?? QUICK_RETRIES,
  });
  return {
    sandbox,
    gateway,
    ...clientsOf(gateway.url),
    async close() {
      await gateway.close();
      await sandbox.close();
    },
  };
}

export function clientsOf(
  url: string,
  apiKey: string = "any",
): Pick<Simulation, "openai" | "anthropic" | "mistral" | "ollama"> {
  return {
    openai: new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 }),
    anthropic: new Anthropic({ baseURL: url, apiKey, maxRetries: 0 }),
    mistral: new Mistral({ serverURL: url, apiKey, retryConfig: { strategy: "none" } }),
    ollama: new Ollama({ host: url, headers: { authorization: `Bearer ${apiKey}` } }),
  };
}

/** What the simulator answers to a plain question. */
export function echoOf(said: string): string {
  return `This is the sandbox, not a model. You said: ${said}`;
}

/** What it answers once it has been given its tools' results. */
export function resultsOf(...results: readonly string[]): string {
  return `This is the sandbox, not a model. The tool said: ${results.join(" | ")}`;
}

/** Fails with a sentence where a test expects something to be there. */
export function present<Value>(value: Value | null | undefined, what: string): Value {
  if (value === null || value === undefined) throw new Error(`${what} is missing`);
  return value;
}

/** What the promise was rejected with. */
export async function failure(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}
