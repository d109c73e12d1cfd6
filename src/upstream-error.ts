/**
 * What an upstream's error is to the client: the kind it belongs to, the words that may be passed on, and when to come back.
 *
 * Some providers quote the credential that they refuse. Whatever does so is never passed on, in whatever form it is written.
 */
import type { AnswerError } from "./chat.ts";
import { classify, GatewayError } from "./errors.ts";
import type { ProviderInstance } from "./target.ts";
import type { UpstreamAnswer } from "./upstream.ts";

/** The error as the client is told it: a refused credential is ours to mend, so its status and words are our own. */
export function errorSaid(
  said: AnswerError,
  instance: ProviderInstance,
  retryAfterMs: number | undefined,
): GatewayError {
  const status = statusOf(said);
  const kind = classify(status, said);
  if (kind === "upstream-credential")
    return new GatewayError(
      kind,
      `the provider refused this gateway's credential for ${instance.name}; its operator must fix it`,
    );
  const retry = retryAfterMs === undefined ? {} : { retryAfterMs };
  if (quotesKey(JSON.stringify(said), instance))
    return new GatewayError(kind, "the provider's error is withheld: it quotes this gateway's credential", {
      status,
      ...retry,
    });
  return new GatewayError(kind, said.message, {
    status,
    ...retry,
    ...(said.code === undefined ? {} : { code: said.code }),
    ...(said.param === undefined ? {} : { param: said.param }),
    ...(said.type === undefined ? {} : { type: said.type }),
    ...(said.details === undefined ? {} : { details: said.details }),
  });
}

/** The status that fits an error answer, or an error seen inside an answer. */
export function statusOf(error: AnswerError): number {
  return error.status >= 400 && error.status <= 599 ? error.status : 502;
}

/** Whether an error answer may reach a client of its own dialect as it is: JSON, as every dialect's errors are, with no key in it. */
export function isPassable(bytes: Uint8Array, instance: ProviderInstance): boolean {
  const text = Buffer.from(bytes).toString("utf8");
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return false;
    // Written again, so that no escape hides it.
    return !quotesKey(text, instance) && !quotesKey(JSON.stringify(value), instance);
  } catch {
    return false;
  }
}

/** Shorter ones are no secrets ("none", "EMPTY"), and turn up in any text. */
const KEY_CHARACTERS_MIN = 8;

export function quotesKey(text: string, { settings }: ProviderInstance): boolean {
  // Headers of the config are often credentials, too; of `Bearer <token>` the token is.
  const values = Object.values(settings.headers ?? {}).flatMap((value) => [value, value.split(" ").at(-1) ?? ""]);
  const secrets = settings.apiKey === undefined ? values : [settings.apiKey, ...values];
  return secrets.some((secret) => secret.length >= KEY_CHARACTERS_MIN && text.includes(secret));
}

/** `retry-after-ms`, or `retry-after` in seconds or as a date, as milliseconds from now. */
export function retryAfter(headers: UpstreamAnswer["headers"], nowMs: number): number | undefined {
  const exact = numberIn(headers["retry-after-ms"]);
  if (exact !== undefined) return exact;
  const value = headers["retry-after"];
  const seconds = numberIn(value);
  if (seconds !== undefined) return seconds * 1000;
  const at = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

function numberIn(value: string | string[] | undefined): number | undefined {
  // `Number("")` is 0: an empty header would mean "at once".
  if (typeof value !== "string" || value.trim() === "") return undefined;
  const number = Number(value);
  return Number.isFinite(number) && number >= 0 ? number : undefined;
}
