/** The simulator, and a gateway before it that is configured as a person would do it. */
import OpenAI from "openai";
import { providerKinds } from "../../providers/index.ts";
import { createApp } from "../../routes/index.ts";
import { loadConfig } from "../../src/config.ts";
import { createSluice, type Sluice } from "../../src/index.ts";
import { createLog } from "../../src/log.ts";
import { startServer } from "../../src/server.ts";
import { startSandbox, type RunningSandbox } from "../sandbox/index.ts";
import { TARGETS } from "./truth.ts";

export interface Arrangement {
  readonly sandbox: RunningSandbox;
  readonly sluice: Sluice;
  readonly url: string;
  readonly openai: OpenAI;
  close(): Promise<void>;
}

/** @param trialsUsd What may be spent a day on trying others than the best known; 0: nothing is tried. */
export async function arrange(trialsUsd: number): Promise<Arrangement> {
  const sandbox = await startSandbox({ port: 0 });
  const { config } = loadConfig({
    arguments: [],
    environment: {
      PORT: "0",
      OPENAI_API_KEY: "simulated",
      OPENAI_BASE_URL: `${sandbox.url}/openai/v1`,
      ANTHROPIC_API_KEY: "simulated",
      ANTHROPIC_BASE_URL: `${sandbox.url}/anthropic`,
    },
    folder: "/nowhere",
    kinds: providerKinds,
    readFile: () => `policy: { default: cheapest-task, targets: [${TARGETS.join(", ")}] }
${trialsUsd > 0 ? `classes: { "*": { trials: { usdPerDay: ${trialsUsd} } } }` : ""}`,
  });
  const sluice = await createSluice({
    config,
    kinds: providerKinds,
    ledgerPath: ":memory:",
    log: createLog("error", (line) => process.stderr.write(`${line}\n`)),
  });
  const server = await startServer(createApp(sluice).fetch, {
    host: "127.0.0.1",
    port: 0,
    headerBytesMax: config.limits.headerBytesMax,
  });
  return {
    sandbox,
    sluice,
    url: server.url,
    openai: new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "any", maxRetries: 0 }),
    async close() {
      server.cut();
      await server.close();
      await sluice.close();
      await sandbox.close();
    },
  };
}
