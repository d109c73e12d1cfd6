/** A hazard: what is said, what must have arrived where it is answered, and what an error about it must name. */
import { expect } from "vitest";
import type { Answer } from "./answers.ts";
import type { Arrived } from "./arrived.ts";
import type { Body, Client, ClientName } from "./clients.ts";
import { type Talk, tool, type ToolCall, type Turn } from "./talk.ts";

export interface Seen {
  readonly client: ClientName;
  /** Whether the provider was sent the client's own dialect. */
  readonly isNative: boolean;
  readonly answer: Answer;
  readonly arrived: Arrived;
  /** Words of the losses header. */
  readonly losses: readonly string[];
}

export interface Hazard {
  /** As it stands in the listing. */
  readonly name: string;
  /** @returns the body, without a model; `undefined` where the client has no way of saying it. */
  say(client: Client, marker: string): Body | undefined;
  /** Fails the test where what was answered is not right. */
  right?(seen: Seen): void;
  /** What the words of an error must name: the field, or what stands in it. */
  readonly names: RegExp;
  /** Called with a window too small for it. */
  readonly isNarrow?: boolean;
  /** So large that each provider is asked once by each client: for a stream, and under its own name. */
  readonly isHeavy?: boolean;
}

/** A talk for those who can say its turns. */
export function talk(make: (marker: string) => Talk): Hazard["say"] {
  return (client, marker) => {
    const { turns, tools } = make(marker);
    const [first] = turns;
    const isPlain = turns.length === 1 && first !== undefined && "user" in first && tools === undefined;
    return client.name === "ollama-generate" && !isPlain
      ? undefined
      : client.request({ turns, ...(tools === undefined ? {} : { tools }) });
  };
}

export function user(text: string): Turn {
  return { user: text };
}

export function call(id: string, name: string, given = '{"city":"Oslo"}'): ToolCall {
  return { id, name, arguments: given };
}

/** A question, its calls, their results. */
export function loop(
  marker: string,
  calls: readonly ToolCall[],
  results: readonly (readonly [id: string, name: string, text: string])[],
): Talk {
  return {
    turns: [
      user(marker),
      { assistant: "", calls },
      { results: results.map(([id, name, content]) => ({ id, name, content })) },
    ],
    tools: [...new Set(calls.map(({ name }) => name))].map((name) => tool(name)),
  };
}

/** What an error about calls and results names. */
export const NAMES_TRAFFIC: RegExp = /tool|call|message|input|role|content|result/i;

/** Each result stands under the id of its own call. */
export function expectPairs({ calls, results }: Arrived, expected: (name: string) => string): void {
  const ids = calls.map(({ id }) => id);
  // Where calls have no ids, order is all there is.
  const isNameless = ids.every((id) => id === "");
  if (!isNameless) expect(new Set(ids).size).toBe(ids.length);
  for (const [at, result] of results.entries()) {
    const made = isNameless ? calls[at] : calls.find(({ id }) => id === result.id);
    expect(result.text).toBe(expected(made?.name ?? "no call"));
  }
}
