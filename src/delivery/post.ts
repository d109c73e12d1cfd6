/** Sends one message once: what came of it, in words that hold no address and no secret. */
import { publicLookup, hostKind, PRIVATE_ADDRESS } from "./address.ts";
import type { Outgoing } from "./form.ts";
import type { Channel } from "./message.ts";
import { createUpstream, UpstreamFailure, type Upstream, type UpstreamAnswer } from "../upstream.ts";

export type Sent =
  | { readonly isTold: true }
  /** `retryAfterMs`: when the receiver wants to hear of it again. */
  | { readonly isTold: false; readonly reason: string; readonly retryAfterMs?: number | undefined };

export interface Poster {
  /** Never rejects. No redirect is followed: where a message goes is for the config to say. */
  post(channel: Channel, outgoing: Outgoing, signal: AbortSignal): Promise<Sent>;
  close(): Promise<void>;
}

export interface PosterOptions {
  /** How names are looked up where private addresses are refused; Node's by default. */
  readonly resolve?: Parameters<typeof publicLookup>[0];
}

const CONNECT_MS = 5_000;

export function createPoster(options: PosterOptions = {}): Poster {
  const open = createUpstream({ connectMs: CONNECT_MS });
  const guarded = createUpstream({ connectMs: CONNECT_MS, lookup: publicLookup(options.resolve) });
  return {
    async post(channel, outgoing, signal) {
      const url = new URL(outgoing.url);
      const kind = hostKind(url);
      if (kind === "link" && !channel.allowPrivate) return { isTold: false, reason: PRIVATE_REASON };
      return send(channel.allowPrivate || kind === "address" ? open : guarded, channel, { ...outgoing, url }, signal);
    },
    async close() {
      await Promise.all([open.close(), guarded.close()]);
    },
  };
}

const PRIVATE_REASON = "its address is of a private network; `allowPrivate: true` allows that";

async function send(
  upstream: Upstream,
  channel: Channel,
  { url, headers, body }: Omit<Outgoing, "url"> & { readonly url: URL },
  signal: AbortSignal,
): Promise<Sent> {
  const { timeoutMs, token } = channel;
  const deadlines = { connectMs: CONNECT_MS, headMs: timeoutMs, idleMs: timeoutMs, totalMs: timeoutMs };
  try {
    const answer = await upstream.send({
      url,
      method: "POST",
      headers: {
        "content-type": "application/json",
        "user-agent": "sluice",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      body: Buffer.from(body, "utf8"),
      deadlines,
      signal,
    });
    drop(answer);
    return sentOf(answer);
  } catch (error) {
    return { isTold: false, reason: reasonOf(error, timeoutMs) };
  }
}

/** What its body says is its own affair: it may hold what it was sent. */
function sentOf({ status, headers }: UpstreamAnswer): Sent {
  if (status >= 200 && status < 300) return { isTold: true };
  const reason =
    status >= 300 && status < 400 ? `it answered ${status}: redirects are not followed` : `it answered ${status}`;
  return { isTold: false, reason, retryAfterMs: retryAfterMs(headers["retry-after"]) };
}

function retryAfterMs(value: string | string[] | undefined): number | undefined {
  return typeof value === "string" && /^\d{1,6}$/.test(value.trim()) ? Number(value) * 1000 : undefined;
}

function reasonOf(error: unknown, timeoutMs: number): string {
  if (!(error instanceof UpstreamFailure)) return "it could not be sent";
  if ((error.cause as { code?: unknown } | undefined)?.code === PRIVATE_ADDRESS) return PRIVATE_REASON;
  switch (error.kind) {
    case "upstream-timeout":
      return `it did not answer within ${timeoutMs} ms`;
    case "canceled":
      return "the gateway ended";
    default:
      return error.sent ? "its connection broke before it answered" : "it could not be reached";
  }
}

const ANSWER_BYTES_MAX = 4_096;

/** Read to its end, so that the connection can be used again; a long one is cut. */
function drop({ body }: UpstreamAnswer): void {
  let bytes = 0;
  body.read({
    data(chunk) {
      bytes += chunk.length;
      if (bytes > ANSWER_BYTES_MAX) body.abort();
    },
    end() {},
    error() {},
  });
}
