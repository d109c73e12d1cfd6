/** Ollama's `POST /api/chat` and `POST /api/generate` as requests: what is refused, what is dropped, what waits for what. */
import type { JsonObject } from "../../../src/chat.ts";
import { type Ask, seedOf } from "../answer.ts";
import { type CachePlan, uncachedPlan } from "../cache/cache.ts";
import type { SlotPlan } from "../cache/ollama-slots.ts";
import { type Directives, numberOf } from "../directives.ts";
import { type Prompt, promptOf } from "../prompt.ts";
import { tokensOf } from "../tokens.ts";
import { answerJson, answerLines, type AnswerForm, argumentsOf, loadJson } from "./ollama.answer.ts";
import { checkTypes } from "./ollama.messages.ts";
import { type Capability, fullName, type LocalModel, localModel } from "./ollama.models.ts";
import { keepAliveOf, optionsOf, type OllamaRunOptions, schemaOf, thoughtTokensOf } from "./ollama.options.ts";
import { chatPrompt, messageTokens, rawPrompt, type WindowRules } from "./ollama.prompt.ts";
import type { OllamaRunners, RunnerNeed, Seat } from "./ollama.runners.ts";
import { type Call, isObject, objects, type ReadContext, Refusal, type Reply, stringOf } from "./wire.ts";

export interface OllamaServer {
  readonly runners: OllamaRunners;
  /** The window of a model that is loaded without a word about it. */
  readonly contextTokens: number;
  readonly reportsCached: boolean;
  /** Whether it can be told not to cut a prompt. */
  readonly knowsTruncate: boolean;
  readonly callIds: boolean;
}

type Read = (body: JsonObject, context: ReadContext, directives: (lastUserText: string) => Directives) => Call;

/** @throws Refusal for what Ollama would not serve. */
export function readOllamaChat(server: OllamaServer): Read {
  return (body, context, directives) => {
    checkTypes(body, "ChatRequest");
    const messages = objects(body["messages"]);
    const asked = requestOf(body, context, server, "chat");
    if (messages.length === 0) return loadCall(asked, server);
    const tools = objects(body["tools"]);
    need(asked.local, tools.length > 0, "tools");
    checkPictures(asked.local, messages);
    const lastUserText = stringOf(messages.findLast(({ role }) => role === "user")?.["content"]) ?? "";
    const ask: Omit<Ask, "seed" | "maxTokens"> = {
      lastUserText,
      toolResults: trailingResults(messages),
      tools: tools.flatMap((tool) => {
        const described = isObject(tool["function"]) ? tool["function"] : {};
        const name = stringOf(described["name"]);
        return name === undefined ? [] : [{ name, schema: described["parameters"] }];
      }),
      toolChoice: { kind: "auto" },
      parallel: true,
      schema: schemaOf(body["format"]),
      stop: asked.options.stop,
      thinkingTokens: thinkingOf(asked, directives(lastUserText)),
    };
    return answerCall(asked, chatPrompt(messages, tools, asked.window), ask, server);
  };
}

/** @throws Refusal for what Ollama would not serve. */
export function readOllamaGenerate(server: OllamaServer): Read {
  return (body, context, directives) => {
    checkTypes(body, "GenerateRequest");
    const text = stringOf(body["prompt"]) ?? "";
    const asked = requestOf(body, context, server, "generate");
    if (text === "") return loadCall(asked, server);
    const isRaw = body["raw"] === true;
    const remembered = Array.isArray(body["context"]) ? body["context"].map((id) => `<${String(id)}>`) : [];
    if (isRaw && (body["template"] || body["system"] || remembered.length > 0))
      throw new Refusal(400, "raw mode does not support template, system, or context");
    const suffix = stringOf(body["suffix"]) ?? "";
    need(asked.local, suffix !== "", "insert");
    const system = stringOf(body["system"]) ?? "";
    const messages: JsonObject[] = [
      ...(system === "" ? [] : [{ role: "system", content: system }]),
      { role: "user", content: text, ...(body["images"] === undefined ? {} : { images: body["images"] }) },
    ];
    checkPictures(asked.local, messages);
    const isText = isRaw || suffix !== "" || remembered.length > 0;
    const prompt = isText
      ? rawPrompt(
          [...remembered, ...tokensOf(suffix), ...(isRaw ? tokensOf(text) : messages.flatMap(messageTokens))],
          asked.window,
        )
      : chatPrompt(messages, [], asked.window);
    const ask: Omit<Ask, "seed" | "maxTokens"> = {
      lastUserText: text,
      toolResults: [],
      tools: [],
      toolChoice: { kind: "none" },
      parallel: false,
      schema: schemaOf(body["format"]),
      stop: asked.options.stop,
      thinkingTokens: thinkingOf(asked, directives(text)),
    };
    return answerCall({ ...asked, form: { ...asked.form, givesContext: !isRaw } }, prompt, ask, server);
  };
}

interface Asked {
  readonly body: JsonObject;
  readonly local: LocalModel;
  readonly options: OllamaRunOptions;
  readonly window: WindowRules;
  readonly need: RunnerNeed;
  readonly form: AnswerForm;
}

