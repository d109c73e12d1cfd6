/**
 * Recordings of the surfaces beside the two chat ones (Ollama's native API, embeddings, text completions, token counts), and a gateway
 * in front of an upstream that plays them, with each provider spoken to as its own kind.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startFakeUpstream, type FakeUpstream } from "../fake-upstream.ts";
import { startGateway, type RunningGateway } from "../running.ts";
import type { Canonical, Json } from "./material.ts";
import { CLIENT_KEY } from "./stage.ts";

export interface NativeRecording {
  readonly id: string;
  readonly provider: string;
  readonly api: string;
  readonly kind: string;
  readonly status: number;
  /** As at the provider. */
  readonly path: string;
  /** `undefined` where the recorder kept the answer only. */
  readonly body: Json | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
  readonly canonical: Canonical;
}

const folder = join(import.meta.dirname, "../../../shared/conformance/recordings");

/** Recordings of these, none where the material is absent. */
export function nativeRecordings(apis: readonly string[]): readonly NativeRecording[] {
  const index = join(folder, "index.json");
  if (!existsSync(index)) return [];
  const { records } = JSON.parse(readFileSync(index, "utf8")) as {
    records: readonly (Omit<NativeRecording, "path" | "body" | "headers" | "bytes"> & { readonly file: string })[];
  };
  return records
    .filter((row) => apis.includes(row.api))
    .map(({ file, ...row }) => {
      const { path, request, response } = JSON.parse(readFileSync(join(folder, file), "utf8")) as {
        readonly path: string;
        readonly request?: { readonly body?: Json } | null;
        readonly response: { readonly headers: Readonly<Record<string, string>>; readonly body: unknown };
      };
      const { body } = response;
      return {
        ...row,
        path,
        body: request?.body ?? undefined,
        headers: { "content-type": TYPES[row.kind] ?? "application/json" },
        bytes: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)),
      };
    });
}

const TYPES: Readonly<Record<string, string>> = {
  sse: "text/event-stream; charset=utf-8",
  ndjson: "application/x-ndjson",
};

export interface NativeStage {
  readonly upstream: FakeUpstream;
  readonly gateway: RunningGateway;
  /** Sends a body to a path of the gateway, not as `JSON.stringify` writes by itself: bytes that are made anew do not look like it. */
  send(path: string, body: Json): Promise<{ readonly answer: Response; readonly bytes: Buffer }>;
  close(): Promise<void>;
}

export async function startNativeStage(): Promise<NativeStage> {
  const upstream = await startFakeUpstream((outgoing) => void outgoing.writeHead(500).end());
  const gateway = await startGateway({
    environment: {
      LOG_LEVEL: "warn",
      OPENAI_API_KEY: "upstream-key",
      OPENAI_BASE_URL: `${upstream.url}/openai/v1`,
      ANTHROPIC_API_KEY: "upstream-key",
      ANTHROPIC_BASE_URL: `${upstream.url}/anthropic`,
      MISTRAL_API_KEY: "upstream-key",
      MISTRAL_BASE_URL: `${upstream.url}/mistral/v1`,
      VLLM_BASE_URL: `${upstream.url}/vllm/v1`,
      OLLAMA_HOST: `${upstream.url}/ollama`,
    },
  });
  return {
    upstream,
    gateway,
    async send(path, body) {
      const answer = await fetch(gateway.url + path, {
        method: "POST",
        headers: { authorization: `Bearer ${CLIENT_KEY}`, "content-type": "application/json" },
        body: written(body),
      });
      return { answer, bytes: Buffer.from(await answer.arrayBuffer()) };
    },
    async close() {
      await gateway.close();
      await upstream.close();
    },
  };
}

export function written(body: Json): string {
  return JSON.stringify(body, null, 1);
}
