/**
 * The provider simulator: real wire formats, real cache rules, real refusals, an invoice, and no model. Runs in the process that starts
 * it, on a port of its own.
 *
 * @example
 * const sandbox = await startSandbox({ port: 0 });
 * const client = new OpenAI({ baseURL: `${sandbox.url}/openai/v1`, apiKey: "any" });
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ModelRecord } from "../../src/model.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { ModelPace, ScriptedModel } from "./counter.ts";
import { Faults } from "./faults.ts";
import { answerAsItself } from "./itself.ts";
import { Invoice } from "./invoice.ts";
import { Limiter, type RateLimits } from "./limits.ts";
import { createModelBook } from "./models.ts";
import { type ReceivedRequest, RequestLog } from "./requests.ts";
import { serve } from "./serve.ts";
import { type AnthropicOptions, anthropicWire } from "./wire/anthropic.ts";
import { mistralWire } from "./wire/mistral.ts";
import { type OllamaOptions, ollamaWire } from "./wire/ollama.ts";
import { openaiWire } from "./wire/openai.ts";
import type { ResponsesOptions } from "./wire/openai.responses.read.ts";
import { type VllmOptions, vllmWire } from "./wire/vllm.ts";
import type { Wire } from "./wire/wire.ts";

export { instantClock, manualClock, systemClock, type Clock, type ManualClock } from "./clock.ts";
export type { Said } from "./answer.ts";
export type { ScriptedModel } from "./counter.ts";
export type { ReceivedRequest } from "./requests.ts";

export interface SandboxOptions {
  readonly host?: string;
  /** 0: any that is free. */
  readonly port?: number;
  /** Decides every lifetime, limit and pause. Default: the machine's. */
  readonly clock?: Clock;
  /** How fast the models are. Default: they take no time. */
  readonly pace?: ModelPace;
  /** Says what is answered, where it has something to say. Default: the sandbox's own answers. */
  readonly model?: ScriptedModel;
  /** Rate limits by provider, for each of its accounts. Default: none. */
  readonly limits?: Readonly<Record<string, RateLimits>>;
  /** The models it knows, instead of its own list. */
  readonly models?: readonly ModelRecord[];
  readonly openai?: ResponsesOptions;
  readonly anthropic?: AnthropicOptions;
  readonly vllm?: VllmOptions;
  readonly ollama?: OllamaOptions;
}

export interface RunningSandbox {
  /** Where it listens; its providers are mounted below. */
  readonly url: string;
  readonly port: number;
  readonly providers: readonly string[];
  /** Of each provider, as its clients are configured: `…/openai/v1`, `…/anthropic`, `…/ollama`. */
  readonly baseUrls: readonly string[];
  /** The newest requests, newest last. */
  readonly requests: readonly ReceivedRequest[];
  /** Requests whose answer is not over. */
  readonly openRequests: number;
  readonly faults: Faults;
  readonly invoice: Invoice;
  readonly clock: Clock;
  /** Forgets requests, faults, invoice, caches and spent limits. */
  reset(): void;
  close(): Promise<void>;
}

/** Longer than clients keep their connections, so that it is they who close them. */
const KEEP_ALIVE_MS = 75_000;

export async function startSandbox(options: SandboxOptions = {}): Promise<RunningSandbox> {
  const clock = options.clock ?? systemClock();
  const book = createModelBook(options.models);
  const requests = new RequestLog();
  const faults = new Faults();
  const invoice = new Invoice();
  const wires: readonly Wire[] = [
    openaiWire(options.openai),
    anthropicWire(options.anthropic),
    mistralWire(),
    vllmWire(options.vllm),
    ollamaWire(options.ollama),
  ];
  let count = 0;
  const closing = new AbortController();
  const counters = new Map(
    wires.map((wire) => {
      const limiter = new Limiter(options.limits?.[wire.provider]);
      const pace = options.pace ?? {};
      return [
        wire.provider,
        {
          wire,
          book,
          clock,
          pace,
          model: options.model,
          faults,
          limiter,
          invoice,
          chats: { running: 0 },
          closing: closing.signal,
          number: () => count++,
        },
      ] as const;
    }),
  );
  const reset = () => {
    requests.clear();
    faults.clear();
    invoice.clear();
    for (const { wire, limiter } of counters.values()) {
      wire.reset();
      limiter.clear();
    }
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const method = request.method ?? "GET";
    const [, mount = "", path = ""] = /^\/([^/?]*)([^?]*)/.exec(request.url ?? "/") ?? [];
    const counter = counters.get(mount);
    if (counter === undefined) {
      answerAsItself(method, `/${mount}${path}`, response, {
        url: url(),
        baseUrls: baseUrls(),
        invoice,
        reset,
      });
      return;
    }
    const received = requests.add({ provider: mount, method, path, headers: request.headers, atMs: clock.now() });
    await serve(request, response, received, counter);
  };
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      // A client that leaves while its body is read is no fault of ours.
      if (!request.complete) return void response.destroy();
      process.stderr.write(`sandbox: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      if (response.headersSent) return void response.destroy();
      response.writeHead(500, { "content-type": "text/plain" }).end("The sandbox failed.\n");
    });
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  const host = options.host ?? "127.0.0.1";
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const baseUrls = () => wires.map((wire) => `${url()}/${wire.provider}${wire.base}`);
  const url = () => `http://${host.includes(":") ? `[${host}]` : host}:${port}`;

  return {
    url: url(),
    port,
    providers: [...counters.keys()],
    baseUrls: baseUrls(),
    get requests() {
      return requests.all;
    },
    get openRequests() {
      return requests.open;
    },
    faults,
    invoice,
    clock,
    reset,
    close: async () => {
      closing.abort();
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
