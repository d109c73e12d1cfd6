/**
 * One client call: who calls, its bytes read once and bounded, parsed, and read.
 */
import { hash, timingSafeEqual } from "node:crypto";
import type { BodyBound } from "./admission.ts";
import type { IncomingMessage } from "node:http";
import type { ChatRequest, JsonObject, JsonValue } from "./chat.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { isKeptNumber } from "./dialects/exact.ts";
import type { Memory } from "./dialects/remembering.ts";
import { GatewayError } from "./errors.ts";
import { requireImages } from "./image.ts";
import { jsonDeeperThan } from "./json-scan.ts";
import type { DataRules } from "./policies/policy.ts";

/** The client as the ledger knows it. */
export interface Caller {
  /** The key's configured name; `undefined` when no keys are configured. */
  readonly name: string | undefined;
  /** Whose its calls are (`ClientKey.tenant`); "" when no keys are configured. */
  readonly tenant: string;
  /** What its secrets are derived from (a cache's salt): SHA-256 of its key, or its team's. Absent when no keys are configured. */
  readonly keySha256?: string;
  /** Whether its key reads what the gateway keeps of every tenant (`ClientKey.readsAll`). Absent: no. */
  readonly readsAll?: true;
  /** Where its data may go; absent: anywhere. */
  readonly rules?: DataRules;
}

export interface ClientKey {
  readonly name: string;
  /** SHA-256 of the key, hex. The key itself is not kept. */
  readonly sha256: string;
  /**
   * Who shares what its calls leave behind (answers at providers, tasks, cache entries): the key itself, by a hash that it is not told
   * by, or its team. Never a place in a list: who comes after another one must not come into what is theirs.
   */
  readonly tenant: string;
  /** Its team's name, where it has one. */
  readonly team?: string;
  /** The SHA-256 that its team's secrets are derived from. */
  readonly teamSha256?: string;
  /** Whether it reads the ledger, the reports and the metrics of every tenant. Absent: its own tenant's. */
  readonly readsAll?: boolean;
  /** Where its calls' data may go; absent: anywhere. */
  readonly rules?: DataRules;
}

export interface Exchange {
  readonly id: string;
  readonly dialect: Dialect;
  readonly caller: Caller;
  readonly headers: Headers;
  /** The query string ("?beta=true"), passed on to providers of the same dialect; or "". */
  readonly search: string;
  /** The client's very bytes. */
  readonly raw: Uint8Array;
  readonly body: JsonObject;
  readonly request: ChatRequest;
  /** Milliseconds since the epoch. */
  readonly receivedAtMs: number;
  /** `performance.now()` when the body was complete: from here on, time is ours. */
  readonly startedAt: number;
}

/** What is wanted of a call while its answer runs, which may be long: neither its bytes nor what was read in them. */
export interface Asked extends Pick<Exchange, "id" | "dialect" | "receivedAtMs" | "startedAt"> {
  readonly request: Pick<ChatRequest, "model" | "stream" | "wantsStreamUsage" | "reasoning" | "embedding">;
  /** Told an answer that nobody else keeps, and that the client may go on from. */
  readonly remember?: (answer: JsonObject) => void;
}

export function asked({ id, dialect, receivedAtMs, startedAt, request }: Exchange): Asked {
  const { model, stream, wantsStreamUsage, reasoning, embedding } = request;
  return {
    id,
    dialect,
    receivedAtMs,
    startedAt,
    request: {
      model,
      stream,
      wantsStreamUsage,
      ...(reasoning === undefined ? {} : { reasoning }),
      ...(embedding === undefined ? {} : { embedding }),
    },
  };
}

export interface ReceiveLimits {
  readonly bodyBytesMax: number;
  readonly jsonDepthMax: number;
}

/** Longest model name a client may give, in characters. */
const MODEL_CHARACTERS_MAX = 256;

export interface Received {
  /** The client's very bytes; other ones where it named what is remembered here. */
  readonly raw: Uint8Array;
  readonly body: JsonObject;
  readonly request: ChatRequest;
}

/**
 * Parses and reads a body.
 *
 * @param memory What is remembered for this caller.
 * @throws GatewayError in words of the field that is wrong.
 */
