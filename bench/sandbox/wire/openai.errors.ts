/** OpenAI's refusals that differ by status only, and how every one of them is written. */
import type { JsonObject } from "../../../src/chat.ts";
import { Refusal } from "./wire.ts";

export const KEY_REFUSED =
  "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.";

const FAULTS: Readonly<Record<number, readonly [message: string, type: string, code: string | undefined]>> = {
  400: ["The sandbox was told to refuse this.", "invalid_request_error", undefined],
  401: [KEY_REFUSED, "invalid_request_error", "invalid_api_key"],
  403: ["You are not allowed to sample from this model", "invalid_request_error", undefined],
  404: ["The model does not exist or you do not have access to it.", "invalid_request_error", "model_not_found"],
  413: ["Request body too large.", "invalid_request_error", undefined],
  429: ["Rate limit reached for requests. Please try again later.", "requests", "rate_limit_exceeded"],
  500: ["The server had an error while processing your request. Sorry about that!", "server_error", undefined],
  502: ["Bad gateway.", "server_error", undefined],
  503: [
    "The server is currently overloaded with other requests. Sorry about that! Please retry your request, or contact us if the error persists.",
    "service_unavailable_error",
    "server_is_overloaded",
  ],
  504: ["The request timed out.", "server_error", undefined],
};
const QUOTA =
  "You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.";

export function fault(status: number, kind: "plain" | "quota", retryAfterMs?: number): Refusal {
  if (kind === "quota") return new Refusal(429, QUOTA, { type: "insufficient_quota", code: "insufficient_quota" });
  const [message, type, code] = FAULTS[status] ?? ["The server had an error.", "server_error", undefined];
  const headers =
    retryAfterMs === undefined
      ? undefined
      : { "retry-after": String(Math.ceil(retryAfterMs / 1000)), "retry-after-ms": String(Math.ceil(retryAfterMs)) };
  return new Refusal(status, message, {
    type,
    ...(code === undefined ? {} : { code }),
    ...(headers === undefined ? {} : { headers }),
  });
}

export function errorOf(refusal: Refusal): JsonObject {
  const { type, param, code } = refusal.said;
  return { message: refusal.message, type: type ?? "invalid_request_error", param: param ?? null, code: code ?? null };
}
