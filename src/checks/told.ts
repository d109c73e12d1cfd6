/** What was said in an answer, out of its events. */
import type { ChatEvent, FinishReason, JsonValue } from "../chat.ts";

export interface Told {
  readonly text: string;
  readonly calls: readonly { readonly name: string; readonly arguments: string }[];
  readonly finish: FinishReason | undefined;
  readonly isRefusal: boolean;
  /** Natural logarithms, one a token, where the provider told them. */
  readonly logprobs: readonly number[];
}

export function told(events: Iterable<ChatEvent>): Told {
  let text = "";
  let finish: FinishReason | undefined;
  let isRefusal = false;
  const calls = new Map<number, { name: string; arguments: string }>();
  const logprobs: number[] = [];
  for (const event of events) {
    switch (event.type) {
      case "text-delta":
        text += event.text;
        break;
      case "refusal-delta":
        isRefusal ||= event.text !== "";
        break;
      case "tool-call-start":
        calls.set(event.index, { name: event.name, arguments: "" });
        break;
      case "tool-call-delta": {
        const call = calls.get(event.index);
        if (call !== undefined) call.arguments += event.arguments;
        break;
      }
      case "opaque":
        if (event.kind === "logprobs") addLogprobs(event.value, logprobs);
        break;
      case "finish":
        finish = event.reason;
        break;
      case "start":
      case "reasoning-delta":
      case "reasoning-end":
      case "reasoning-redacted":
      case "tool-call-end":
      case "usage":
      case "done":
      case "error":
        break;
    }
  }
  return { text, calls: [...calls.values()], finish, isRefusal, logprobs };
}

/** `[{token, logprob}]`, or the same as `content` of an object, as dialects have it. */
function addLogprobs(value: JsonValue, into: number[]): void {
  if (Array.isArray(value)) {
    for (const one of value as readonly JsonValue[]) {
      const logprob = isObject(one) ? one["logprob"] : undefined;
      if (typeof logprob === "number") into.push(logprob);
    }
  } else if (isObject(value) && value["content"] !== undefined) addLogprobs(value["content"], into);
}

function isObject(value: JsonValue): value is Readonly<Record<string, JsonValue>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
