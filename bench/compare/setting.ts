/** Where it is run: the providers that are configured, or, where there are none, the simulator, and a gateway of its own or one that runs. */
import { join } from "node:path";
import { readFileSync } from "node:fs";
import { providerKinds } from "../../providers/index.ts";
import { createApp } from "../../routes/index.ts";
import { ConfigError, loadConfig, type Config } from "../../src/config.ts";
import { readConfigText, type Environment } from "../../src/config-yaml.ts";
import { createSluice } from "../../src/index.ts";
import { createLog } from "../../src/log.ts";
import type { ConfiguredModelRow } from "../../src/models-schema.ts";
import { startServer } from "../../src/server.ts";
import { startSandbox, type RunningSandbox, type SandboxOptions, type ScriptedModel } from "../sandbox/index.ts";
import { CompareError } from "./compare-error.ts";

export interface Setting {
  readonly config: Config;
  /** Rows of models by `provider/model` or by the model alone, as the file has them: what hardware costs is in no record. */
  readonly rows: ReadonlyMap<string, ConfiguredModelRow>;
  readonly isSandbox: boolean;
  readonly sandbox: RunningSandbox | undefined;
  close(): Promise<void>;
}

export interface SettingOptions {
  /** A sluice.yaml; absent: the folder's, if there is one. */
  readonly configFile: string | undefined;
  /** A gateway that runs is called: its providers are its own matter, and the file here says what they are called and cost. */
  readonly isElsewhere: boolean;
  /** The simulator, whatever is configured. */
  readonly forcesSandbox: boolean;
  readonly environment: Environment;
  readonly folder: string;
  /** Whoever answers in the simulator. */
  readonly model: ScriptedModel;
  /** How fast it is; absent: it takes no time. */
  readonly pace?: NonNullable<SandboxOptions["pace"]>;
}

/** @throws CompareError */
export async function openSetting(options: SettingOptions): Promise<Setting> {
  if (!options.forcesSandbox) {
    const config = loaded(() =>
      loadConfig({
        arguments: ["check", ...(options.configFile === undefined ? [] : ["--config", options.configFile])],
        environment: options.environment,
        folder: options.folder,
        kinds: providerKinds,
      }),
    );
    if (config.providers.length > 0) {
      const rows = rowsOf(config, options);
      return { config, rows, isSandbox: false, sandbox: undefined, close: async () => {} };
    }
    if (options.isElsewhere)
      return {
        config: { ...config, providers: everyKind() },
        rows: new Map(),
        isSandbox: false,
        sandbox: undefined,
        close: async () => {},
      };
  }
  const sandbox = await startSandbox({
    host: "127.0.0.1",
    port: 0,
    model: options.model,
    ...(options.pace === undefined ? {} : { pace: options.pace }),
    // As a server is to be started whose costs are to be known to the token.
    vllm: { reportsCached: true },
  });
  const config = loaded(() => sandboxConfig(sandbox.url));
  return { config, rows: new Map(), isSandbox: true, sandbox, close: () => sandbox.close() };
}

/** Under its own name, where nobody says more. */
function everyKind(): Config["providers"] {
  return providerKinds.map(({ kind }) => ({ name: kind, kind, settings: { baseUrls: [] }, models: [] }));
}

function loaded(load: () => { readonly config: Config }): Config {
  try {
    return load().config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new CompareError(`the configuration: ${error.problems.join("; ")}`);
  }
}

/** Each provider as a person would configure it, with the simulator's address. */
function sandboxConfig(url: string): { readonly config: Config } {
  return loadConfig({
    arguments: ["check"],
    environment: {
      OPENAI_API_KEY: "simulated",
      OPENAI_BASE_URL: `${url}/openai/v1`,
      ANTHROPIC_API_KEY: "simulated",
      ANTHROPIC_BASE_URL: `${url}/anthropic`,
      MISTRAL_API_KEY: "simulated",
      MISTRAL_BASE_URL: `${url}/mistral/v1`,
      VLLM_BASE_URL: `${url}/vllm/v1`,
      OLLAMA_HOST: `${url}/ollama`,
    },
    folder: "/nowhere",
    kinds: providerKinds,
    readFile: () => "",
  });
}

/** The file once more, for what becomes a price when it is read. */
function rowsOf(config: Config, { configFile, environment, folder }: SettingOptions): Map<string, ConfiguredModelRow> {
  const rows = new Map<string, ConfiguredModelRow>(Object.entries(config.models));
  let text;
  try {
    text = readFileSync(configFile ?? join(folder, "sluice.yaml"), "utf8");
  } catch {
    return rows;
  }
  const read = readConfigText(text, "sluice.yaml", environment);
  if (!read.ok) return rows;
  for (const [provider, { models }] of Object.entries(read.file.providers ?? {}))
    for (const [model, row] of Object.entries(models)) rows.set(`${provider}/${model}`, row);
  return rows;
}

export interface OwnGateway {
  readonly url: string;
  close(): Promise<void>;
}

/** For this comparison alone: on a port of this machine that asks for no key, with a ledger of its own, and nobody to be alarmed by what it spends. */
export async function startOwnGateway(config: Config, ledgerPath: string): Promise<OwnGateway> {
  const own: Config = {
    ...config,
    keys: [],
    budgets: [],
    notify: [],
    alertRules: [],
    listen: { host: "127.0.0.1", port: 0 },
  };
  const sluice = await createSluice({
    config: own,
    kinds: providerKinds,
    ledgerPath,
    log: createLog("silent", () => {}),
  });
  const server = await startServer(createApp(sluice).fetch, {
    host: "127.0.0.1",
    port: 0,
    headerBytesMax: config.limits.headerBytesMax,
  });
  return {
    url: server.url,
    async close() {
      server.cut();
      await server.close();
      await sluice.close();
    },
  };
}
