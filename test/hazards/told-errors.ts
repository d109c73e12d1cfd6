/** How each API tells an error, read as its clients do. */
import { z } from "zod";
import { validationError } from "../mistral-chat-schema.ts";

export interface ToldError {
  readonly message: string;
  readonly param: string | undefined;
}

const openai = z.strictObject({
  error: z.looseObject({
    message: z.string().min(1),
    type: z.string().min(1),
    param: z.string().nullable(),
    // A server that was passed on as it is (vLLM) says its status here.
    code: z.union([z.string(), z.number()]).nullable(),
  }),
});

export function openaiError(text: string): ToldError {
  const { error } = openai.parse(JSON.parse(text));
  return { message: error.message, param: error.param ?? undefined };
}

const messages = z.looseObject({
  type: z.literal("error"),
  error: z.looseObject({ type: z.string().regex(/_error$/), message: z.string().min(1) }),
});

export function messagesError(text: string): ToldError {
  return { message: messages.parse(JSON.parse(text)).error.message, param: undefined };
}

/** A validator's list has no words beside it where it is the provider's own. */
const mistral = z.looseObject({
  object: z.literal("error").optional(),
  message: z.union([z.string(), validationError]).optional(),
  param: z.string().nullish(),
  detail: validationError.shape.detail,
});

export function mistralError(text: string): ToldError {
  const error = mistral.parse(JSON.parse(text));
  const { message } = error;
  const detail = error.detail ?? (typeof message === "object" ? message.detail : undefined) ?? [];
  const told = typeof message === "string" ? message : detail.map(({ msg }) => msg).join("; ");
  if (told === "") throw new Error("an error of Mistral's that says nothing");
  return { message: told, param: error.param ?? detail[0]?.loc.join(".") };
}

const ollama = z.strictObject({ error: z.string().min(1) });

export function ollamaError(text: string): ToldError {
  return { message: ollama.parse(JSON.parse(text)).error, param: undefined };
}
