/** Which targets can take a request, and what a policy is told of each. */
import { describe, expect, test } from "vitest";
import type { ChatRequest, Part } from "../src/chat.ts";
import { GatewayError } from "../src/errors.ts";
import { candidates, type CandidateContext } from "../src/candidates.ts";
import { RECORD_DEFAULTS } from "../src/model.ts";
import type { Candidate, Target } from "../src/target.ts";
import { usdText } from "../src/usage.ts";
import { request, said, target } from "./made-target.ts";

const nano = target("gpt-5.4-nano");
const haiku = target("claude-haiku-5-5");
const small = target("mistral-small-2603");
const textOnly = target("mistral-small-2501");
const opus = target("claude-opus-5-5");
const unknown: Target = { ...nano, name: "openai/new", model: "new", record: undefined, price: undefined };

const picture: Part = { type: "image", source: { type: "base64", mediaType: "image/png", data: "AA==" } };
const withParts = (...parts: readonly Part[]) => request({ messages: [{ role: "user", parts }] });

describe("the dialect", () => {
  test("is the client's own wherever the target speaks it", () => {
    expect(found(request(), [nano, haiku, small]).map(({ dialect }) => dialect)).toEqual([
      "openai-chat",
      "anthropic-messages",
      "openai-chat",
    ]);
    expect(
      found(request(), [nano, haiku], { clientDialect: "anthropic-messages" }).map(({ dialect }) => dialect),
    ).toEqual(["openai-chat", "anthropic-messages"]);
  });
});

describe("what a target cannot take, it is not asked", () => {
  test("a picture: not for who reads text only, wherever in the request it stands", () => {
    expect(names(found(withParts(picture), [textOnly, nano]))).toEqual([nano.name]);
    const result: Part = { type: "tool-result", callId: "1", content: [picture] };
    expect(names(found(withParts(result), [textOnly, nano]))).toEqual([nano.name]);
  });

  test("of a model that no table knows nothing is assumed", () => {
    expect(names(found(withParts(picture), [unknown]))).toEqual([unknown.name]);
  });

  test.each<readonly [what: string, given: Partial<ChatRequest>]>([
    ["several choices", { choices: 2 }],
    ["a message thread", { extra: { thread: { type: "create" } } }],
    ["log probabilities", { logprobs: {} }],
    ["custom tools", { abilities: ["custom-tools"] }],
    ["hosted tools alone", { tools: [{ type: "opaque", dialect: "openai-chat", kind: "web_search", value: {} }] }],
    [
      "a hosted file",
      { messages: [{ role: "user", parts: [{ type: "document", source: { type: "file", id: "f" } }] }] },
    ],
  ])("%s: only in the client's own dialect", (_what, given) => {
    expect(names(found(request(given), [haiku, nano]))).toEqual([nano.name]);
    expect(() => found(request(given), [haiku])).toThrow(GatewayError);
  });

  test("what a model is known not to be able to it is not asked, and what is not known only where nobody is known to", () => {
    const tiny: Target = {
      ...unknown,
      name: "vllm/tiny",
      record: { ...RECORD_DEFAULTS, id: "tiny", provider: "vllm" },
    };
    const given = request({ logprobs: {} });
    expect(names(found(given, [small, tiny, nano]))).toEqual([nano.name]);
    expect(names(found(given, [small, tiny]))).toEqual([tiny.name]);
    expect(() => found(given, [small])).toThrow(
      "the request needs logprobs, which mistral/mistral-small-2603 cannot take",
    );
    expect(names(found(request(), [small, tiny, nano]))).toHaveLength(3);
  });

  test("probabilities of a model that gives them only while it does not reason", () => {
    const luna = target("gpt-6-luna");
    expect(names(found(request({ logprobs: {} }), [luna, nano]))).toEqual([nano.name]);
    expect(names(found(request({ logprobs: {}, reasoning: { effort: "none" } }), [luna, nano]))).toHaveLength(2);
    expect(() => found(request({ logprobs: {}, reasoning: { effort: "low" } }), [luna, nano])).toThrow("logprobs");
  });

  test("vectors, the rest of a text and a middle: only models for them, which in turn are for nothing else", () => {
    const vectors = target("text-embedding-3-small");
    expect(names(found(request({ abilities: ["embeddings"] }), [nano, vectors]))).toEqual([vectors.name]);
    expect(names(found(request(), [nano, vectors]))).toEqual([nano.name]);
    expect(() => found(request(), [vectors])).toThrow("a model that converses");
    const named = { explicit: true, clientDialect: "anthropic-messages" };
    expect(names(found(request(), [vectors], named))).toEqual([vectors.name]);
    expect(() => found(request({ abilities: ["text-completions"] }), [nano, vectors])).toThrow("text completions");
    const codestral = target("codestral-2508");
    expect(names(found(request({ abilities: ["fill-in-the-middle"] }), [small, codestral]))).toEqual([codestral.name]);
  });

  test("when none is left, who can is named: in a dialect that can say it, and known to", () => {
    const others = () => [haiku, small, unknown, nano];
    const error = thrownBy(() => found(request({ logprobs: {} }), [small], { others }));
    expect(error.message).toContain("; name a model that can (`openai/gpt-5.4-nano`), or leave it out");
    expect(thrownBy(() => found(request({ logprobs: {} }), [small], { others: () => [haiku] })).message).toContain(
      "; choose another target or leave it out",
    );
  });

  test("when none is left, the need is named, and who lacks it", () => {
    const error = thrownBy(() => found(withParts(picture), [textOnly]));
    expect(error).toMatchObject({ kind: "unsupported", status: 400 });
    expect(error.message).toContain("the request needs images, which mistral/mistral-small-2501 cannot take");
  });

  test("a thread that nobody has is refused in the words by which its clients go on without", () => {
    const error = thrownBy(() => found(request({ extra: { thread: { type: "continue" } } }), [haiku]));
    expect(error.details).toEqual({ error_code: "thread_unsupported_request", unsupported: ["thread"] });
  });

  test("who named the very model in its own dialect is told by the provider", () => {
    expect(names(found(withParts(picture), [textOnly], { explicit: true }))).toEqual([textOnly.name]);
    expect(names(found(request({ choices: 2 }), [nano], { explicit: true }))).toEqual([nano.name]);
    expect(() => found(request({ choices: 2 }), [haiku], { explicit: true })).toThrow("several choices");
  });
});

