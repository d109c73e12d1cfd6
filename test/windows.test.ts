/** Which window each call asks for: what it needs on the ladder, what is loaded where that will do, and nothing by another client's word. */
import { describe, expect, test } from "vitest";
import { ollama } from "../providers/ollama.ts";
import { createWindows, type CallWindow } from "../src/windows.ts";
import { request, said, target } from "./made-target.ts";

const HOUR_MS = 3_600_000;
/** Prompts of so many tokens, with the answer's room: the steps that they need. */
const SHORT = 10;
const LONG = 10_000;
const LONGER = 20_000;

interface Made {
  readonly ask: (promptTokens: number, own?: number, model?: string, nowMs?: number) => CallWindow;
  /** The same, and the server answers. */
  readonly call: (promptTokens: number, own?: number, model?: string, nowMs?: number) => number;
}

function made(contextTokens?: number): Made {
  const windows = createWindows();
  const { instance, record, ...rest } = target("gpt-5.4-nano");
  if (record === undefined) throw new Error("no record");
  const { contextTokens: _, ...unbounded } = record;
  const bounded = contextTokens === undefined ? unbounded : { ...record, contextTokens };
  const ask: Made["ask"] = (promptTokens, own, model = "m", nowMs = 0) => {
    const window = windows.ask(
      {
        request: request({ messages: [said("Hi")] }),
        candidate: {
          target: {
            ...rest,
            name: `ollama/${model}`,
            model,
            record: bounded,
            instance: { ...instance, provider: ollama },
          },
          promptTokens,
        },
        body: own === undefined ? {} : { options: { num_ctx: own } },
      },
      nowMs,
    );
    if (window === undefined) throw new Error("no window");
    return window;
  };
  return {
    ask,
    call(...asked) {
      const window = ask(...asked);
      window.loaded();
      return window.tokens;
    },
  };
}

describe("a client's own window", () => {
  test.each([1e18, 1e308, 1_000_000, 131_072, 12_000.5, 512])("of %d is no other call's", (own) => {
    const { call } = made();
    call(SHORT, own);
    expect(call(SHORT)).toBe(8_192);
    call(SHORT, own);
    expect(call(LONG)).toBe(16_384);
    call(SHORT, own);
    expect(call(SHORT)).toBe(16_384);
  });

  test("is gone along with where it fits and is no larger than what would have been asked for", () => {
    const { call } = made();
    expect(call(SHORT, 4_096)).toBe(4_096);
    expect(call(SHORT)).toBe(4_096);
    expect(call(LONG)).toBe(16_384);
    call(SHORT, 8_192);
    expect(call(SHORT)).toBe(8_192);
    expect(call(LONG)).toBe(16_384);
  });

  test("that is too small for others costs one load each way, and the ladder stays where it was", () => {
    const { call } = made();
    const windows = [LONGER, SHORT, [SHORT, 2_048], SHORT, LONGER, [SHORT, 2_048], SHORT, LONGER].map((one) =>
      typeof one === "number" ? call(one) : call(...(one as [number, number])),
    );
    expect(windows).toEqual([32_768, 32_768, 2_048, 32_768, 32_768, 2_048, 32_768, 32_768]);
  });

  test("that the server refused, or had no memory for, was never loaded", () => {
    const { ask, call } = made();
    ask(SHORT, 4_096);
    expect(call(SHORT)).toBe(8_192);
    call(SHORT, 4_096);
    ask(SHORT, 4_096).failed();
    expect(call(SHORT)).toBe(8_192);
  });

  test("that others went along with and that was too small is left, for the next step", () => {
    const { ask, call } = made();
    call(SHORT, 4_096);
    ask(SHORT).overflowed();
    expect(call(SHORT)).toBe(8_192);
  });

  test("that others went along with and that fails now is left", () => {
    const { ask, call } = made();
    call(SHORT, 4_096);
    ask(SHORT).failed();
    expect(call(SHORT)).toBe(8_192);
  });
});

describe("a window that there is no memory for", () => {
  test("gives way to the one before", () => {
    const { ask, call } = made();
    call(SHORT);
    ask(LONG).failed();
    expect(call(SHORT)).toBe(8_192);
  });

  test("gives way though it was loaded before: the memory has become less", () => {
    const { ask, call } = made();
    call(LONGER);
    call(SHORT);
    ask(SHORT).failed();
    expect(call(SHORT)).toBe(8_192);
  });

  test("takes nothing back that another call has asked for meanwhile", () => {
    const { ask, call } = made();
    call(SHORT);
    const first = ask(LONG);
    call(LONGER);
    first.failed();
    expect(call(SHORT)).toBe(32_768);
  });
});

test("a prompt that was counted larger gets more, and never less than another call has got", () => {
  const { ask, call } = made();
  const first = ask(SHORT);
  expect(call(LONGER)).toBe(32_768);
  first.overflowed();
  expect(call(SHORT)).toBe(32_768);
  ask(SHORT).overflowed();
  expect(call(SHORT)).toBe(65_536);
});

test.each([
  [20_000, 20_000],
  [undefined, 131_072],
])("no call asks for more than the model's own maximum of %s", (contextTokens, most) => {
  const { ask, call } = made(contextTokens);
  expect(call(1_000_000)).toBe(most);
  ask(SHORT).overflowed();
  expect(call(SHORT)).toBe(most);
});

test("what nobody asked for in an hour begins anew, whoever loaded it", () => {
  const { call } = made();
  call(LONGER, undefined, "m", 0);
  call(SHORT, 4_096, "m", 0);
  expect(call(SHORT, undefined, "m", HOUR_MS + 1)).toBe(8_192);
});

test("models have their own, and no more than a thousand are remembered", () => {
  const { call } = made();
  call(LONG, undefined, "first");
  call(LONG, undefined, "second");
  for (let model = 0; model < 999; model += 1) call(SHORT, undefined, `m${model}`);
  expect(call(SHORT, undefined, "second")).toBe(16_384);
  expect(call(SHORT, undefined, "first")).toBe(8_192);
});
