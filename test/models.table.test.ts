/**
 * What each model takes, written down a second time: limits, cache contract, reasoning levels, retirement.
 */
import { describe, expect, test } from "vitest";
import type { Ability, CacheContract, ModelRecord } from "../src/model.ts";
import { createModelTable } from "../src/models.ts";

const table = createModelTable();

describe("limits and retirement", () => {
  test.each([
    ["gpt-5.4", 1_050_000, 922_000, 128_000, undefined],
    ["gpt-5.4-mini", 400_000, 272_000, 128_000, undefined],
    ["gpt-5.4-nano", 400_000, 272_000, 128_000, "2027-04-01"],
    ["gpt-5-mini", 400_000, 272_000, 128_000, "2026-12-11"],
    ["gpt-5-nano", 400_000, 272_000, 128_000, "2026-12-11"],
    ["gpt-4.1-nano", 1_047_576, undefined, 32_768, "2026-10-23"],
    ["gpt-5.5", 1_050_000, undefined, undefined, undefined],
    ["gpt-5.6-luna", 1_050_000, undefined, 128_000, undefined],
    ["gpt-5.6-terra", 1_050_000, undefined, 128_000, undefined],
    ["gpt-6-luna", 1_050_000, 922_000, 128_000, undefined],
    ["gpt-6.1-sol", undefined, undefined, undefined, undefined],
    ["claude-haiku-4-5", 200_000, undefined, 64_000, undefined],
    ["claude-haiku-5-5", 1_000_000, undefined, 128_000, undefined],
    ["claude-sonnet-4-6", 1_000_000, undefined, 64_000, undefined],
    ["claude-sonnet-5", 1_000_000, undefined, undefined, undefined],
    ["claude-sonnet-5-5", 1_000_000, undefined, 128_000, undefined],
    ["claude-opus-4-6", 1_000_000, undefined, 128_000, undefined],
    ["claude-opus-4-7", 1_000_000, undefined, 128_000, undefined],
    ["claude-opus-4-8", 1_000_000, undefined, 128_000, undefined],
    ["claude-opus-5", 1_000_000, undefined, 128_000, undefined],
    ["claude-opus-5-5", 1_000_000, undefined, 128_000, undefined],
    ["claude-fable-5-1", 1_000_000, undefined, 128_000, undefined],
    ["mistral-small-2603", 256_000, undefined, undefined, undefined],
    ["mistral-small-2506", 128_000, undefined, undefined, "2026-07-31"],
    ["mistral-small-2503", 128_000, undefined, undefined, "2025-11-30"],
    ["mistral-small-2501", 32_000, undefined, undefined, "2025-11-30"],
    ["mistral-medium-3.5", 256_000, undefined, undefined, undefined],
  ])("%s: window %s, prompt %s, answer %s, retires %s", (model, window, prompt, answer, retires) => {
    const { contextTokens, maxInputTokens, maxOutputTokens, retires: until } = recordOf(model);
    expect([contextTokens, maxInputTokens, maxOutputTokens, until]).toEqual([window, prompt, answer, retires]);
  });
});

describe("the cache contract", () => {
  const automatic = (idleSeconds: number): CacheContract => ({
    kind: "automatic",
    minTokens: 1024,
    stepTokens: 128,
    key: true,
    idleSeconds,
  });
  const breakpoints: CacheContract = {
    kind: "marks",
    style: "prompt_cache_breakpoint",
    minTokens: 1024,
    maxMarks: 4,
    ttlSeconds: [1800],
    lookback: 80,
  };
  const control = (minTokens: number): CacheContract => ({
    kind: "marks",
    style: "cache_control",
    minTokens,
    maxMarks: 4,
    ttlSeconds: [300, 3600],
    lookback: 20,
  });
  const CONTRACTS: readonly (readonly [models: readonly string[], contract: Partial<CacheContract>])[] = [
    [["gpt-5.4", "gpt-5.5"], automatic(86_400)],
    [["gpt-5.4-mini", "gpt-5.4-nano", "gpt-5-mini", "gpt-5-nano", "gpt-4.1-nano"], automatic(300)],
    [["gpt-5.6-luna", "gpt-5.6-terra", "gpt-6-luna", "gpt-6.1-sol"], breakpoints],
    [["claude-opus-5", "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-fable-5-1"], control(512)],
    [["claude-opus-4-8", "claude-sonnet-5", "claude-sonnet-4-6"], control(1024)],
    [["claude-opus-4-7"], control(2048)],
    [["claude-opus-4-6", "claude-haiku-4-5"], control(4096)],
    [
      ["mistral-small-2603", "mistral-small-2506", "mistral-medium-3.5"],
      { kind: "keyed", minTokens: 64, stepTokens: 64 },
    ],
    [["codestral-2508"], { kind: "keyed", minTokens: 64, stepTokens: 64 }],
    [["mistral-small-2503", "mistral-small-2501"], { kind: "none" }],
    [["text-embedding-3-small", "text-embedding-3-large", "mistral-embed", "gpt-3.5-turbo-instruct"], { kind: "none" }],
  ];

  test.each(CONTRACTS)("of %s", (models, contract) => {
    for (const model of models) expect(recordOf(model).cache, model).toMatchObject(contract);
  });

  test("every model has been looked at", () => {
    expect(CONTRACTS.flatMap(([models]) => models).toSorted()).toEqual(
      table
        .all()
        .map(({ id }) => id)
        .toSorted(),
    );
  });
});

