/** What a decision's reason is as a header: one line of visible ASCII, within its bound, whatever targets are called. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { reasonText } from "../src/answer-headers.ts";

test("a reason that fits stays as it is", () => {
  const reason = "cheapest-task: b/cheap $0.00107 (2.6 turns to go) < a/dear $0.0107";
  expect(reasonText(reason)).toBe(reason);
});

test("of a longer one its beginning, which says that it goes on", () => {
  const header = reasonText(`cheapest-task: ${"a/model $0.1 < ".repeat(100)}`);
  expect(header).toHaveLength(256);
  expect(header).toMatch(/^cheapest-task: a\/model .*\.\.\.$/);
});

test("any text is one line that every header can carry", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 600 }), (reason) => {
      const header = reasonText(reason);
      expect(header).toMatch(/^[\x20-\x7e]*$/);
      expect(header.length).toBeLessThanOrEqual(256);
    }),
  );
  expect(reasonText("vllm/模型 \ud83d\r\nset-cookie: x")).toBe("vllm/%E6%A8%A1%E5%9E%8B %EF%BF%BD%0D%0Aset-cookie: x");
});
