import { expect, test } from "vitest";
import { openaiChat } from "../src/dialects/openai-chat.ts";

const chunk = (content: string, rest: object) =>
  `data: ${JSON.stringify({ id: "c-1", choices: [{ index: 0, delta: { content }, finish_reason: null }], ...rest })}\n\n`;

/** What each frame that carries output is weighed as. */
function weights(stream: string): readonly number[] {
  const watcher = openaiChat.watcher();
  return [...watcher.push(Buffer.from(stream)), ...watcher.end()]
    .filter((frame) => frame.isDelta)
    .map((frame) => frame.bytes.length - (frame.paddingBytes ?? 0));
}

test.each(["obfuscation", "p"])("the random text that `%s` puts behind the choices is not weighed as output", (key) => {
  const padded = ["", "x", "x".repeat(30)].map((padding) => chunk("four", { usage: null, [key]: padding }));
  const [first = 0, ...others] = weights(padded.join(""));
  expect(others).toEqual([first, first]);
  expect(weights(chunk("four", {}) + chunk("four and five", {}))).toEqual([first, first + " and five".length]);
});

test("output that looks like an end of the choices is weighed whole", () => {
  const [plain = 0, odd = 0] = weights(chunk("ab", {}) + chunk('a}]b"}]', { p: "abc" }));
  // The quote is escaped, which takes a byte more.
  expect(odd - plain).toBe('a}]b"}]'.length - "ab".length + 1);
});
