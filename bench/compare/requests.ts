/**
 * Exported request logs as a suite: JSONL of bodies as they were sent to Chat Completions or to Messages, alone, as `body` or as `request`
 * of a line (batch files and most logs have them so). What is asked last is the task. Nobody knows what would be right, so that cost and speed
 * are compared, and quality is not; and what a tool would answer is not known, so that a task ends with a call.
 */
import { z } from "zod";
import type { JsonObject } from "../../src/chat.ts";
import { basename, extname } from "node:path";
import { CompareError } from "./compare-error.ts";
import { linesOf, objectOf, suiteName, type Suite } from "./suite.ts";
import { taskOf, taskSchema, type Task } from "./task.ts";

export function openRequests(file: string): Suite {
  const source = basename(file);
  const name = suiteName(basename(file, extname(file)));
  return { name, source, tasks: () => tasksOf(file, source, name) };
}

async function* tasksOf(file: string, source: string, name: string): AsyncGenerator<Task> {
  let count = 0;
  for await (const { text, line } of linesOf(file, source)) {
    const where = `${source}:${line}`;
    const value = objectOf(text, where);
    const [prefix, body] = bodyOf(value);
    count += 1;
    yield taskFrom(body, prefix, where, name, count);
  }
  if (count === 0) throw new CompareError(`${source}: has no requests`);
}

function bodyOf(line: Readonly<Record<string, unknown>>): readonly [prefix: string, body: unknown] {
  if ("body" in line) return ["body.", line["body"]];
  if ("request" in line) return ["request.", line["request"]];
  return ["", line];
}

const part = z.looseObject({ type: z.string().optional(), text: z.string().optional() });
const content = z.union([z.string(), z.array(part)]).nullish();
const bodySchema = z.looseObject({
  system: z.union([z.string(), z.array(part)]).optional(),
  messages: z
    .array(
      z.looseObject({
        role: z.string(),
        content,
        tool_calls: z
          .array(
            z.looseObject({
              id: z.string(),
              function: z.looseObject({ name: z.string(), arguments: z.string() }),
            }),
          )
          .nullish(),
        tool_call_id: z.string().optional(),
      }),
    )
    .min(1),
  tools: z.array(z.looseObject({})).nullish(),
  max_tokens: z.number().nullish(),
  max_completion_tokens: z.number().nullish(),
});
type Body = z.infer<typeof bodySchema>;

function taskFrom(value: unknown, prefix: string, where: string, suite: string, at: number): Task {
  const read = bodySchema.safeParse(value);
  if (!read.success) {
    const [issue] = read.error.issues;
    throw new CompareError(`${where}: \`${prefix}${issue?.path.map(String).join(".")}\`: ${issue?.message}`);
  }
  const body = read.data;
  const systems = [
    textOf(body.system),
    ...body.messages.filter(({ role }) => isSystem(role)).map((one) => textOf(one.content)),
  ];
  const system = systems.filter((text) => text !== "").join("\n\n");
  const messages = body.messages.filter(({ role }) => !isSystem(role)).flatMap((one) => messagesOf(one, where, prefix));
  const task = {
    ...(system === "" ? {} : { system }),
    // Whoever let the model go on with its own words is asked without them.
    messages: messages.at(-1)?.["role"] === "assistant" ? messages.slice(0, -1) : messages,
    tools: (body.tools ?? []).map((tool) => toolOf(tool as JsonObject, where, prefix)),
    maxTokens: Math.min(128_000, Math.max(1, Math.floor(body.max_completion_tokens ?? body.max_tokens ?? 1_024))),
  };
  const checked = taskSchema.safeParse(task);
  if (checked.success) return taskOf(checked.data, {}, suite, at);
  const [issue] = checked.error.issues;
  throw new CompareError(`${where}: \`${prefix}${issue?.path.map(String).join(".")}\`: ${issue?.message}`);
}

function isSystem(role: string): boolean {
  return role === "system" || role === "developer";
}

function messagesOf(message: Body["messages"][number], where: string, prefix: string): JsonObject[] {
  const parts = Array.isArray(message.content) ? message.content : [];
  const calls = [
    ...(message.tool_calls ?? []).map(({ id, function: { name, arguments: text } }) => ({
      id,
      tool: name,
      arguments: argumentsOf(text),
    })),
    ...parts
      .filter(({ type }) => type === "tool_use")
      .map((one) => ({
        id: String(one["id"]),
        tool: String(one["name"]),
        arguments: (one["input"] ?? {}) as JsonObject,
      })),
  ];
  const text = textOf(message.content);
  switch (message.role) {
    case "assistant":
      return [{ role: "assistant", content: text, ...(calls.length === 0 ? {} : { calls }) }];
    case "tool":
      return [{ role: "tool", call: message.tool_call_id ?? "", content: text }];
    case "user": {
      const results = parts
        .filter(({ type }) => type === "tool_result")
        .map((one) => ({ role: "tool", call: String(one["tool_use_id"]), content: textOf(one["content"]) }));
      const media = parts.find(({ type }) => !["text", "tool_result", undefined].includes(type));
      if (media !== undefined)
        throw new CompareError(
          `${where}: \`${prefix}messages\`: ${media.type} is not text, and cannot be compared here`,
        );
      return text === "" && results.length > 0 ? results : [...results, { role: "user", content: text }];
    }
    default:
      throw new CompareError(`${where}: \`${prefix}messages\`: there is no role \`${message.role}\``);
  }
}

function argumentsOf(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject;
  } catch {
    return {};
  }
}

function toolOf(tool: JsonObject, where: string, prefix: string): JsonObject {
  const own = (tool["function"] ?? tool) as JsonObject;
  const { name, description } = own;
  if (typeof name !== "string")
    throw new CompareError(`${where}: \`${prefix}tools\`: only tools of one's own can be compared, with a name`);
  const parameters = own["parameters"] ?? own["input_schema"];
  return {
    name,
    ...(typeof description === "string" ? { description } : {}),
    ...(parameters === undefined ? {} : { parameters }),
  };
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return "";
  return value
    .map((one: { readonly text?: unknown }) => (typeof one.text === "string" ? one.text : ""))
    .filter((text) => text !== "")
    .join("\n");
}
