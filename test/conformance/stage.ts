/**
 * Where recordings are played: one upstream that answers as told, standing in for every provider, and gateways in front of it that
 * are configured as a person would, by environment variables for the kinds there are and by a file for the rest.
 */
import type { IncomingHttpHeaders } from "node:http";
import { Agent, request } from "undici";
import { startFakeUpstream, type FakeUpstream, type Script } from "../fake-upstream.ts";
import { startGateway, type RunningGateway } from "../running.ts";

/** What clients show the gateway; no upstream may ever see it. */
export const CLIENT_KEY = "client-key-0123456789abcdef";

const PATHS = { chat: "/v1/chat/completions", messages: "/v1/messages" } as const;
export type Api = keyof typeof PATHS;

export interface Sent {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
}

export interface Stage {
  readonly upstream: FakeUpstream;
  /** The gateway that knows this provider. */
  gateway(provider: string): RunningGateway;
  /** Sends a body as a client of this surface does, key included, and reads the whole answer. */
  send(provider: string, call: Call): Promise<Sent>;
  close(): Promise<void>;
}

export interface Call {
  readonly api: Api;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly search?: string;
}

/** Kinds that the environment alone configures, with the variables that do it. */
const BY_ENVIRONMENT: Readonly<Record<string, (url: string) => Record<string, string>>> = {
  openai: (url) => ({ OPENAI_API_KEY: keyOf("openai"), OPENAI_BASE_URL: `${url}/v1` }),
  anthropic: (url) => ({ ANTHROPIC_API_KEY: keyOf("anthropic"), ANTHROPIC_BASE_URL: url }),
  mistral: (url) => ({ MISTRAL_API_KEY: keyOf("mistral"), MISTRAL_BASE_URL: url }),
  groq: (url) => ({ GROQ_API_KEY: keyOf("groq"), GROQ_BASE_URL: `${url}/v1` }),
  vllm: (url) => ({ VLLM_API_KEY: keyOf("vllm"), VLLM_BASE_URL: `${url}/v1` }),
};

/** The credential that a provider is to be shown. */
export function keyOf(provider: string): string {
  return `upstream-key-of-${provider}-0123456789`;
}

/** @param providers Who else is to stand there: who is no kind of its own is a server that speaks OpenAI's dialect. */
export async function startStage(providers: readonly string[] = []): Promise<Stage> {
  const others = [...new Set(providers)].filter((name) => BY_ENVIRONMENT[name] === undefined);
  const upstream = await startFakeUpstream((outgoing) => void outgoing.writeHead(500).end());
  const quiet = { LOG_LEVEL: "warn" };
  const known = await startGateway({
    environment: Object.entries(BY_ENVIRONMENT).reduce(
      (all, [provider, variables]) => ({ ...all, ...variables(`${upstream.url}/${provider}`) }),
      quiet,
    ),
  });
  const described =
    others.length === 0
      ? undefined
      : await startGateway({
          environment: { ...quiet, ...Object.fromEntries(others.map((name, at) => [`KEY_${at}`, keyOf(name)])) },
          yaml: yamlOf(others, upstream.url),
          // They are asked for their models at the start, in vain: not again, while requests are counted.
          discoverAgainMs: 3_600_000,
        });
  // Each call is a connection of its own: what one client does to its socket is nothing to the next.
  const agent = new Agent({ pipelining: 0 });
  const gateway = (provider: string): RunningGateway => {
    if (BY_ENVIRONMENT[provider] !== undefined) return known;
    if (described === undefined || !others.includes(provider)) throw new Error(`nobody configured ${provider}`);
    return described;
  };
  return {
    upstream,
    gateway,
    async send(provider, { api, body, headers = {}, search = "" }) {
      const credential = api === "chat" ? { authorization: `Bearer ${CLIENT_KEY}` } : { "x-api-key": CLIENT_KEY };
      const answer = await request(gateway(provider).url + PATHS[api] + search, {
        method: "POST",
        headers: { ...headers, ...credential, "content-type": "application/json" },
        body,
        dispatcher: agent,
      });
      return {
        status: answer.statusCode,
        headers: answer.headers,
        bytes: Buffer.from(await answer.body.arrayBuffer()),
      };
    },
    async close() {
      await agent.close();
      await known.close();
      await described?.close();
      await upstream.close();
    },
  };
}

function yamlOf(names: readonly string[], url: string): string {
  const rows = names.map(
    (name, at) => `  ${name}:\n    kind: openai-compatible\n    baseUrl: ${url}/${name}/v1\n    apiKeyEnv: KEY_${at}\n`,
  );
  return `providers:\n${rows.join("")}`;
}

/** An answer in pieces, each a write of its own: how a recording is played. */
export function played(
  answer: { readonly status: number; readonly headers: Readonly<Record<string, string>> },
  pieces: readonly Uint8Array[],
): Script {
  return async (outgoing) => {
    outgoing.writeHead(answer.status, answer.headers);
    for (const piece of pieces) {
      if (outgoing.destroyed) return;
      outgoing.write(piece);
      await new Promise((resolve) => void setImmediate(resolve));
    }
    outgoing.end();
  };
}

/** Ways for the same bytes to arrive, by name. */
export function chunkings(bytes: Buffer): Readonly<Record<string, readonly Uint8Array[]>> {
  return { whole: [bytes], "byte by byte": byteByByte(bytes), random: random(bytes) };
}

/** Bytes at either end that come one at a time; what lies between comes in larger pieces, or long answers would take minutes. */
const SINGLE_BYTES = 800;

function byteByByte(bytes: Buffer): Uint8Array[] {
  const ends = Math.min(SINGLE_BYTES, Math.ceil(bytes.length / 2));
  const single = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, at) => bytes.subarray(from + at, from + at + 1));
  const middle: Uint8Array[] = [];
  for (let at = ends; at < bytes.length - ends; at += 4_096) {
    middle.push(bytes.subarray(at, Math.min(at + 4_096, bytes.length - ends)));
  }
  return [...single(0, ends), ...middle, ...single(Math.max(ends, bytes.length - ends), bytes.length)];
}

/** Sizes that look random and are the same in every run: about sixty pieces, whatever the length. */
function random(bytes: Buffer): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let state = bytes.length + 1;
  for (let at = 0; at < bytes.length;) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    const size = 1 + (state % Math.max(5, Math.ceil(bytes.length / 30)));
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}
