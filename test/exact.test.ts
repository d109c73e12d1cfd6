import { expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { isKept } from "../src/dialects/exact.ts";

test.each([
  '{"a":1.0,"b":[0,-0,100,1e5,1E21,0.30000000000000004,1.50,0.001,-1e-7]}',
  '{"a":1234567890123456,"b":123456789012345680000}',
  '{"a":"9007199254740993: 1e400","\\"":{"b":[{"c":2.50}]}}',
])("%s is the same when it is written again", (text) => {
  expect(isKept(text, JSON.parse(text) as JsonObject)).toBe(true);
});

test.each([
  '{"a":9007199254740993}',
  '{"a":[-1e400]}',
  '{"a":1,"a":1}',
  '{"b":[{"a":1,"\\u0061":2}]}',
  '{"a":0.12345678901234567890}',
])("%s is not", (text) => {
  expect(isKept(text, JSON.parse(text) as JsonObject)).toBe(false);
});