describe("reasoning levels", () => {
  test.each([
    ["gpt-5.4-nano", "effort", ["none", "low", "medium", "high", "xhigh"], "none", "none"],
    ["gpt-5.4-mini", "effort", ["none", "low", "medium", "high", "xhigh"], "none", "none"],
    ["gpt-5-nano", "effort", ["minimal", "low", "medium", "high"], undefined, undefined],
    ["gpt-4.1-nano", "none", [], undefined, undefined],
    ["gpt-5.6-luna", "effort", ["none", "low", "medium", "high", "xhigh", "max"], "medium", "none"],
    ["gpt-6-luna", "effort", ["none", "low", "medium", "high", "xhigh", "max"], "medium", "none"],
    ["claude-haiku-4-5", "budget", [], undefined, "disabled"],
    ["claude-haiku-5-5", "adaptive", ["low", "medium", "high", "xhigh", "max"], "medium", "disabled"],
    ["claude-opus-4-6", "adaptive", ["low", "medium", "high", "max"], undefined, "disabled"],
    ["claude-sonnet-4-6", "adaptive", ["low", "medium", "high", "max"], undefined, "disabled"],
    ["claude-sonnet-5-5", "adaptive", ["low", "medium", "high", "xhigh", "max"], "high", "between_tools"],
    ["claude-opus-5-5", "adaptive", ["low", "medium", "high", "xhigh", "max"], "medium", undefined],
    ["claude-fable-5-1", "adaptive", ["low", "medium", "high", "xhigh", "max"], undefined, undefined],
    ["mistral-small-2603", "effort", ["none", "high"], "none", "none"],
  ])("of %s", (model, kind, efforts, defaultEffort, off) => {
    const { reasoning } = recordOf(model);
    expect([reasoning.kind, reasoning.efforts, reasoning.defaultEffort, reasoning.off]).toEqual([
      kind,
      efforts,
      defaultEffort,
      off,
    ]);
  });
});

