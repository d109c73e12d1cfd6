/** What is remembered of answers: whose it is, for how long, and how much of it. */
import { expect, test } from "vitest";
import type { RememberedAnswer } from "../src/dialects/remembering.ts";
import { createRemembered } from "../src/remembered.ts";

const HOUR_MS = 3_600_000;

function answered(id: string, text = "Hello"): RememberedAnswer {
  const item = { id: `msg_${id}`, type: "message", content: text };
  return { id, answer: { id, output: [item] }, told: ["Hi"], items: [{ id: item.id, item }] };
}

function memory(bytesMax = 100_000) {
  const clock = { nowMs: 0, bytesMax };
  const remembered = createRemembered(
    () => clock.bytesMax,
    () => clock.nowMs,
  );
  return { clock, remembered };
}

test("an answer and its items are found by their ids, by whom it was given to only", () => {
  const { remembered } = memory();
  remembered.keep(answered("a"), "alice");
  expect(remembered.answer("a", "alice")).toEqual(answered("a"));
  expect(remembered.item("msg_a", "alice")).toMatchObject({ content: "Hello" });
  expect(remembered.answer("a", "bob")).toBeUndefined();
  expect(remembered.item("msg_a", "bob")).toBeUndefined();
  expect(remembered.forget("a", "bob")).toBe(false);
  expect(remembered.forget("a", "alice")).toBe(true);
  expect([remembered.answer("a", "alice"), remembered.item("msg_a", "alice")]).toEqual([undefined, undefined]);
});

test("an hour after its last use it is gone", () => {
  const { clock, remembered } = memory();
  remembered.keep(answered("a"), "");
  for (let uses = 0; uses < 3; uses += 1) {
    clock.nowMs += HOUR_MS - 1;
    expect(remembered.answer("a", "")).toBeDefined();
    expect(remembered.item("msg_a", "")).toBeDefined();
  }
  clock.nowMs += HOUR_MS;
  expect(remembered.answer("a", "")).toBeUndefined();
  expect(remembered.item("msg_a", "")).toBeUndefined();
});

test("where there is no room the least recently used goes, and what is larger than all of it takes nobody's place", () => {
  const { remembered } = memory(6_000);
  remembered.keep(answered("a", "x".repeat(400)), "");
  remembered.keep(answered("b", "x".repeat(400)), "");
  expect(remembered.answer("a", "")).toBeDefined();
  remembered.keep(answered("c", "x".repeat(400)), "");
  const found = () => ["a", "b", "c"].filter((id) => remembered.answer(id, "") !== undefined);
  expect(found()).toEqual(["a", "c"]);
  remembered.keep(answered("d", "x".repeat(4_000)), "");
  expect(found()).toEqual(["a", "c"]);
  expect(remembered.answer("d", "")).toBeUndefined();
});

test("conversations that are kept again with every answer do not push out the items of the first", () => {
  const { remembered } = memory(40_000);
  const told: string[] = [];
  for (let turn = 0; turn < 40; turn += 1) {
    told.push("x".repeat(200));
    remembered.keep({ ...answered(`a${turn}`), told }, "");
    for (let earlier = 0; earlier <= turn; earlier += 1)
      expect(remembered.item(`msg_a${earlier}`, ""), `in turn ${turn}`).toBeDefined();
  }
  expect(remembered.answer("a39", "")).toMatchObject({ told });
  expect(remembered.answer("a0", "")).toBeUndefined();
});

test("the same answer kept again takes no more room", () => {
  const { remembered } = memory(6_000);
  for (let times = 0; times < 20; times += 1) remembered.keep(answered("a", "x".repeat(400)), "");
  remembered.keep(answered("b", "x".repeat(400)), "");
  expect(remembered.answer("a", "")).toBeDefined();
  expect(remembered.answer("b", "")).toBeDefined();
});

test("a bound of 0 remembers nothing, and lets go of what there was", () => {
  const { clock, remembered } = memory();
  remembered.keep(answered("a"), "");
  clock.bytesMax = 0;
  expect(remembered.isOn).toBe(false);
  expect(remembered.answer("a", "")).toBeUndefined();
  remembered.keep(answered("b"), "");
  clock.bytesMax = 100_000;
  expect(remembered.answer("b", "")).toBeUndefined();
});
