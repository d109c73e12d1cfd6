/**
 * `POST /sluice/v1/prewarm`: writes a prompt to its provider's cache, for calls that will begin like it. The body is a call of any
 * chat dialect (`dialect`), and takes the line that every call takes: one attempt on the ledger, billed and held like any other.
 */
import { Hono, type Context } from "hono";
import type { Warming } from "../src/cache/placer.ts";
import type { JsonObject } from "../src/chat.ts";
import type { Dialect } from "../src/dialects/dialect.ts";
import { applyEdits } from "../src/edit.ts";
import type { Gateway, Setup } from "../src/gateway.ts";
import { jsonDeeperThan } from "../src/json-scan.ts";
import type { LedgerEntry } from "../src/ledger.ts";
import type { Reply, ReplyHeaders } from "../src/reply.ts";
import { usdNumber } from "../src/usage.ts";
import { answered, type Bindings, type Incoming } from "./call.ts";
import { oneOf, parametersOf, refused, wrong } from "./ledger-filter.ts";

export interface PrewarmDependencies {
  readonly gateway: Gateway;
  readonly setup: () => Setup;
}

export function prewarmRoute(dependencies: PrewarmDependencies): Hono<Bindings> {
  const route = new Hono<Bindings>();
  route.post("/sluice/v1/prewarm", async (context) => {
    let asked: Asked;
    try {
      asked = askedOf(context, dependencies.setup());
    } catch (error) {
      return refused(error, context);
    }
    return answered(context, (call) => prewarm(call, asked, dependencies));
  });
  return route;
}

interface Asked {
  readonly dialect: Chatting;
  readonly warms: Warming;
}

type Chatting = Dialect & Required<Pick<Dialect, "prewarming">>;

function askedOf(context: Context, { dialects }: Setup): Asked {
  const parameters = parametersOf(context.req.url, ["dialect", "until"]);
  const chatting = dialects.filter((dialect): dialect is Chatting => dialect.prewarming !== undefined);
  const name = parameters.get("dialect") ?? "openai-chat";
  const dialect = chatting.find((one) => one.name === name);
  if (dialect === undefined)
    throw wrong("dialect", `\`dialect\` is one of ${chatting.map((one) => one.name).join(", ")}`);
  return { dialect, warms: oneOf("until", parameters.get("until") ?? "end", ["end", "static"] as const) };
}

async function prewarm(call: Incoming, { dialect, warms }: Asked, dependencies: PrewarmDependencies): Promise<void> {
  const { gateway, setup } = dependencies;
  const { jsonDepthMax } = setup().limits;
  const answer = new KeptReply(call.reply);
  let said: JsonObject | undefined;
  let row: LedgerEntry | undefined;
  await gateway.serve({
    ...call,
    // What the query says is for this route.
    search: "",
    dialect: { ...dialect, readRequest: (body) => withoutAnswer(dialect.readRequest(said ?? body)) },
    async body(bound) {
      const raw = await call.body(bound);
      said = objectIn(raw, jsonDepthMax);
      return said === undefined ? raw : applyEdits(raw, dialect.prewarming(said));
    },
    reply: answer,
    warms,
    settled: (entry) => (row = entry),
  });
  answer.passOn(row === undefined ? undefined : told(row));
}

/** As it is translated: a writer that has no word for nothing takes the least it can say. */
function withoutAnswer(request: ReturnType<Dialect["readRequest"]>): typeof request {
  const { choices: _, ...rest } = request;
  return { ...rest, stream: false, wantsStreamUsage: false, maxOutputTokens: 0 };
}

/** @returns nothing where there is no object in it: that is the line's to refuse. */
function objectIn(raw: Uint8Array, jsonDepthMax: number): JsonObject | undefined {
  if (raw.length === 0 || jsonDeeperThan(raw, jsonDepthMax)) return undefined;
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(raw));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

/** `null` is what is not known: a price, or what a provider does not tell. */
function told({ provider, model, usage, cost }: LedgerEntry): object {
  const written = [usage.cacheWrite5m, usage.cacheWrite1h, usage.cacheWriteOther].filter((one) => one !== undefined);
  return {
    target: `${provider}/${model}`,
    read: usage.cacheRead ?? null,
    written: written.length === 0 ? null : written.reduce((sum, tokens) => sum + tokens, 0),
    cost_usd: cost === undefined ? null : usdNumber(cost),
    output_tokens: usage.output ?? null,
  };
}

/** Takes the line's answer; the client gets what it cost in its place, and a refusal as it is. */
class KeptReply implements Reply {
  readonly #client: Reply;
  readonly #pieces: (Uint8Array | string)[] = [];
  #status = 0;
  #headers: ReplyHeaders = {};
  #hasFailed = false;

  constructor(client: Reply) {
    this.#client = client;
  }

  get started(): boolean {
    return this.#status !== 0;
  }

  start(status: number, headers: ReplyHeaders): void {
    this.#status = status;
    this.#headers = headers;
  }

  write(bytes: Uint8Array | string): boolean {
    this.#pieces.push(bytes);
    return true;
  }

  end(bytes?: Uint8Array | string): void {
    if (bytes !== undefined) this.#pieces.push(bytes);
  }

  fail(): void {
    this.#hasFailed = true;
  }

  onDrain(): void {}

  onGone(listener: () => void): void {
    this.#client.onGone(listener);
  }

  /** @param told What a call that went well is answered with. */
  passOn(told: object | undefined): void {
    if (!this.started) return;
    const { "content-length": _, ...headers } = this.#headers;
    const isGood = this.#status === 200 && !this.#hasFailed && told !== undefined;
    const body = isGood ? Buffer.from(JSON.stringify(told)) : Buffer.concat(this.#pieces.map(bytesOf));
    this.#client.start(this.#hasFailed ? 502 : this.#status, {
      ...headers,
      ...(isGood ? { "content-type": "application/json" } : {}),
      "content-length": String(body.length),
    });
    this.#client.end(body);
  }
}

function bytesOf(piece: Uint8Array | string): Uint8Array {
  return typeof piece === "string" ? Buffer.from(piece) : piece;
}
