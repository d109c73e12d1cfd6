/** What a comparison asks of an official client: one answer to a conversation, as a stream, and what it costs to know nothing else. */
import type { JsonObject } from "../../../src/chat.ts";
import type { Tool } from "../task.ts";

/** What was said so far. An answer keeps its client's own form, as what a provider signs must come back as it was. */
export type Said =
  | { readonly role: "user"; readonly text: string }
  | { readonly role: "assistant"; readonly text: string; readonly calls: readonly ToolCall[]; readonly own?: unknown }
  | {
      readonly role: "tool";
      readonly callId: string;
      readonly name: string;
      readonly text: string;
      readonly isError: boolean;
    };

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** As it came: JSON, or what a model took for it. */
  readonly argumentsText: string;
}

export interface Asked {
  /** `provider/model`. */
  readonly model: string;
  readonly system: string | undefined;
  readonly said: readonly Said[];
  readonly tools: readonly Tool[];
  readonly schema: JsonObject | undefined;
  readonly maxTokens: number;
  /** For providers that take one. */
  readonly seed: number;
  /** Called at the first word or tool call. */
  readonly began: () => void;
  readonly signal: AbortSignal;
}

export interface Answered {
  readonly text: string;
  readonly calls: readonly ToolCall[];
  readonly finish: "done" | "calls" | "length" | "refusal";
  /** To be given back as `own`. */
  readonly own?: unknown;
}

export interface Connection {
  /** The gateway's address. */
  readonly url: string;
  readonly apiKey: string;
  /** On every call. */
  readonly headers: Readonly<Record<string, string>>;
}

/** An official client. Its own retries are off: what the gateway says is what is measured. */
export interface ClientKind {
  /** As npm calls it. */
  readonly name: string;
  /** Whether it is the one that a user of this model has: by the kind of its provider, and the model's id there. */
  serves(kind: string, model: string): boolean;
  /** @throws what the client throws; with `status` where there was an answer. */
  ask(asked: Asked, connection: Connection): Promise<Answered>;
}

/** A schema's name where one is asked for. */
export const SCHEMA_NAME = "answer";

/** Whether it can be asked for to the letter: of others strict providers refuse the whole call. */
export function isStrict(schema: JsonObject): boolean {
  return schema["additionalProperties"] === false;
}

/** What a task offers, in the form that OpenAI's dialect and Mistral's share; without any, the field is left out. */
export function functionTools({ tools }: Pick<Asked, "tools">): { readonly tools?: FunctionTool[] } {
  if (tools.length === 0) return {};
  return {
    tools: tools.map(({ name, description, parameters }) => ({
      type: "function",
      function: { name, parameters: { ...parameters }, ...(description === undefined ? {} : { description }) },
    })),
  };
}

interface FunctionTool {
  readonly type: "function";
  readonly function: {
    readonly name: string;
    readonly parameters: Record<string, unknown>;
    readonly description?: string;
  };
}
