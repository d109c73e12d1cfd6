/** One run of a task at one target: its turns, its tools as they are scripted, until an answer stands or something goes wrong. */
import type { JsonObject, JsonValue } from "../../src/chat.ts";
import { fitsArguments, type Outcome } from "./checks.ts";
import type { Asked, ClientKind, Connection, Said, ToolCall } from "./clients/client.ts";
import { whatFailed, type Failed } from "./failures.ts";
import type { FailureKind } from "./report.ts";
import type { Task } from "./task.ts";

export interface Talked {
  readonly calls: number;
  readonly ttftMs: number | undefined;
  readonly durationMs: number;
  /** Characters that each answered call was asked with, and those of its answer. */
  readonly sizes: readonly { readonly prompt: number; readonly answer: number }[];
  readonly ended:
    | { readonly kind: "answered"; readonly outcome: Outcome }
    /** There is an answer, and it is no good without being looked at. */
    | { readonly kind: "no-good"; readonly failure: FailureKind; readonly note: string; readonly outcome: Outcome }
    | { readonly kind: "failed"; readonly failed: Failed }
    /** Somebody stopped the comparison. */
    | { readonly kind: "stopped" };
}

export interface TalkOptions {
  readonly client: ClientKind;
  readonly connection: Connection;
  /** `provider/model`. */
  readonly model: string;
  /** Put before everything else, so that no other task's prefix is found; "": nothing. */
  readonly nonce: string;
  readonly seed: number;
  /** Of one call. */
  readonly timeoutMs: number;
  readonly stopped: AbortSignal;
}

export async function talk(task: Task, options: TalkOptions): Promise<Talked> {
  const startedMs = performance.now();
  const said: Said[] = task.messages.map((message) => saidOf(message, task));
  const made: ToolCall[] = [];
  const turns = [undefined, ...task.next];
  const sizes: { prompt: number; answer: number }[] = [];
  const fixed = fixedCharacters(task, options);
  let calls = 0;
  let ttftMs: number | undefined;
  let answer = "";
  const over = (ended: Talked["ended"]): Talked => ({
    calls,
    ttftMs,
    durationMs: performance.now() - startedMs,
    sizes,
    ended,
  });
  for (const turn of turns) {
    if (turn !== undefined) said.push({ role: "user", text: turn });
    for (let asked = 0; ; asked += 1) {
      const outcome = { answer, calls: made };
      if (asked === task.callsMax)
        return over({ kind: "no-good", failure: "too-many-turns", note: `no answer after ${asked} calls`, outcome });
      const deadline = AbortSignal.timeout(options.timeoutMs);
      const askedMs = performance.now();
      calls += 1;
      let reply;
      try {
        reply = await options.client.ask(
          {
            ...askedOf(task, options),
            said,
            signal: AbortSignal.any([deadline, options.stopped]),
            began: () => void (ttftMs ??= performance.now() - askedMs),
          },
          options.connection,
        );
      } catch (error) {
        if (options.stopped.aborted) return over({ kind: "stopped" });
        return over({ kind: "failed", failed: whatFailed(error, deadline.aborted) });
      }
      sizes.push({ prompt: fixed + charactersOf(said), answer: charactersOf([{ role: "assistant", ...reply }]) });
      answer = reply.text;
      said.push({ role: "assistant", ...reply });
      made.push(...reply.calls);
      const now = { answer, calls: made };
      if (reply.finish === "refusal")
        return over({ kind: "no-good", failure: "refused", note: "the model refused", outcome: now });
      if (reply.finish === "length")
        return over({
          kind: "no-good",
          failure: "cut-short",
          note: `longer than ${task.maxTokens} tokens`,
          outcome: now,
        });
      if (reply.calls.length === 0) break;
      const unknown = reply.calls.find(({ name }) => !task.tools.some((tool) => tool.name === name));
      if (unknown !== undefined)
        return over({
          kind: "no-good",
          failure: "tool-misused",
          note: "called a tool that there is not",
          outcome: now,
        });
      // What a tool would say is not known: the call itself is the answer.
      if (!reply.calls.every(({ name }) => isScripted(task, name))) return over({ kind: "answered", outcome: now });
      said.push(...reply.calls.map((call) => resultOf(task, call)));
    }
  }
  return over({ kind: "answered", outcome: { answer, calls: made } });
}

function askedOf(task: Task, { model, nonce, seed }: TalkOptions): Omit<Asked, "said" | "signal" | "began"> {
  const system = [nonce, task.system ?? ""].filter((text) => text !== "").join("\n");
  return {
    model,
    system: system === "" ? undefined : system,
    tools: task.tools,
    schema: task.schema,
    maxTokens: task.maxTokens,
    seed,
  };
}

function fixedCharacters(task: Task, { nonce }: TalkOptions): number {
  const tools = task.tools.map(({ name, description, parameters }) =>
    JSON.stringify({ name, description, parameters }),
  );
  return [nonce, task.system ?? "", ...tools].reduce((sum, text) => sum + text.length, 0);
}

function charactersOf(said: readonly Said[]): number {
  return said.reduce((sum, one) => {
    const calls = one.role === "assistant" ? one.calls : [];
    return sum + one.text.length + calls.reduce((all, call) => all + call.name.length + call.argumentsText.length, 0);
  }, 0);
}

function saidOf(message: Task["messages"][number], task: Task): Said {
  switch (message.role) {
    case "user":
      return { role: "user", text: message.content };
    case "assistant":
      return {
        role: "assistant",
        text: message.content,
        calls: (message.calls ?? []).map(({ id, tool, arguments: given }) => ({
          id: id ?? tool,
          name: tool,
          argumentsText: JSON.stringify(given),
        })),
      };
    case "tool": {
      const calls = task.messages.flatMap((one) => (one.role === "assistant" ? (one.calls ?? []) : []));
      const name = calls.find(({ id, tool }) => (id ?? tool) === message.call)?.tool ?? message.call;
      return { role: "tool", callId: message.call, name, text: message.content, isError: false };
    }
  }
}

function isScripted(task: Task, name: string): boolean {
  return task.tools.some((tool) => tool.name === name && tool.results.length > 0);
}

function resultOf(task: Task, { id, name, argumentsText }: ToolCall): Said {
  const given = argumentsOf(argumentsText);
  const tool = task.tools.find((one) => one.name === name);
  const found =
    given === undefined
      ? undefined
      : tool?.results.find(({ when }) => when === undefined || fitsArguments(given, when));
  const text =
    found === undefined
      ? given === undefined
        ? "Error: the arguments are not a JSON object."
        : "Error: nothing was found for these arguments."
      : typeof found.result === "string"
        ? found.result
        : JSON.stringify(found.result);
  return { role: "tool", callId: id, name, text, isError: found?.isError ?? true };
}

function argumentsOf(text: string): JsonObject | undefined {
  try {
    const value = JSON.parse(text === "" ? "{}" : text) as JsonValue;
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}