describe("what a model refuses", () => {
  const converses = (record: ModelRecord) => record.abilities.chat === true;
  const idsOf = (holds: (record: ModelRecord) => boolean) =>
    table
      .all()
      .filter(holds)
      .map(({ id }) => id)
      .toSorted();

  test("forced tool calls: Opus 5.5, Sonnet 5.5, Fable 5.1", () => {
    expect(idsOf((record) => !record.forcedTools)).toEqual([
      "claude-fable-5-1",
      "claude-opus-5-5",
      "claude-sonnet-5-5",
    ]);
  });

  test("function tools beside reasoning on Chat Completions: GPT-5.4 and everything after it", () => {
    expect(idsOf((record) => record.chatToolsNeedEffortNone)).toEqual(
      idsOf((record) => record.provider === "openai" && converses(record) && !/^gpt-(?:4|5-)/.test(record.id)),
    );
  });

  test("a beginning of the answer: every Claude from 4.6 on", () => {
    expect(idsOf((record) => record.provider === "anthropic" && record.prefill)).toEqual(["claude-haiku-4-5"]);
  });

  test("sampling: none on Claude after 4.6 and on GPT-5, only without reasoning on later GPT, one of two on Haiku 4.5", () => {
    expect(idsOf((record) => record.sampling === "none")).toEqual([
      ...idsOf((record) => record.provider === "anthropic" && !/-4-[56]$/.test(record.id)),
      "gpt-5-mini",
      "gpt-5-nano",
    ]);
    expect(idsOf((record) => record.sampling === "effort-none-only")).toEqual(
      idsOf((record) => record.chatToolsNeedEffortNone),
    );
    expect(idsOf((record) => record.sampling === "temperature-xor-top-p")).toEqual(["claude-haiku-4-5"]);
  });

  test("other tool-call ids than nine letters and digits: Mistral", () => {
    expect(idsOf((record) => record.toolCallIds === "nine-alphanumerics")).toEqual(
      idsOf((record) => record.provider === "mistral" && converses(record)),
    );
  });

  test("temperatures above the vendor's bound", () => {
    expect(recordOf("gpt-5.4-nano").temperatureMax).toBe(2);
    expect(recordOf("claude-haiku-4-5").temperatureMax).toBe(1);
    expect(recordOf("mistral-small-2603").temperatureMax).toBe(1.5);
  });

  test("pictures: of those that converse, Mistral Small 3.0 and Codestral", () => {
    expect(idsOf((record) => converses(record) && !record.input.includes("image"))).toEqual([
      "codestral-2508",
      "mistral-small-2501",
    ]);
  });

  test("another call than its own: each is for conversations, for vectors or for the rest of a text, Codestral also for a middle", () => {
    const can = (ability: Ability) => idsOf((record) => record.abilities[ability] === true);
    expect(can("embeddings")).toEqual(["mistral-embed", "text-embedding-3-large", "text-embedding-3-small"]);
    expect(can("text-completions")).toEqual(["gpt-3.5-turbo-instruct"]);
    expect(can("fill-in-the-middle")).toEqual(["codestral-2508"]);
    expect(idsOf((record) => !converses(record))).toEqual(
      [...can("embeddings"), ...can("text-completions")].toSorted(),
    );
  });

  test("probabilities: every Claude, Mistral's models and GPT-5; audio and search as an answer, every one", () => {
    const cannot = (ability: Ability) => idsOf((record) => converses(record) && record.abilities[ability] === false);
    expect(cannot("logprobs")).toEqual(
      [...idsOf((record) => converses(record) && record.provider !== "openai"), "gpt-5-mini", "gpt-5-nano"].toSorted(),
    );
    expect(cannot("audio-output")).toEqual(idsOf(converses));
    expect(cannot("web-search-options")).toEqual(idsOf(converses));
    expect(cannot("custom-tools")).toEqual(
      idsOf((record) => converses(record) && (record.provider !== "openai" || record.id.startsWith("gpt-4"))),
    );
  });
});

describe("tokens of a model per token of o200k_base", () => {
  test.each([
    ["gpt-6-luna", 1],
    ["mistral-small-2603", 1.045],
    ["claude-haiku-4-5", 1.1],
    ["claude-opus-4-6", 1.1],
    ["claude-opus-4-7", 1.42],
    ["claude-haiku-5-5", 1.42],
    ["claude-sonnet-5", 1.42],
  ])("%s: %d", (model, ratio) => {
    expect(recordOf(model).tokenRatio).toBe(ratio);
  });
});

describe("a name finds its model", () => {
  test.each([
    ["gpt-5.4-nano-2026-03-17", "gpt-5.4-nano"],
    ["gpt-5.4-2026-03-05", "gpt-5.4"],
    ["gpt-5-mini-2025-08-07", "gpt-5-mini"],
    ["claude-haiku-4-5-20251001", "claude-haiku-4-5"],
    ["mistral-small-latest", "mistral-small-2603"],
    // A snapshot that the table has not been told of.
    ["gpt-6-luna-2026-10-30", "gpt-6-luna"],
    ["claude-opus-5-5-20261101", "claude-opus-5-5"],
  ])("%s is %s", (name, id) => {
    expect(table.find(name)?.id).toBe(id);
  });

  test.each([
    "gpt-5.4-nano-preview",
    "claude-sonnet-5-6",
    "claude-haiku",
    "gpt-5",
    "gpt-5.4-nano-12345678",
    "",
    "2026-03-17",
  ])("%j is nobody's: a beginning alone says nothing about prices", (name) => {
    expect(table.find(name)).toBeUndefined();
  });
});

function recordOf(model: string): ModelRecord {
  const record = table.find(model);
  if (record === undefined) throw new Error(`${model} is not in the table`);
  return record;
}