export function receive(raw: Uint8Array, dialect: Dialect, limits: ReceiveLimits, memory?: Memory): Received {
  const sent = parseBody(raw, limits);
  requireModel(sent);
  const body = memory === undefined ? sent : (dialect.remembering?.resolve(sent, memory) ?? sent);
  const request = dialect.readRequest(body);
  requireImages(request);
  if (body === sent) return { raw, body, request };
  const whole = Buffer.from(JSON.stringify(body));
  if (whole.length > limits.bodyBytesMax) throw tooLarge(limits.bodyBytesMax);
  return { raw: whole, body, request };
}

function requireModel(body: JsonObject): void {
  const model = body["model"];
  if (typeof model !== "string" || model === "") {
    throw new GatewayError("invalid-request", "`model` is missing; it must be a non-empty string", { param: "model" });
  }
  if (model.length > MODEL_CHARACTERS_MAX || hasControlCharacter(model)) {
    throw new GatewayError(
      "invalid-request",
      `\`model\` must be at most ${MODEL_CHARACTERS_MAX} printable characters`,
      { param: "model" },
    );
  }
}

/** @throws GatewayError for what is no JSON object. */
export function parseBody(raw: Uint8Array, limits: Pick<ReceiveLimits, "jsonDepthMax">): JsonObject {
  if (raw.length === 0)
    throw new GatewayError("invalid-request", "the request body is empty; it must be a JSON object");
  if (jsonDeeperThan(raw, limits.jsonDepthMax)) {
    throw new GatewayError("invalid-request", `the JSON body is nested deeper than ${limits.jsonDepthMax} levels`);
  }
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(raw);
    value = JSON.parse(text);
  } catch (error) {
    // V8's message quotes the body; only the position is passed on.
    const position = /position (\d+)/.exec(error instanceof Error ? error.message : "")?.[1];
    const where = position === undefined ? "" : ` (at character ${position})`;
    throw new GatewayError("invalid-request", `the request body is not valid JSON${where}`, { code: "invalid_json" });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new GatewayError("invalid-request", "the request body must be a JSON object");
  }
  const body = value as JsonObject;
  return body["messages"] !== undefined && LONG_NUMBER.test(text) ? { ...body, messages: exactMessages(text) } : body;
}

/** What may be a number that a parser rounds. */
const LONG_NUMBER = /\d[\d.]{15}|\d[eE][+-]?\d{3}/;

/** What was said, with such numbers as they stand: a tool's input is an object in some dialects, and text in others. */
function exactMessages(text: string): JsonValue | undefined {
  const exact = (_key: string, value: unknown, { source }: { readonly source?: string }) =>
    typeof value === "number" && source !== undefined && !isKeptNumber(source) ? rawJson(source) : value;
  return (JSON.parse(text, exact as (key: string, value: unknown) => unknown) as JsonObject)["messages"];
}

/** Written again as it is; to everybody else it is an object that says nothing. */
function rawJson(source: string): unknown {
  return (JSON as unknown as { readonly rawJSON: (text: string) => unknown }).rawJSON(source);
}

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

/**
 * Who calls, by the key it shows (`Authorization: Bearer` or `x-api-key`).
 *
 * With no keys configured anybody on the loopback interface may call, and whatever credential they send is ignored. That interface
 * is also within reach of every website that the machine's user visits: so the call must be addressed to a name of the machine
 * itself, which a name that was made to point here (DNS rebinding) is not, and must not come from a page of another site.
 *
 * @throws GatewayError `unauthenticated`, `forbidden`
 */
export function authenticate(headers: Pick<Headers, "get">, keys: readonly ClientKey[]): Caller {
  if (keys.length === 0) {
    requireLoopback("Host", headers.get("host"));
    requireLoopback("Origin", headers.get("origin"));
    return { name: undefined, tenant: "" };
  }
  const bearer = /^bearer\s+(.+)$/i.exec(headers.get("authorization") ?? "")?.[1];
  // Some clients send both, one of them a leftover of another API: either may be the right one.
  const shown = [headers.get("x-api-key"), bearer].map((key) => key?.trim() ?? "").filter((key) => key !== "");
  if (shown.length === 0) {
    throw new GatewayError(
      "unauthenticated",
      "no API key was sent; send it as `Authorization: Bearer <key>` or `x-api-key: <key>`",
    );
  }
  let found: ClientKey | undefined;
  for (const digest of shown.map((key) => hash("sha256", key, "buffer"))) {
    // Every key is compared, in constant time each: how long it takes says nothing about which one was close.
    for (const key of keys) {
      if (timingSafeEqual(digest, Buffer.from(key.sha256, "hex"))) found ??= key;
    }
  }
  if (found === undefined) throw new GatewayError("unauthenticated", "the API key is not one that this gateway knows");
  return callerOf(found);
}

