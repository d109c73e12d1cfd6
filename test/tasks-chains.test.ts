/** Conversations that nobody names: what goes on, what is tried again, what is a fork and what only begins alike. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Message } from "../src/chat.ts";
import { Chains, PLACES_MAX, RESEND_MS, type ChainPrompt, type Traced } from "../src/tasks/chains.ts";
import { request, said } from "./made-target.ts";
import { prefixesOf } from "./prefix-places.ts";

const SYSTEM = said("You are helpful.", "system");
const MINUTE = 60_000;

let chains: Chains;
let nowMs: number;
let tasks: number;

beforeEach(() => {
  chains = new Chains();
  nowMs = 1_000_000;
  tasks = 0;
});

function prompt(messages: readonly Message[], endUser?: string): ChainPrompt {
  const asked = request({ messages, ...(endUser === undefined ? {} : { endUser }) });
  return { ...prefixesOf(asked), request: asked };
}

/** As the tasks do it: a new conversation and a fork are tasks of their own. */
function send(messages: readonly Message[], isAnswered = true, endUser?: string): { task: string; traced: Traced } {
  const asked = prompt(messages, endUser);
  const traced = chains.trace(asked, nowMs);
  const isOwn = traced.kind === "same" || traced.kind === "resend";
  const task = isOwn ? traced.task : `task-${(tasks += 1)}`;
  chains.ended(chains.add(task, asked), isAnswered, nowMs);
  return { task, traced };
}

const first = [SYSTEM, said("Fix the bug.")];
const second = [...first, said("Done.", "assistant"), said("Now test it.")];
const third = [...second, said("Green.", "assistant"), said("Ship it.")];

describe("a conversation", () => {
  test("goes on, turn by turn", () => {
    expect([first, second, third].map((messages) => send(messages).task)).toEqual(["task-1", "task-1", "task-1"]);
  });

  test("is told apart from another one that began alike, from then on by what was answered", () => {
    send(first);
    send(second);
    const other = send(first);
    expect(other.traced).toEqual({ kind: "new" });
    expect(send([...first, said("I cannot.", "assistant"), said("Why?")]).task).toBe(other.task);
    expect(send(third).task).toBe("task-1");
  });

  test("that runs as another one did goes on with itself, and not with that one", () => {
    expect([first, second].map((messages) => send(messages).task)).toEqual(["task-1", "task-1"]);
    for (const task of ["task-2", "task-3"]) {
      for (const messages of [first, second]) {
        nowMs += 5;
        expect(send(messages).task).toBe(task);
      }
    }
  });

  test("that runs as another one did for a while is no fork of that one", () => {
    const long = [...first, said("I look.", "assistant"), said("Well?"), said("Done.", "assistant"), said("Test it.")];
    const other = [...long.slice(0, 4), said("I am stuck.", "assistant"), said("Try again.")];
    expect([first, long].map((messages) => send(messages).task)).toEqual(["task-1", "task-1"]);
    nowMs += 5;
    expect(send(first).task).toBe("task-2");
    nowMs += 5;
    expect(send(other)).toEqual({ task: "task-2", traced: { kind: "same", task: "task-2" } });
  });

  test("is another one when the same opening comes once more after a while", () => {
    send(first);
    nowMs += RESEND_MS.answered + 1;
    expect(send(first).traced).toEqual({ kind: "new" });
  });

  test("of another end user of the application is another one", () => {
    send(first, true, "alice");
    expect(send(first, true, "bob").traced).toEqual({ kind: "new" });
    expect(send(second, true, "alice").task).toBe("task-1");
    expect(send(second, true, "bob").task).toBe("task-2");
  });

  test("goes on where its client says its last turn otherwise than before", () => {
    send([SYSTEM, said("Question. [context that was looked up]")]);
    const next = [SYSTEM, said("Question. [context that was looked up]"), said("Answer.", "assistant")];
    send([...next, said("Further. [other context]")]);
    const rewritten = [...next, said("Further."), said("Yes.", "assistant"), said("Thanks. [context]")];
    expect(send(rewritten).traced).toEqual({ kind: "same", task: "task-1" });
  });

  test("goes on where it did before a restart, by its newest prompt alone", () => {
    send(first);
    send(second);
    const tip = chains.tip("task-1");
    chains = new Chains();
    chains.restore("task-1", tip ?? Number.NaN, nowMs);
    expect(send(third).task).toBe("task-1");
  });

  test("of which nothing is known any more is no new one: it has answers in it", () => {
    expect(send(second).traced).toEqual({ kind: "unknown" });
  });
});

describe("the same prompt again", () => {
  test("is a client that tries again, with or without an answer", () => {
    send(first);
    expect(send(first).traced).toEqual({ kind: "resend", task: "task-1", wasAnswered: true });
    send(second, false);
    nowMs += 5 * MINUTE;
    expect(send(second).traced).toEqual({ kind: "resend", task: "task-1", wasAnswered: false });
    expect(send(third).task).toBe("task-1");
  });

  test("while it is being answered is a second one of the same", () => {
    const asked = prompt(first);
    chains.add("task-1", asked);
    expect(chains.trace(asked, nowMs)).toEqual({ kind: "resend", task: "task-1", wasAnswered: true });
  });

  test("said otherwise after it failed goes on from the turn before it", () => {
    send(first);
    send(second, false);
    expect(send([...first, said("Done.", "assistant"), said("Now test it, please.")]).task).toBe("task-1");
  });
});

describe("a fork", () => {
  const history = [...first, said("I will ask two others.", "assistant")];

  test("that begins with an answer of the task is its child, and goes on as such", () => {
    send(first);
    send([...history, said("First question.")]);
    const fork = send([...history, said("Second question.")]);
    expect(fork.traced).toEqual({ kind: "child", task: "task-1" });
    expect(send([...history, said("Second question."), said("Well.", "assistant"), said("More.")]).task).toBe(
      fork.task,
    );
  });

  test("is also a turn that was said otherwise after the task went on from it", () => {
    send(first);
    send(second);
    send(third);
    expect(send([...first, said("Done.", "assistant"), said("Undo it.")]).traced).toEqual({
      kind: "child",
      task: "task-1",
    });
  });

  test("is not what only begins with the same examples", () => {
    const examples = [SYSTEM, said("2+2?"), said("4", "assistant")];
    const asked = ["3+3?", "5+5?", "7+7?"].map((question) => send([...examples, said(question)]));
    expect(new Set(asked.map(({ task }) => task)).size).toBe(3);
    expect(asked.map(({ traced }) => traced.kind)).not.toContain("child");
  });

  test("nor what begins with the same document", () => {
    const about = (question: string): Message[] => [
      {
        role: "user",
        parts: [
          { type: "text", text: "A long document." },
          { type: "text", text: question },
        ],
      },
    ];
    send(about("Who wrote it?"));
    expect(send(about("When?")).traced).toEqual({ kind: "new" });
  });
});

test("what is remembered is bounded, and what is in use stays", () => {
  send(first);
  for (let index = 0; index < PLACES_MAX * 2; index += 1) {
    send([said(`one of many ${index}`)]);
    if (index % 10_000 === 0) chains.trace(prompt(second), nowMs);
  }
  expect(send(second).task).toBe("task-1");
}, 60_000);

test("a prompt without anything in it is one as well", () => {
  expect(send([]).traced).toEqual({ kind: "new" });
  expect(send([SYSTEM]).traced).toEqual({ kind: "new" });
});