describe("what a target would lose, it is asked only where nobody would lose less", () => {
  test.each<readonly [what: string, given: Partial<ChatRequest>, loser: Target]>([
    ["a forced tool", { toolChoice: { type: "required" } }, opus],
    ["a named tool", { toolChoice: { type: "named", name: "look" } }, opus],
    ["one of some tools", { toolChoice: { type: "subset", mode: "required", names: ["look"] } }, opus],
    [
      "a hosted tool beside others",
      {
        tools: [
          { type: "function", name: "look" },
          { type: "opaque", dialect: "openai-chat", kind: "custom", value: {} },
        ],
      },
      haiku,
    ],
  ])("%s", (_what, given, loser) => {
    expect(names(found(request(given), [loser, nano]))).toEqual([nano.name]);
    expect(names(found(request(given), [loser]))).toEqual([loser.name]);
  });

  test("reasoning of a tool loop that is still open, which only the dialect it was sealed in can bear", () => {
    const loop = (...after: ChatRequest["messages"]): ChatRequest => {
      const sealed: Part = { type: "reasoning", text: "", signature: "c2ln", issuer: "anthropic-messages" };
      const call: Part = { type: "tool-call", id: "1", name: "look", arguments: "{}" };
      const result = { role: "tool", parts: [{ type: "tool-result", callId: "1", content: [] }] } as const;
      return request({ messages: [said("Hi"), { role: "assistant", parts: [sealed, call] }, result, ...after] });
    };
    expect(names(found(loop(), [nano, haiku]))).toEqual([haiku.name]);
    expect(names(found(loop(), [nano]))).toEqual([nano.name]);
    expect(names(found(loop(said("Done.", "assistant"), said("Next")), [nano, haiku]))).toEqual([
      nano.name,
      haiku.name,
    ]);
  });

  test("a free choice of tools loses nothing anywhere", () => {
    const given = request({ toolChoice: { type: "auto" }, tools: [{ type: "function", name: "look" }] });
    expect(names(found(given, [opus, nano]))).toEqual([opus.name, nano.name]);
  });
});

describe("the window", () => {
  test("is the largest prompt, not the whole window: 272,000 of GPT-5.4 nano's 400,000", () => {
    expect(names(found(request(), [nano, haiku], { promptTokens: 280_000 }))).toEqual([haiku.name]);
    expect(names(found(request(), [nano], { promptTokens: 280_000 }))).toEqual([nano.name]);
  });

  test("counts in the model's own tokens", () => {
    const wide = target("gpt-5.4-nano", { maxInputTokens: 100_000, tokenRatio: 1.42 });
    expect(names(found(request(), [wide, small], { promptTokens: 71_000 }))).toEqual([small.name]);
    expect(names(found(request(), [wide, small], { promptTokens: 70_000 }))).toEqual([wide.name, small.name]);
  });

  test("that our estimate overflows is tried where there is no other; one that is certain to overflow never is", () => {
    const error = thrownBy(() => found(request(), [nano, small], { promptTokens: 500_000 }));
    expect(error).toMatchObject({ kind: "context-too-long", status: 400, code: "context_length_exceeded" });
    expect(error.message).toContain("openai/gpt-5.4-nano takes 272000 (the prompt is about 500000)");
    expect(error.message).toContain("mistral/mistral-small-2603 takes 256000 (the prompt is about 522500)");
  });

  test("of a model that no table knows is not guessed", () => {
    expect(names(found(request(), [unknown], { promptTokens: 9_000_000 }))).toEqual([unknown.name]);
  });
});

