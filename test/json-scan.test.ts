import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonDeeperThan } from "../src/json-scan.ts";
import { anyDocument, render, type Node } from "./json-tree.ts";

test("a document is deeper than every bound below its depth, and than none from it on", () => {
  fc.assert(
    fc.property(anyDocument(), (document) => {
      const raw = Buffer.from(render(document));
      const depth = depthOf(document);
      if (depth > 0) expect(jsonDeeperThan(raw, depth - 1)).toBe(true);
      expect(jsonDeeperThan(raw, depth)).toBe(false);
    }),
    { numRuns: 1000 },
  );
});

test("brackets in strings are text, after any number of backslashes, near the start and far from it", () => {
  for (const length of [0, 1, 14, 15, 16, 17, 31, 32, 33, 200]) {
    for (const backslashes of [0, 1, 2, 3, 4]) {
      const text = `${"x".repeat(length)}${"\\".repeat(backslashes)}"${"[".repeat(20)}`;
      const raw = Buffer.from(JSON.stringify({ [text]: [text] }));
      expect(jsonDeeperThan(raw, 2)).toBe(false);
      expect(jsonDeeperThan(raw, 1)).toBe(true);
    }
  }
});

test("a million open brackets are refused at the bound, and a string that never ends ends the scan", () => {
  expect(jsonDeeperThan(Buffer.from("[".repeat(1_000_000)), 100)).toBe(true);
  expect(jsonDeeperThan(Buffer.from(`{"a":"${"[".repeat(1000)}`), 1)).toBe(false);
  expect(jsonDeeperThan(Buffer.from('"\\'), 0)).toBe(false);
  expect(jsonDeeperThan(new Uint8Array(0), 0)).toBe(false);
});

test("a view sees its own bytes only", () => {
  const memory = Buffer.from("[[[[1]]]]");
  expect(jsonDeeperThan(new Uint8Array(memory.buffer, memory.byteOffset + 3, 3), 1)).toBe(false);
});

function depthOf(node: Node): number {
  if (node.type === "leaf") return 0;
  const children = node.type === "array" ? node.items : node.members.map((member) => member.value);
  return 1 + Math.max(0, ...children.map(depthOf));
}