/** Who shows this key. */
export function callerOf({ name, tenant, sha256, teamSha256, readsAll, rules }: ClientKey): Caller {
  return {
    name,
    tenant,
    keySha256: teamSha256 ?? sha256,
    ...(readsAll === true ? { readsAll: true } : {}),
    ...(rules === undefined ? {} : { rules }),
  };
}

/** Whether the keys are several tenants', who are to learn nothing of each other. */
export function isShared(keys: readonly Pick<ClientKey, "tenant">[]): boolean {
  return keys.some(({ tenant }) => tenant !== keys[0]?.tenant);
}

/**
 * Whose calls somebody may read of (rows, tasks, reports): their own tenant's only; `undefined`: everybody's, as there is one tenant or
 * the key is one that reads all.
 *
 * @throws GatewayError as {@link authenticate} does.
 */
export function readableTenant(headers: Pick<Headers, "get">, keys: readonly ClientKey[]): string | undefined {
  const { tenant, readsAll } = authenticate(headers, keys);
  return readsAll === true || !isShared(keys) ? undefined : tenant;
}

/** @throws GatewayError for a compressed body: none of the APIs takes one, and its bytes are edited as they are. */
export function requirePlain(headers: Pick<Headers, "get">): void {
  const encoding = headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (encoding === "identity" || encoding === "") return;
  throw new GatewayError(
    "invalid-request",
    "the body is compressed, as `content-encoding` says; send it uncompressed, without that header",
    { status: 415, param: "content-encoding" },
  );
}

/** @param value A host with or without its port, or an origin; absent where no browser speaks. */
function requireLoopback(name: string, value: string | null): void {
  if (value === null) return;
  const host = /^(?:https?:\/\/)?(\[[^\]]*\]|[^:/]*)(?::\d+)?$/i.exec(value)?.[1]?.toLowerCase() ?? "";
  if (/^(?:(?:[^.]+\.)*localhost\.?|127(?:\.\d{1,3}){3}|\[::1\])$/.test(host)) return;
  throw new GatewayError(
    "forbidden",
    `without client keys only this machine is served, by its own names (localhost, 127.0.0.1): the ${name} header is another. Set keys (SLUICE_API_KEYS) to be called by other names or from websites`,
  );
}

/**
 * The whole body of a Node request.
 *
 * @throws GatewayError `too-large` as soon as it is known to be; what the bound says; `canceled` when the client leaves before the end.
 */
export function readNodeBody(incoming: IncomingMessage, bound: BodyBound): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const declared = Number(incoming.headers["content-length"] ?? 0);
    if (declared > bound.bytesMax) {
      reject(tooLarge(bound.bytesMax));
      return;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    const data = (chunk: Buffer) => {
      bytes += chunk.length;
      try {
        if (bytes > bound.bytesMax) throw tooLarge(bound.bytesMax);
        bound.hold(chunk.length);
        chunks.push(chunk);
      } catch (error) {
        // What follows is read and dropped, as far as the reply's `end` allows it: a client that is still sending reads nothing.
        settle(() => reject(error));
      }
    };
    const end = () => {
      const [only, ...others] = chunks;
      const whole = only !== undefined && others.length === 0 ? only : Buffer.concat(chunks);
      settle(() => resolve(whole));
    };
    const left = (cause?: Error) =>
      settle(() => reject(new GatewayError("canceled", "the client left while sending", { cause })));
    // The request lives as long as its answer runs; what listens to it would keep the body for as long.
    const settle = (tell: () => void) => {
      incoming.off("data", data).off("end", end).off("error", left).off("close", left);
      chunks.length = 0;
      tell();
    };
    incoming.on("data", data).on("end", end).on("error", left).on("close", left);
  });
}

/** The whole body of a fetch Request, with the same bounds. */
export async function readFetchBody(request: Request, bound: BodyBound): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? 0) > bound.bytesMax) throw tooLarge(bound.bytesMax);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length;
    if (bytes > bound.bytesMax) throw tooLarge(bound.bytesMax);
    bound.hold(chunk.length);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(bodyBytesMax: number): GatewayError {
  return new GatewayError("too-large", `the request body is larger than ${bodyBytesMax} bytes`, {
    code: "request_too_large",
  });
}