function requestOf(body: JsonObject, context: ReadContext, server: OllamaServer, kind: "chat" | "generate"): Asked {
  const local = localModelOf(body, context);
  if (!local.capabilities.includes("completion"))
    throw new Refusal(400, `"${String(body["model"])}" does not support ${kind}`);
  const shifts = body["shift"] !== false;
  const options = optionsOf(body, server.contextTokens, local.contextTokens, shifts);
  return {
    body,
    local,
    options,
    window: {
      contextTokens: options.contextTokens,
      keepTokens: options.keepTokens,
      truncates: !server.knowsTruncate || body["truncate"] !== false,
      shifts,
    },
    need: {
      model: local.name,
      options: options.loading,
      contextTokens: options.contextTokens,
      keepAliveMs: keepAliveOf(body["keep_alive"]),
    },
    form: {
      model: String(body["model"]),
      kind,
      reportsCached: server.reportsCached,
      callIds: server.callIds,
      givesContext: false,
    },
  };
}

/** @throws Refusal 404 for a model that was not pulled. */
export function localModelOf(body: JsonObject, context: ReadContext): LocalModel {
  const model = stringOf(body["model"]) ?? "";
  if (model === "") throw new Refusal(400, "model is required");
  const record = context.lookup(model);
  if (record === undefined) throw new Refusal(404, `model '${model}' not found`);
  return localModel(record);
}

function need(model: LocalModel, asks: boolean, capability: Capability): void {
  if (!asks || model.capabilities.includes(capability)) return;
  throw new Refusal(400, `${fullName(model)} does not support ${capability}`);
}

function checkPictures({ capabilities }: LocalModel, messages: readonly JsonObject[]): void {
  const hasPicture = messages.some(({ images }) => Array.isArray(images) && images.length > 0);
  if (hasPicture && !capabilities.includes("vision"))
    throw new Refusal(500, "this model is missing data required for image input");
}

/** What can think does, unless it is told not to. */
function thinkingOf({ body, local }: Asked, directives: Directives): number {
  const thinks = local.capabilities.includes("thinking");
  const wished = thoughtTokensOf(body["think"]);
  if (!thinks && (wished ?? 0) > 0) throw new Refusal(400, `"${String(body["model"])}" does not support thinking`);
  if (!thinks || wished === 0) return 0;
  return numberOf(directives, "thinking") ?? wished ?? thoughtTokensOf(true) ?? 0;
}

function trailingResults(messages: readonly JsonObject[]): string[] {
  const afterCalls = messages.findLastIndex(({ role }) => role !== "tool") + 1;
  return messages.slice(afterCalls).map(({ content }) => stringOf(content) ?? "");
}

/** Nothing to answer: the model is loaded, or let go. */
function loadCall({ need: wanted, form }: Asked, { runners }: OllamaServer): Call {
  const unloads = wanted.keepAliveMs === 0;
  return {
    model: form.model,
    prompt: promptOf([]),
    asks: [],
    stream: false,
    ...(unloads ? unloading(runners, wanted.model) : seated(runners, wanted, () => uncachedPlan(0))),
    json: (reply) => loadJson(form, reply, unloads ? "unload" : "load"),
    frames: () => [],
  };
}

function unloading(runners: OllamaRunners, model: string): Pick<Call, "plan"> {
  return {
    plan: () => {
      runners.unload(model);
      return uncachedPlan(0);
    },
  };
}

/** What takes its turn at a model and leaves nothing in its slots. */
export function seated(
  runners: OllamaRunners,
  wanted: RunnerNeed,
  plan: () => CachePlan,
): Pick<Call, "plan"> & Required<Pick<Call, "turn">> {
  let seat: Seat | undefined;
  return {
    turn: async (left, nowMs) => {
      seat = await runners.seat(wanted, left, nowMs);
      return () => seat?.leave(nowMs());
    },
    plan: () => ({ ...plan(), loadMs: seat?.loadMs ?? 0 }),
  };
}

function answerCall(
  { body, need: wanted, options, window, form }: Asked,
  prompt: Prompt,
  ask: Omit<Ask, "seed" | "maxTokens">,
  { runners }: OllamaServer,
): Call {
  let seat: Seat | undefined;
  let plan: SlotPlan | undefined;
  // Where the window may not move on, the answer ends with it.
  const room = window.shifts ? Infinity : window.contextTokens - prompt.tokens;
  const maxTokens = Math.min(options.maxTokens ?? Infinity, room);
  const seed = seedOf(wanted.model, ...prompt.blocks.map(({ identity }) => identity), String(options.seed));
  return {
    model: form.model,
    prompt,
    asks: [{ ...ask, seed, ...(maxTokens === Infinity ? { maxTokens: undefined } : { maxTokens }) }],
    stream: body["stream"] !== false,
    turn: async (left, nowMs) => {
      seat = await runners.seat(wanted, left, nowMs);
      return () => {
        plan?.free();
        seat?.leave(nowMs());
      };
    },
    plan: () => {
      if (seat === undefined) throw new Error("a request is planned once it has its turn");
      plan = seat.slots.plan(prompt);
      return { bill: plan.bill, loadMs: seat.loadMs, commit: () => plan?.commit() };
    },
    json: (reply) => answerJson(form, reply, prompt.tokens),
    frames: (reply) => answerLines(form, reply, prompt.tokens),
    ended: (reply, ending) => {
      if (ending === "complete") plan?.said(saidTokens(reply));
    },
  };
}

/** The answer as it will be told again; thoughts are not, and end what is the same. */
function saidTokens({ answers }: Reply): readonly string[] {
  const answer = answers[0];
  if (answer === undefined || answer.thinkingTokens > 0) return [];
  const calls = answer.calls.map(({ name, argumentsText }) => ({
    function: { name, arguments: argumentsOf(argumentsText) ?? {} },
  }));
  return messageTokens({ role: "assistant", content: answer.text, tool_calls: calls });
}
