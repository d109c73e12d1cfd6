/** A task as a suite has it: what is said to a model, what its tools answer, and what would be right. The README has examples. */
import { z } from "zod";
import type { JsonObject } from "../../src/chat.ts";
import { linePattern } from "../../src/cache/line-pattern.ts";

const jsonObject = z.custom<JsonObject>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "must be an object",
);

/** As a ledger takes it for a task's class. */
const name = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{1,64}$/, "may hold letters, digits and . _ : - only, at most 64 characters");

const pattern = z.string().superRefine((source, context) => {
  try {
    linePattern(source);
  } catch (error) {
    context.addIssue({ code: "custom", message: (error as Error).message });
  }
});

const texts = z.union([z.string().transform((one) => [one]), z.array(z.string()).min(1)]);

/** What is right. Of several all must hold. */
const check = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("exact"), value: z.string(), ignoreCase: z.boolean().default(true) }),
  z.strictObject({ kind: z.literal("contains"), value: texts, ignoreCase: z.boolean().default(true) }),
  z.strictObject({ kind: z.literal("regex"), pattern }),
  z.strictObject({ kind: z.literal("json-schema"), schema: jsonObject }),
  /** JSON that has at least this in it, to the letter; lists in this order and of this length. */
  z.strictObject({ kind: z.literal("json"), value: jsonObject }),
  /** The last number of the answer. */
  z.strictObject({ kind: z.literal("number"), value: z.number(), tolerance: z.number().nonnegative().default(0) }),
  /** Tools that must have been called, each with at least these arguments, in this order; others may stand between them. */
  z.strictObject({
    kind: z.literal("calls"),
    calls: z.array(z.strictObject({ tool: z.string(), arguments: jsonObject.default({}) })).min(1),
  }),
  /** JavaScript: `(answer, { calls, task }) => true | false | "why it is wrong"`. */
  z.strictObject({ kind: z.literal("function"), code: z.string().min(1) }),
  z.strictObject({ kind: z.literal("judge"), rubric: z.string().min(1) }),
]);

const tool = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "may hold letters, digits, _ and - only, at most 64 characters"),
  description: z.string().optional(),
  parameters: jsonObject.default({ type: "object", properties: {} }),
  /** The first that fits the arguments is what the tool answers; without `when`, any fit. */
  results: z
    .array(
      z.strictObject({
        when: jsonObject.optional(),
        result: z.union([z.string(), jsonObject, z.array(z.unknown())]),
        isError: z.boolean().default(false),
      }),
    )
    .default([]),
});

const call = z.strictObject({ id: z.string().optional(), tool: z.string(), arguments: jsonObject.default({}) });

/** What was said before the task begins, for conversations that are taken up in the middle. */
const message = z.discriminatedUnion("role", [
  z.strictObject({ role: z.literal("user"), content: z.string() }),
  z.strictObject({ role: z.literal("assistant"), content: z.string().default(""), calls: z.array(call).optional() }),
  z.strictObject({ role: z.literal("tool"), call: z.string(), content: z.string() }),
]);

/** What the sandbox's model does when it does it right. Real providers never see it. */
const simulated = z.strictObject({
  /** The calls it makes before it answers, one a turn. */
  calls: z.array(call).default([]),
  answer: z.string().optional(),
  wrong: z.string().optional(),
});

const shared = {
  class: name.optional(),
  system: z.string().optional(),
  tools: z.array(tool).optional(),
  /** JSON of this schema is asked for, in each provider's own way. */
  schema: jsonObject.optional(),
  maxTokens: z.int().min(1).max(128_000).optional(),
  /** Calls of a model for one message of the user; whoever needs more has failed. */
  callsMax: z.int().min(1).max(200).optional(),
};

/** What holds for the tasks behind it that say nothing else. */
export const defaultsSchema = z.strictObject(shared);

export const taskSchema = z
  .strictObject({
    id: z
      .union([z.string(), z.number()])
      .transform(String)
      .refine((id) => id.length > 0 && id.length <= 200, "must have 1 to 200 characters")
      .optional(),
    ...shared,
    prompt: z.string().min(1).optional(),
    messages: z.array(message).min(1).optional(),
    /** What the user says next, each after an answer. */
    next: z.array(z.string()).default([]),
    expected: z.union([z.string(), z.number()]).transform(String).optional(),
    check: z.union([check.transform((one) => [one]), z.array(check)]).optional(),
    simulated: simulated.optional(),
  })
  .refine((task) => (task.prompt === undefined) !== (task.messages === undefined), {
    message: "needs either `prompt` or `messages`",
  })
  .refine((task) => task.messages === undefined || task.messages.at(-1)?.role !== "assistant", {
    message: "must end with what the user or a tool says",
    path: ["messages"],
  })
  .refine((task) => task.expected === undefined || task.check === undefined, {
    message: "say what is right once: `expected` or `check`",
    path: ["expected"],
  });

export type Defaults = z.infer<typeof defaultsSchema>;
export type Check = z.infer<typeof check>;
export type Tool = z.infer<typeof tool>;
export type TaskMessage = z.infer<typeof message>;

export interface Task {
  /** Of its own in its suite. */
  readonly id: string;
  readonly suite: string;
  readonly class: string;
  readonly system: string | undefined;
  readonly messages: readonly TaskMessage[];
  readonly next: readonly string[];
  readonly tools: readonly Tool[];
  readonly schema: JsonObject | undefined;
  readonly maxTokens: number;
  readonly callsMax: number;
  readonly checks: readonly Check[];
  readonly simulated: z.infer<typeof simulated> | undefined;
}

/** With room for what a model thinks before it answers. */
const MAX_TOKENS = 4_096;
const CALLS_MAX = 24;

/** @param at Where it stands in its suite, from 1: its id where it has none. */
export function taskOf(read: z.infer<typeof taskSchema>, defaults: Defaults, suite: string, at: number): Task {
  return {
    id: read.id ?? String(at),
    suite,
    class: read.class ?? defaults.class ?? suite,
    system: read.system ?? defaults.system,
    messages: read.messages ?? [{ role: "user", content: read.prompt ?? "" }],
    next: read.next,
    tools: read.tools ?? defaults.tools ?? [],
    schema: read.schema ?? defaults.schema,
    maxTokens: read.maxTokens ?? defaults.maxTokens ?? MAX_TOKENS,
    callsMax: read.callsMax ?? defaults.callsMax ?? CALLS_MAX,
    checks:
      read.expected === undefined ? (read.check ?? []) : [{ kind: "exact", value: read.expected, ignoreCase: true }],
    simulated: read.simulated,
  };
}