describe("what the policy is told", () => {
  test("the prompt's tokens by each model's own tokenizer, and those that are warm as they are told", () => {
    const [one, other] = found(request(), [nano, haiku], { promptTokens: 1_000, warmTokens: () => 500 });
    expect([one?.promptTokens, one?.warmTokens]).toEqual([1_000, 500]);
    expect([other?.promptTokens, other?.warmTokens]).toEqual([1_420, 500]);
  });

  test("the expected cost: what is warm at the price of a read, the rest at that of input, and an answer of 500 tokens", () => {
    const [cold] = found(request(), [nano], { promptTokens: 10_000 });
    const [warm] = found(request(), [nano], { promptTokens: 10_000, warmTokens: () => 8_000 });
    // 10,000 × 0.20 + 500 × 1.25, and 2,000 × 0.20 + 8,000 × 0.02 + 500 × 1.25, per million.
    expect(costText(cold)).toBe("0.002625");
    expect(costText(warm)).toBe("0.001185");
  });

  test("a cap below that is what the answer costs at most", () => {
    const [capped] = found(request({ maxOutputTokens: 100 }), [nano], { promptTokens: 10_000 });
    expect(costText(capped)).toBe("0.002125");
    const [large] = found(request({ maxOutputTokens: 32_000 }), [nano], { promptTokens: 10_000 });
    expect(costText(large)).toBe("0.002625");
  });

  test("what is warm and has no price of its own is paid like the rest", () => {
    const [warm] = found(request(), [textOnly], { promptTokens: 10_000, warmTokens: () => 8_000 });
    expect(costText(warm)).toBe("0.001195");
  });

  test("a long prompt costs what long prompts cost", () => {
    const [short] = found(request(), [haiku], { promptTokens: 70_000 });
    const [long] = found(request(), [haiku], { promptTokens: 71_000 });
    expect(costText(short)).toBe("0.01019");
    expect(costText(long)).toBe("0.05166");
  });

  test("of a target without a price: nothing", () => {
    expect(found(request(), [unknown])[0]?.expectedCost).toBeUndefined();
  });

  test("more than the prompt is never warm", () => {
    const [one] = found(request(), [nano], { promptTokens: 100, warmTokens: () => 5_000 });
    expect(one?.warmTokens).toBe(100);
  });

  test("who rests; each target is asked once, as asking lets a probe through", () => {
    const asked: string[] = [];
    const resting = (one: Target) => {
      asked.push(one.name);
      return one === nano;
    };
    expect(found(request(), [nano, haiku], { resting }).map((one) => one.resting)).toEqual([true, false]);
    expect(asked).toEqual([nano.name, haiku.name]);
  });

  test("a target that cannot take the request is not asked whether it rests: its probe would be lost", () => {
    const asked: string[] = [];
    found(withParts(picture), [textOnly, nano], { resting: (one) => asked.push(one.name) > 99 });
    expect(asked).toEqual([nano.name]);
  });
});

test("candidates keep the config's order", () => {
  expect(names(found(request({ messages: [said("Hi")] }), [small, haiku, nano]))).toEqual(
    names([small, haiku, nano].map((one) => ({ target: one }))),
  );
});

function found(
  given: ChatRequest,
  targets: readonly Target[],
  context: Partial<CandidateContext> = {},
): readonly Candidate[] {
  return candidates(given, targets, {
    clientDialect: "openai-chat",
    promptTokens: 10,
    explicit: false,
    bindings: [],
    providers: ["openai", "anthropic", "mistral"],
    fieldOf: () => undefined,
    warmTokens: () => 0,
    resting: () => false,
    ...context,
  });
}

function names(all: readonly { readonly target: Target }[]): readonly string[] {
  return all.map((one) => one.target.name);
}

function costText(one: Candidate | undefined): string | undefined {
  return one?.expectedCost === undefined ? undefined : usdText(one.expectedCost);
}

function thrownBy(make: () => unknown): GatewayError {
  try {
    make();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
