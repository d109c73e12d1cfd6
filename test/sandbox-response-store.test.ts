/** Where the sandbox keeps responses: for their account alone, for so long, and within bounds. */
import { describe, expect, test } from "vitest";
import { type KeptResponse, ResponseStore } from "../bench/sandbox/wire/openai.responses.store.ts";

const MEGABYTE = 1024 * 1024;
const DAY_MS = 86_400_000;

const response = (id: string, more: Partial<KeptResponse> = {}): KeptResponse => ({
  id,
  account: "a",
  createdMs: 0,
  background: false,
  told: [],
  said: [],
  body: { id, status: "completed" },
  thoughts: new Map(),
  cancel: () => {},
  ...more,
});

describe("a response", () => {
  test("is found by its account alone", () => {
    const store = new ResponseStore();
    store.keep(response("r"), 1);
    expect(store.find("a", "r", 0)?.id).toBe("r");
    expect(store.find("b", "r", 0)).toBeUndefined();
  });

  test("is found for thirty days", () => {
    const store = new ResponseStore();
    store.keep(response("r"), 1);
    expect(store.find("a", "r", 30 * DAY_MS - 1)).toBeDefined();
    expect(store.find("a", "r", 30 * DAY_MS)).toBeUndefined();
  });

  test("makes room when all of them hold too much, the oldest first, whoever's it is", () => {
    const store = new ResponseStore();
    for (const [index, account] of ["a", "b", "a"].entries()) {
      store.keep(response(`r${index}`, { account }), 30 * MEGABYTE);
    }
    expect(store.find("a", "r0", 0)).toBeUndefined();
    expect(store.find("b", "r1", 0)).toBeDefined();
    expect(store.find("a", "r2", 0)).toBeDefined();
    store.delete(response("r1", { account: "b" }));
    store.keep(response("r3"), 30 * MEGABYTE);
    expect(store.find("a", "r2", 0)).toBeDefined();
    expect(store.size).toBe(2);
  });

  test("tells its account what it held: items, thoughts, and what was thought before what", () => {
    const store = new ResponseStore();
    const said = [
      { type: "reasoning", id: "rs_1" },
      { type: "message", id: "msg_1" },
      { type: "message", id: "msg_2" },
    ];
    const thoughts = new Map([["rs_1", { content: "x", tokens: 3 }]]);
    store.keep(response("r", { said, thoughts, told: [{ type: "message", id: "msg_0" }] }), 1);
    expect(store.item("a", "msg_0")).toEqual({ type: "message", id: "msg_0" });
    expect(store.item("b", "msg_0")).toBeUndefined();
    expect(store.thought("a", "rs_1")?.tokens).toBe(3);
    expect(store.thought("b", "rs_1")).toBeUndefined();
    expect(store.reasoningBefore("a", "msg_1")).toBe("rs_1");
    expect(store.reasoningBefore("a", "msg_2")).toBeUndefined();
    expect(store.reasoningBefore("b", "msg_1")).toBeUndefined();
  });
});
