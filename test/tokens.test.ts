/** Counting tokens without a tokenizer: near enough to choose by, and never slow. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChatRequest, Part, Tool } from "../src/chat.ts";
import { estimatePromptTokens, estimateTokens } from "../src/tokens.ts";
import { request, said } from "./made-target.ts";

describe("no input makes it slow", () => {
  const LENGTH = 4_000_000;
  test.each([
    // 80,000 of them took a real tokenizer nine seconds.
    ["one letter", "A"],
    ["another letter", "a"],
    ["letters and digits in turn", "a1"],
    ["capitals in turn", "aB"],
    ["base64", "Zm9vYmFyKy8="],
    ["digits", "7"],
    ["spaces", " "],
    ["line ends", "\r\n"],
    ["marks", "!"],
    ["Han", "字"],
    ["pictures of two units", "😀"],
    ["half of such a picture", "\ud83d"],
    ["controls", "\u0000"],
  ])("four million characters of %s", (_what, unit) => {
    const text = unit.repeat(LENGTH / unit.length);
    const startedAt = performance.now();
    const tokens = estimateTokens(text);
    // A hundredfold of what it takes; a quadratic one would need hours.
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(tokens).toBeLessThanOrEqual(LENGTH);
  });

  test("a request of many small things", () => {
    const messages = Array.from({ length: 100_000 }, (_, index) => said(`message ${index}`));
    const startedAt = performance.now();
    expect(estimatePromptTokens(request({ messages }))).toBeGreaterThan(500_000);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});

describe("the count of a text", () => {
  test.each([
    // As o200k_base counts them.
    ["", 0],
    ["Hello, world!", 4],
    ["The quick brown fox jumps over the lazy dog.", 10],
    ["1234567890", 4],
  ])("%j: about %d", (text, tokens) => {
    expect(Math.abs(estimateTokens(text) - tokens)).toBeLessThanOrEqual(1);
  });

  test.each([
    // Characters per token, by o200k_base.
    [
      "English",
      4.6,
      "Large language models answer questions, write documents and help programmers with their code. What they cost depends on how many tokens they read and write, so that an estimate has to be close enough to choose by. Nobody needs it to be exact, as the provider counts again and bills by that.",
    ],
    [
      "Russian",
      3.6,
      "Искусственный интеллект меняет нашу жизнь. Многие компании используют большие языковые модели, чтобы отвечать на вопросы клиентов, писать документы и помогать программистам писать код. Однако стоимость таких моделей зависит от количества обработанных токенов.",
    ],
    [
      "Chinese",
      1.6,
      "人工智能正在改变我们的生活方式。许多公司使用大型语言模型来回答客户的问题，撰写文件，并帮助程序员编写代码。然而，这些模型的成本取决于处理的词元数量，因此准确的估计非常重要。",
    ],
  ])("%s: %d characters a token, give or take a sixth", (_language, expected, text) => {
    const measured = text.length / estimateTokens(text);
    expect(measured / expected).toBeGreaterThan(5 / 6);
    expect(measured / expected).toBeLessThan(7 / 6);
  });

  test("is a whole number from 0 to one a character", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.lorem({ mode: "sentences" })), (text) => {
        const tokens = estimateTokens(text);
        expect(Number.isSafeInteger(tokens)).toBe(true);
        expect(tokens).toBeGreaterThanOrEqual(0);
        expect(tokens).toBeLessThanOrEqual(text.length);
      }),
    );
  });

  test.each(["plain words", "“quoted” — words, 12345", "字 and 一些 words", "camelCase aB 😀"])(
    "is the same wherever it stands: %s",
    (words) => {
      const text = `${words} `.repeat(Math.ceil(200 / words.length));
      const counts = Array.from({ length: 40 }, (_, spaces) => estimateTokens(" ".repeat(spaces) + text));
      expect(new Set(counts).size).toBe(1);
    },
  );

  test("of a long text that is read in stretches is that of a whole reading, within a twentieth", () => {
    const paragraph = 'It was the best of times, it was the worst of times; { "a": [1, 22, 333] }\n';
    const whole = estimateTokens(paragraph.repeat(20)) * 50;
    expect(Math.abs(estimateTokens(paragraph.repeat(1_000)) / whole - 1)).toBeLessThan(0.05);
  });
});

describe("what is not text is not counted as text", () => {
  const base64 = Buffer.alloc(3_000_000, "sluice").toString("base64");
  const tokensOf = (...parts: readonly Part[]) =>
    estimatePromptTokens(request({ messages: [{ role: "user", parts }] }));
  const nothing = tokensOf();

  test.each<readonly [what: string, part: Part, most: number]>([
    ["a picture", { type: "image", source: { type: "base64", mediaType: "image/png", data: base64 } }, 2_000],
    ["a picture elsewhere", { type: "image", source: { type: "url", url: "https://example.com/a.png" } }, 2_000],
    [
      "a document",
      { type: "document", source: { type: "base64", mediaType: "application/pdf", data: base64 } },
      40_000,
    ],
    ["a sound", { type: "audio", format: "wav", data: base64 }, 3_000],
    ["a file in a block of another kind", { type: "opaque", dialect: "x", kind: "y", value: { data: base64 } }, 2_000],
    [
      "a small file there",
      { type: "opaque", dialect: "x", kind: "y", value: { data: base64.slice(0, 30_000) } },
      2_000,
    ],
    [
      "a data URL there",
      { type: "opaque", dialect: "x", kind: "y", value: [`data:audio/wav;base64,${base64.slice(0, 9_000)}`] },
      2_000,
    ],
  ])("%s", (_what, part, most) => {
    const tokens = tokensOf(part) - nothing;
    expect(tokens).toBeGreaterThan(0);
    expect(tokens).toBeLessThan(most);
  });

  test("in a tool's result neither", () => {
    const image: Part = { type: "image", source: { type: "base64", mediaType: "image/png", data: base64 } };
    expect(tokensOf({ type: "tool-result", callId: "1", content: [image] }) - nothing).toBeLessThan(2_000);
  });

  test("but text in a block of another kind is", () => {
    const words = "word ".repeat(1_000);
    const tokens = tokensOf({ type: "opaque", dialect: "x", kind: "y", value: { text: words } }) - nothing;
    expect(tokens).toBeGreaterThan(900);
    expect(tokens).toBeLessThan(1_200);
  });

  test("a document of text is its text", () => {
    const tokens = tokensOf({ type: "document", source: { type: "text", text: "word ".repeat(1_000) } }) - nothing;
    expect(tokens).toBeGreaterThan(900);
    expect(tokens).toBeLessThan(1_200);
  });
});

describe("the prompt of a request", () => {
  const tool: Tool = {
    type: "function",
    name: "look",
    description: "Looks something up.",
    parameters: { type: "object", properties: { query: { type: "string", description: "What to look for." } } },
  };
  const withTools = (...tools: readonly Tool[]) => estimatePromptTokens(request({ tools }));

  test("counts its messages, what stands around each, and what the answer begins with", () => {
    // 3 to begin, and for each message 4 and its text.
    expect(estimatePromptTokens(request({ messages: [] }))).toBe(3);
    expect(estimatePromptTokens(request({ messages: [said("")] }))).toBe(7);
    expect(estimatePromptTokens(request({ messages: [said(""), said("")] }))).toBe(11);
  });

  test("counts tools that are offered, not those that are loaded on demand", () => {
    expect(withTools(tool)).toBeGreaterThan(withTools() + 20);
    expect(withTools({ ...tool, deferred: true })).toBe(withTools());
    expect(withTools({ ...tool, deferred: false })).toBe(withTools(tool));
  });

  test("counts the schema of its answer", () => {
    const schema = { type: "object", properties: { name: { type: "string" }, age: { type: "integer" } } };
    const plain = request();
    const shaped: ChatRequest = request({ responseFormat: { type: "json-schema", schema } });
    expect(estimatePromptTokens(shaped)).toBeGreaterThan(estimatePromptTokens(plain) + 10);
  });

  test("does not count a line that says nothing to the model", () => {
    const line: Part = { type: "opaque", dialect: "x", kind: "y", value: { text: "word ".repeat(50) }, volatile: true };
    const parts: readonly Part[] = [{ type: "text", text: "Hi" }];
    const plain = estimatePromptTokens(request({ messages: [{ role: "system", parts }] }));
    expect(estimatePromptTokens(request({ messages: [{ role: "system", parts: [line, ...parts] }] }))).toBe(plain);
  });
});
