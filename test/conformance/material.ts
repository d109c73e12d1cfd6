/**
 * Real traffic recorded by others, read where it lies beside the checkout; what uses it is skipped, and says so, where it is absent.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "vitest";

export type Json = Readonly<Record<string, unknown>>;

/** One real interaction: the request as its client sent it, and the answer as the provider sent it. */
export interface Recording {
  readonly id: string;
  readonly provider: string;
  readonly api: "chat" | "messages";
  readonly kind: "json" | "sse" | "text";
  readonly status: number;
  readonly request: { readonly headers: Readonly<Record<string, string>>; readonly body: Json };
  /** False where the recorder kept the answer only, and the request is one that could have led to it. */
  readonly hasRequest: boolean;
  readonly response: { readonly headers: Readonly<Record<string, string>>; readonly bytes: Buffer };
  /** How those who recorded it read the answer. */
  readonly canonical: Canonical;
}

export interface Canonical {
  readonly text_chars: number;
  readonly tools: readonly string[];
  readonly finish: string | null;
  readonly usage: Readonly<Record<string, number | null>> | null;
  readonly error: unknown;
  readonly problems: readonly string[];
}

/** One request of a real client, with its headers in order. */
export interface CapturedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Json;
}

export interface Capture {
  readonly name: string;
  readonly requests: readonly CapturedRequest[];
}

const folder = join(import.meta.dirname, "../../../shared/conformance");
const isPresent = existsSync(join(folder, "recordings/index.json"));

/** A suite that needs the material: where it is absent, one line that says so stands in its place. */
export function describeMaterial(name: string, body: () => void): void {
  if (isPresent) describe(name, body);
  else test.skip(`${name}: skipped, ../shared/conformance is not beside this checkout`, () => {});
}

/** Every recorded call of the two chat surfaces. */
export function recordings(): readonly Recording[] {
  if (!isPresent) return [];
  const { records } = read("recordings/index.json") as { records: readonly IndexRow[] };
  return records.filter((row) => row.api === "chat" || row.api === "messages").map(recordingOf);
}

export function captures(): readonly Capture[] {
  if (!isPresent) return [];
  return readdirSync(join(folder, "captures"))
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => ({
      name: file.slice(0, -".json".length),
      requests: (read(join("captures", file)) as Omit<Capture, "name">).requests,
    }));
}

export interface CapturedCall {
  readonly api: "chat" | "messages";
  /** With the query. */
  readonly path: string;
  /** "?beta=true", or "". */
  readonly search: string;
  /** Without those of the connection, and without the credential. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Json;
}

/** Of a capture's requests those to the two chat surfaces, in order. */
export function capturedCalls({ requests }: Capture): readonly CapturedCall[] {
  return requests.flatMap(({ method, path, headers, body }) => {
    const [place = "", query] = path.split("?");
    const search = query === undefined ? "" : `?${query}`;
    const api = CHAT_PATHS[place];
    if (method !== "POST" || api === undefined) return [];
    return [
      { api, path, search, headers: Object.fromEntries(headers.filter(([name]) => !CONNECTION.test(name))), body },
    ];
  });
}

const CHAT_PATHS: Readonly<Record<string, CapturedCall["api"]>> = {
  "/v1/messages": "messages",
  "/v1/chat/completions": "chat",
};
const CONNECTION = /^(host|connection|content-length|content-type|authorization|x-api-key|accept-encoding|sec-.*)$/i;

interface IndexRow {
  readonly id: string;
  readonly provider: string;
  readonly api: string;
  readonly kind: Recording["kind"];
  readonly status: number;
  readonly file: string;
  readonly canonical: Canonical;
}

interface RecordingFile {
  readonly path: string;
  readonly request?: { readonly headers?: Readonly<Record<string, string>>; readonly body?: Json } | null;
  readonly response: { readonly headers: Readonly<Record<string, string>>; readonly body: unknown };
}

function recordingOf(row: IndexRow): Recording {
  const { path, request, response } = read(join("recordings", row.file)) as RecordingFile;
  const api = row.api as Recording["api"];
  return {
    id: row.id,
    provider: row.provider,
    api,
    kind: row.kind,
    status: row.status,
    request: {
      headers: lowerCased(request?.headers ?? {}),
      body: withModel(request?.body ?? likelyRequest(api, row.kind), path),
    },
    hasRequest: request?.body !== undefined && request.body !== null,
    response: { headers: lowerCased(response.headers), bytes: bytesOf(response.body) },
    canonical: row.canonical,
  };
}

function likelyRequest(api: Recording["api"], kind: Recording["kind"]): Json {
  return {
    model: "recorded-model",
    messages: [{ role: "user", content: "Hello" }],
    ...(api === "messages" ? { max_tokens: 1024 } : {}),
    ...(kind === "sse" ? { stream: true } : {}),
    ...(kind === "sse" && api === "chat" ? { stream_options: { include_usage: true } } : {}),
  };
}

/** Azure names the model in the path only; every client of ours names it in the body. */
function withModel(body: Json, path: string): Json {
  if (typeof body["model"] === "string") return body;
  return { ...body, model: /\/deployments\/([^/]+)\//.exec(path)?.[1] ?? "recorded-model" };
}

function bytesOf(body: unknown): Buffer {
  if (typeof body !== "string") return Buffer.from(JSON.stringify(body));
  return body.startsWith("base64:") ? Buffer.from(body.slice("base64:".length), "base64") : Buffer.from(body);
}

/** Some recorders wrote into the values what no header can carry. */
function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      /[^\x20-\x7e]/.test(value) ? [] : [[name.toLowerCase(), value]],
    ),
  );
}

function read(path: string): unknown {
  return JSON.parse(readFileSync(join(folder, path), "utf8"));
}
