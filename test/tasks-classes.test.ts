/** Classes that nobody names: derived from what prompts begin with, bounded, and called what an operator likes. */
import { describe, expect, test } from "vitest";
import type { ChatRequest } from "../src/chat.ts";
import { derivedClass } from "../src/tasks/class-of.ts";
import { CLASSES_MAX, OTHER_CLASS, TaskClasses } from "../src/tasks/classes.ts";
import { request, said } from "./made-target.ts";

const LINE = "<!-- sluice:dynamic -->";
const of = (given: Partial<ChatRequest>): string => derivedClass(request(given), LINE);
const system = (text: string): Partial<ChatRequest> => ({ messages: [said(text, "system"), said("Hello")] });

describe("a derived class", () => {
  test("is the same for the same beginning, whatever is asked", () => {
    const one = of(system("You are a judge."));
    expect(one).toMatch(/^c-[0-9a-f]{12}$/);
    expect(of({ messages: [said("You are a judge.", "system"), said("Another question")] })).toBe(one);
    expect(of(system("You are a lawyer."))).not.toBe(one);
  });

  test("knows what changes by itself, and what stands behind the client's own boundary line", () => {
    const dated = (day: string) => of(system(`You are a judge.\nToday is 2026-11-${day}T10:00:00Z.`));
    expect(dated("21")).toBe(dated("22"));
    const bounded = (rest: string) => of(system(`You are a judge.\n${LINE}\n${rest}`));
    expect(bounded("It rains.")).toBe(bounded("It snows."));
  });

  test("is of the tools as well, in whatever order they are offered", () => {
    const tool = (name: string) => ({ type: "function", name }) as const;
    const one = of({ tools: [tool("read"), tool("write")] });
    expect(of({ tools: [tool("write"), tool("read")] })).toBe(one);
    expect(of({ tools: [tool("read")] })).not.toBe(one);
    expect(of({ tools: [tool("read"), tool("write"), { ...tool("later"), deferred: true }] })).toBe(one);
  });

  test("leaves out noise that a client adds, and tells embeddings apart", () => {
    const noise = {
      type: "opaque",
      dialect: "anthropic-messages",
      kind: "text",
      value: "x=1",
      volatile: true,
    } as const;
    const judge = { type: "text", text: "You are a judge." } as const;
    expect(of({ messages: [{ role: "system", parts: [noise, judge] }, said("Hello")] })).toBe(
      of(system("You are a judge.")),
    );
    expect(of({ embedding: { base64: false } })).not.toBe(of({}));
  });
});

describe("of very many classes", () => {
  test("so many are told apart, and those in use are not pushed out by 100,000 that come once", () => {
    const classes = new TaskClasses();
    for (let round = 0; round < 20; round += 1) {
      for (let index = 0; index < 20; index += 1) expect(classes.used(`c-used${index}`)).toBe(`c-used${index}`);
    }
    let others = 0;
    for (let index = 0; index < 100_000; index += 1) if (classes.used(`c-once${index}`) === OTHER_CLASS) others += 1;
    expect(others).toBe(100_000 - (CLASSES_MAX - 20));
    expect(classes.size).toBe(CLASSES_MAX);
    for (let index = 0; index < 20; index += 1) expect(classes.known(`c-used${index}`)).toBe(`c-used${index}`);
    // One that stays gets a place.
    const seen = Array.from({ length: 4 }, () => classes.used("c-comes-to-stay"));
    expect(seen).toEqual([OTHER_CLASS, OTHER_CLASS, "c-comes-to-stay", "c-comes-to-stay"]);
    expect(classes.size).toBe(CLASSES_MAX);
    expect(JSON.stringify(classes.snapshot()).length).toBeLessThan(50_000);
  });

  test("a restart knows them again, and what is broken of them is passed over", () => {
    const before = new TaskClasses();
    before.used("c-1");
    before.setName("c-1", "triage");
    const after = new TaskClasses();
    after.restore(JSON.parse(JSON.stringify(before.snapshot())));
    expect(after.known("c-1")).toBe("c-1");
    expect(after.nameOf("c-1")).toBe("triage");
    for (const broken of [null, 7, { uses: 7, names: [["c-2"]] }, { uses: [["a b", 1], ["c-3", "x"], 7] }]) {
      expect(() => after.restore(broken)).not.toThrow();
    }
    expect(after.size).toBe(1);
  });
});

describe("a name", () => {
  test("is what the config says, else what was set", () => {
    const classes = new TaskClasses(() => new Map([["c-1", "configured"]]));
    classes.setName("c-1", "set");
    classes.setName("c-2", "review");
    expect([classes.nameOf("c-1"), classes.nameOf("c-2"), classes.nameOf("c-3")]).toEqual([
      "configured",
      "review",
      undefined,
    ]);
    expect(classes.idsOf("review")).toEqual(["review", "c-2"]);
    classes.setName("c-2", undefined);
    expect(classes.nameOf("c-2")).toBeUndefined();
  });

  test("is no other class's, and has characters that a name may have", () => {
    const classes = new TaskClasses();
    classes.setName("c-1", "triage");
    expect(() => classes.setName("c-2", "triage")).toThrow(expect.objectContaining({ kind: "conflict" }));
    for (const name of ["", "two words", "x".repeat(129), "x".repeat(10_000)]) {
      expect(() => classes.setName("c-2", name)).toThrow(expect.objectContaining({ kind: "invalid-request" }));
    }
  });
});
