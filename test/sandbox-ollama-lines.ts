/** Every promise of Ollama's streams, checked on the bytes of one. */
import { expect } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { at } from "./sandbox-call.ts";

export interface Lines {
  readonly lines: readonly JsonObject[];
  readonly last: JsonObject;
  readonly text: string;
  readonly thinking: string;
  readonly calls: readonly JsonObject[];
}

const COUNTED = ["total_duration", "load_duration", "prompt_eval_duration", "eval_count", "eval_duration"];

/** @param body The whole of an answer's stream, or the answer in one piece. @returns What was said; fails the test for a promise that is not kept. */
export function checkedLines(body: string): Lines {
  expect(body).not.toMatch(/^data:|\n\n/);
  const lines = body
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as JsonObject);
  const said = lines.map((line) => (line["message"] ?? line) as JsonObject);
  for (const [index, line] of lines.entries()) {
    expect(line["model"]).toBe(lines[0]?.["model"]);
    expect(line["created_at"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    expect(line["done"]).toBe(index === lines.length - 1);
    expect(typeof (at(line, "message", "content") ?? line["response"])).toBe("string");
  }
  const last = lines.at(-1) ?? {};
  expect(["stop", "length"]).toContain(last["done_reason"]);
  for (const name of COUNTED) expect([name, Number.isSafeInteger(last[name])]).toEqual([name, true]);
  const parts = ["total_duration", "load_duration", "prompt_eval_duration", "eval_duration"].map((name) =>
    Number(last[name]),
  );
  expect(parts[0]).toBe((parts[1] ?? 0) + (parts[2] ?? 0) + (parts[3] ?? 0));
  const calls = said.flatMap((one) => (one["tool_calls"] ?? []) as readonly JsonObject[]);
  for (const call of calls) expect(typeof at(call, "function", "arguments")).toBe("object");
  return {
    lines,
    last,
    text: said.map((one) => String(one["content"] ?? one["response"])).join(""),
    thinking: said.map((one) => String(one["thinking"] ?? "")).join(""),
    calls,
  };
}
