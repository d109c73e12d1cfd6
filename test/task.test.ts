/** Which task a call belongs to: said, known from an agent's session, else recognised by its opening. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChatRequest } from "../src/chat.ts";
import { GatewayError } from "../src/errors.ts";
import { identifyTask, type Task } from "../src/task.ts";
import { request, said } from "./made-target.ts";

const ALLOWED = /^[A-Za-z0-9._:-]{1,128}$/;

describe("what the caller says comes first", () => {
  test("the header before the metadata, the metadata before an agent's session", () => {
    const headers = { "x-sluice-task": "by-header", "x-claude-code-session-id": "by-agent" };
    const told = request({ metadata: { task: "by-metadata" } });
    expect(identify(told, headers)).toMatchObject({ id: "by-header", source: "header" });
    expect(identify(told, { "x-claude-code-session-id": "by-agent" })).toMatchObject({
      id: "by-metadata",
      source: "metadata",
    });
  });

  test("its class, by header or metadata, whatever the id comes from", () => {
    expect(identify(request(), { "x-sluice-task-class": "triage" }).className).toBe("triage");
    expect(identify(request({ metadata: { task_class: "triage" } })).className).toBe("triage");
    expect(
      identify(request({ metadata: { task_class: "other" } }), { "x-sluice-task-class": "triage" }).className,
    ).toBe("triage");
    expect(identify(request({ metadata: { task_class: "triage" } }), { "x-sluice-task-class": "" }).className).toBe(
      "triage",
    );
    expect(identify(request()).className).toBeUndefined();
  });

  test("an empty word says nothing", () => {
    const headers = { "x-sluice-task": "", "x-sluice-task-class": "" };
    expect(identify(request({ metadata: { task: "" } }), headers)).toMatchObject({
      source: "prefix",
      className: undefined,
    });
  });

  test.each([
    { task: 7, task_class: ["a"] },
    { task: "Summarise the report", task_class: "two words" },
    { task: "", task_class: "a\r\nx-evil: 1" },
  ])("metadata that cannot name a task (%j) is the application's own, and no mistake", (metadata) => {
    expect(identify(request({ metadata }))).toMatchObject({ source: "prefix", className: undefined });
  });

  test.each(["two words", "a,b", "ümlaut", "a/b", "x".repeat(129), "line\u2028break"])(
    "%j is refused by name",
    (word) => {
      const wrong = (make: () => Task, param: string) =>
        expect(make).toThrow(expect.objectContaining({ kind: "invalid-request", status: 400, param }));
      wrong(
        () => identifyTask(request(), { get: (name) => (name === "x-sluice-task" ? word : null) }, ""),
        "x-sluice-task",
      );
      wrong(
        () => identifyTask(request(), { get: (name) => (name === "x-sluice-task-class" ? word : null) }, ""),
        "x-sluice-task-class",
      );
    },
  );
});

describe("known agents", () => {
  test.each([
    ["Claude Code", { "x-claude-code-session-id": "s1" }, "s1", "s1", undefined],
    ["a subagent of it", { "x-claude-code-session-id": "s1", "x-claude-code-agent-id": "a7" }, "s1:a7", "s1:a7", "s1"],
    ["Codex", { "session-id": "s2", "thread-id": "s2" }, "s2:s2", "s2:s2", undefined],
    [
      "Codex, for one thing that its user asked for",
      { "session-id": "s2", "thread-id": "s2", "x-codex-turn-metadata": '{"turn_id":"u1","root_turn_id":"u1"}' },
      "s2:u1",
      "s2:s2",
      undefined,
    ],
    [
      "a subagent of Codex",
      { "session-id": "s2", "thread-id": "t9", "x-codex-parent-thread-id": "s2" },
      "s2:t9",
      "s2:t9",
      "s2:s2",
    ],
    [
      "a subagent of Codex, for one thing that its user asked for",
      {
        "session-id": "s2",
        "thread-id": "t9",
        "x-codex-parent-thread-id": "s2",
        "x-codex-turn-metadata": '{"turn_id":"u2","root_turn_id":"u1"}',
      },
      "t9:u1",
      "s2:t9",
      "s2:u1",
    ],
    ["opencode", { "x-session-id": "ses_1", "x-session-affinity": "ses_1" }, "ses_1", "ses_1", undefined],
    ["a subagent of opencode", { "x-session-id": "ses_2", "x-parent-session-id": "ses_1" }, "ses_2", "ses_2", "ses_1"],
    [
      "a subagent of opencode in Responses",
      { "session-id": "ses_2", "x-session-id": "ses_2", "x-parent-session-id": "ses_1" },
      "ses_2",
      "ses_2",
      "ses_1",
    ],
  ])("%s is told by its headers", (_who, headers, id, session, parent) => {
    const told = { id, className: undefined, source: "agent-session", session, parent };
    expect(identify(request(), headers)).toEqual(told);
  });

  test.each(["{", "7", '{"root_turn_id": 7}', `{"root_turn_id": "${"x".repeat(200)}"}`])(
    "what Codex says of its turn may be broken (%s)",
    (metadata) => {
      const headers = { "session-id": "s2", "thread-id": "t2", "x-codex-turn-metadata": metadata };
      expect(identify(request(), headers).id).toBe("s2:t2");
    },
  );

  test("a caller names its own task's parent, which is not the task itself", () => {
    const own = { "x-sluice-task": "step-2", "x-sluice-task-parent": "job-1" };
    expect(identify(request(), own)).toMatchObject({ id: "step-2", parent: "job-1" });
    expect(identify(request(), { ...own, "x-sluice-task-parent": "step-2" }).parent).toBeUndefined();
  });

  test("Claude Code behind a proxy that drops headers is told by its end-user id", () => {
    const endUser = JSON.stringify({ device_id: "d", account_uuid: "", session_id: "s1" });
    expect(identify(request({ endUser }))).toMatchObject({ id: "s1", source: "agent-session" });
  });

  test("whoever has only an end-user id may name the task in it", () => {
    const endUser = JSON.stringify({ user: "u1", task: "job-1", task_class: "triage" });
    expect(identify(request({ endUser }))).toMatchObject({ id: "job-1", className: "triage", source: "metadata" });
    const broken = JSON.stringify({ task: 7, task_class: "two words" });
    expect(identify(request({ endUser: broken }))).toMatchObject({ source: "prefix", className: undefined });
  });

  test.each(['{"session_id": 7}', '{"session_id": "a b"}', "{not json", "{}", "user-1"])(
    "the end-user id %j names no session",
    (endUser) => {
      expect(identify(request({ endUser })).source).toBe("prefix");
    },
  );

  test("ids that are too long for one together stay apart", () => {
    const session = "s".repeat(100);
    const ids = ["a", "b"].map((agent) => {
      const headers = { "x-claude-code-session-id": session, "x-claude-code-agent-id": agent.repeat(100) };
      return identify(request(), headers).id;
    });
    expect(new Set(ids).size).toBe(2);
    expect(ids.every((id) => ALLOWED.test(id))).toBe(true);
  });

  test("a session id that no id may be is passed over, not refused: the agent did nothing wrong", () => {
    expect(identify(request(), { "x-session-id": "a b" }).source).toBe("prefix");
  });
});

describe("else the opening tells", () => {
  const opening = [said("You are helpful.", "system"), said("Fix the bug.")];

  test("the same over all turns of one conversation", () => {
    const turns = [
      opening,
      [...opening, said("Done.", "assistant"), said("Now test it.")],
      [...opening, said("Done.", "assistant"), said("Now test it."), said("Green.", "assistant"), said("Ship it.")],
    ].map((messages) => identify(request({ messages })).id);
    expect(new Set(turns).size).toBe(1);
  });

  test("another one for another opening, and for another caller", () => {
    const one = identify(request({ messages: opening })).id;
    expect(identify(request({ messages: [said("You are helpful.", "system"), said("Write it.")] })).id).not.toBe(one);
    expect(identifyTask(request({ messages: opening }), new Headers(), "bob").id).not.toBe(one);
  });

  test("the same whether the text is a string or a list of one part, marked for caching or not", () => {
    const marked = request({
      messages: [
        { role: "system", parts: [{ type: "text", text: "You are helpful.", cache: { ttl: "1h" } }] },
        said("Fix the bug."),
      ],
    });
    expect(identify(marked).id).toBe(identify(request({ messages: opening })).id);
  });

  test("a call without messages has one, too", () => {
    expect(identify(request({ messages: [] })).id).toMatch(/^t-/);
  });
});

test("no id carries anything but its letters, digits and . _ : -, whatever comes in: nothing can be put into a header", () => {
  const words = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.constantFrom("a\r\nx-evil: 1", "a\u0000", "é"));
  const names = ["x-sluice-task", "x-claude-code-session-id", "x-claude-code-agent-id", "thread-id", "x-session-id"];
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), words), words, words, (headers, task, endUser) => {
      let found: Task;
      try {
        found = identifyTask(request({ metadata: { task }, endUser }), { get: (name) => headers[name] ?? null }, "");
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError);
        return;
      }
      expect(found.id).toMatch(ALLOWED);
    }),
  );
});

function identify(given: ChatRequest, headers: Readonly<Record<string, string>> = {}): Task {
  return identifyTask(given, new Headers(headers), "");
}
