/**
 * The official clients in front of a gateway: what they make of an answer, and the bytes they made it of.
 */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { readAnswer, type Answer, type Api } from "./answer.ts";
import type { Json } from "./material.ts";
import { CLIENT_KEY } from "./stage.ts";

/** How a client asks: for one document, event by event, or through its own helper that puts the events together. */
export type Way = "whole" | "events" | "helper";

export interface Heard {
  /** The message as the client's own types have it: a chat completion or a message. */
  readonly answer: Answer;
  /** What came over the wire. */
  readonly bytes: Buffer;
  readonly headers: Headers;
}

export interface Question {
  readonly model: string;
  /** Names of functions that are offered. */
  readonly tools: readonly string[];
}

/** Asks in the client's own dialect. Throws what the client throws. */
export function ask(api: Api, url: string, way: Way, question: Question): Promise<Heard> {
  return api === "chat" ? askOpenAI(url, way, question) : askAnthropic(url, way, question);
}

const PARAMETERS = { type: "object" as const, properties: {}, additionalProperties: true };

async function askOpenAI(url: string, way: Way, { model, tools }: Question): Promise<Heard> {
  const wire = recordedFetch();
  const client = new OpenAI({
    baseURL: `${url}/v1`,
    apiKey: CLIENT_KEY,
    maxRetries: 0,
    fetch: (...call) => wire.fetch(...call),
  });
  const request = {
    model,
    messages: [{ role: "user" as const, content: "Go on." }],
    ...(tools.length === 0
      ? {}
      : { tools: tools.map((name) => ({ type: "function" as const, function: { name, parameters: PARAMETERS } })) }),
  };
  if (way === "whole") {
    const completion = await client.chat.completions.create(request);
    return { answer: answerOf("chat", completion), ...(await wire.heard()) };
  }
  if (way === "helper") {
    const stream = client.chat.completions.stream({ ...request, stream_options: { include_usage: true } });
    const completion = await stream.finalChatCompletion();
    return { answer: answerOf("chat", completion), ...(await wire.heard()) };
  }
  // Event by event, and without asking for usage.
  const chunks: unknown[] = [];
  for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) chunks.push(chunk);
  return { answer: answerOfEvents("chat", chunks), ...(await wire.heard()) };
}

async function askAnthropic(url: string, way: Way, { model, tools }: Question): Promise<Heard> {
  const wire = recordedFetch();
  const client = new Anthropic({
    baseURL: url,
    apiKey: CLIENT_KEY,
    maxRetries: 0,
    fetch: (...call) => wire.fetch(...call),
  });
  const request = {
    model,
    max_tokens: 1_024,
    messages: [{ role: "user" as const, content: "Go on." }],
    ...(tools.length === 0 ? {} : { tools: tools.map((name) => ({ name, input_schema: PARAMETERS })) }),
  };
  if (way === "whole") {
    const message = await client.messages.create(request);
    return { answer: answerOf("messages", message), ...(await wire.heard()) };
  }
  if (way === "helper") {
    const message = await client.messages.stream(request).finalMessage();
    return { answer: answerOf("messages", message), ...(await wire.heard()) };
  }
  const events: unknown[] = [];
  for await (const event of await client.messages.create({ ...request, stream: true })) events.push(event);
  return { answer: answerOfEvents("messages", events), ...(await wire.heard()) };
}

function answerOf(api: Api, message: object): Answer {
  return readAnswer(api, false, Buffer.from(JSON.stringify(message as Json)));
}

function answerOfEvents(api: Api, events: readonly unknown[]): Answer {
  return readAnswer(api, true, Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")));
}

/** A fetch that keeps what came. */
function recordedFetch() {
  let bytes: Promise<ArrayBuffer> | undefined;
  let headers = new Headers();
  return {
    async fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
      const response = await fetch(input, init);
      bytes = response.clone().arrayBuffer();
      headers = response.headers;
      return response;
    },
    async heard(): Promise<{ readonly bytes: Buffer; readonly headers: Headers }> {
      return { bytes: Buffer.from((await bytes) ?? new ArrayBuffer(0)), headers };
    },
  };
}
