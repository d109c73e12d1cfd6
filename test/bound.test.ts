/** What ties a request to a place, and which targets that leaves. */
import { describe, expect, test } from "vitest";
import { boundTargets, boundTo, fieldOf, ties, unreadable, type Binding, type BoundContext } from "../src/bound.ts";
import type { ChatRequest, Message, Part } from "../src/chat.ts";
import { GatewayError } from "../src/errors.ts";
import { hosted } from "../src/needs.ts";
import type { Target } from "../src/target.ts";
import { request, said, target } from "./made-target.ts";

const haiku = target("claude-haiku-5-5");
const opus = target("claude-opus-5-5");
const eu = target("claude-haiku-5-5", {}, "anthropic-eu");
const nano = target("gpt-5.4-nano");
const all = [nano, eu, opus, haiku];

const thought = (seal: string): Part => ({ type: "reasoning", text: "", signature: seal });
const call = (id: string): Part => ({ type: "tool-call", id, name: "look", arguments: "{}" });
const assistant = (...parts: readonly Part[]): Message => ({ role: "assistant", parts });
const result = (callId: string): Message => ({ role: "tool", parts: [{ type: "tool-result", callId, content: [] }] });

describe("a tool loop", () => {
  const open = (messages: readonly Message[]) =>
    ties(request({ messages })).map((tie) => {
      if (tie.kind === "thought") return `${tie.seal}${tie.isOpen ? " open" : ""}`;
      return tie.kind === "call" ? tie.id : tie.kind;
    });

  test("is open from the user's last word on, while its last calls have results and no answer", () => {
    const before = [said("One"), assistant(thought("a"), call("1")), result("1"), assistant(thought("b")), said("Two")];
    expect(open([...before, assistant(thought("c"), call("2")), result("2")])).toEqual(["a", "b", "c open", "2"]);
    const longer = [assistant(thought("c"), call("2")), result("2"), assistant(thought("d"), call("3")), result("3")];
    expect(open([...before, ...longer])).toEqual(["a", "b", "c open", "d open", "3"]);
  });

  test("is open also where the user says something beside the results", () => {
    expect(open([said("One"), assistant(thought("a"), call("1")), result("1"), said("Hurry")])).toEqual([
      "a open",
      "1",
    ]);
  });

  test("has ended with an answer, or was never one", () => {
    expect(open([said("One"), assistant(thought("a"), call("1")), result("1"), assistant(thought("b"))])).toEqual([
      "a",
      "b",
    ]);
    expect(open([said("One"), assistant(thought("a")), said("Two")])).toEqual(["a"]);
    expect(open([result("1")])).toEqual(["1"]);
  });
});

describe("what a provider was given", () => {
  test.each<readonly [what: string, given: Partial<ChatRequest>, ids: readonly string[]]>([
    [
      "a file, also in a tool's result",
      { messages: [filed("f1"), { role: "tool", parts: [resultOf(filePart("f2"))] }] },
      ["f1", "f2"],
    ],
    ["a container by its id", { extra: { container: "c1" } }, ["c1"]],
    [
      "a container that is to be made with files",
      { tools: [hostedTool({ container: { type: "auto", file_ids: ["f1"] } })] },
      ["f1"],
    ],
    ["a container that is to be made", { tools: [hostedTool({ container: { type: "auto" } })] }, []],
    ["stores to search", { tools: [hostedTool({ vector_store_ids: ["v1", "v2"] })] }, ["v1", "v2"]],
    ["what was said aloud", { messages: [{ role: "assistant", parts: [], extra: { audio: { id: "a1" } } }] }, ["a1"]],
    ["nothing", { extra: { container: null, other: "x" } }, []],
  ])("is %s", (_what, given, ids) => {
    expect(hosted(request(given)).map(({ id }) => id)).toEqual(ids);
  });
});

describe("the targets that are left", () => {
  const left = (bindings: readonly Binding[], context: Partial<BoundContext> = {}, targets: readonly Target[] = all) =>
    boundTargets(targets, {
      clientDialect: "anthropic-messages",
      explicit: false,
      isChosenHere: true,
      bindings,
      providers: ["openai", "anthropic", "anthropic-eu"],
      fieldOf: () => undefined,
      ...context,
    }).map(({ name }) => name);

  test("are all, without a binding", () => {
    expect(left([])).toHaveLength(all.length);
  });

  test("by reasoning of an open loop: its very model, else its account, else none", () => {
    const by = (model: string, instance = "anthropic") => [bound({ kind: "thought", isOpen: true }, instance, model)];
    expect(left(by("claude-haiku-5-5"))).toEqual([haiku.name]);
    expect(left(by("claude-sonnet-5-5"))).toEqual([opus.name, haiku.name]);
    expect(refusal(() => left(by("m", "gone")))).toMatchObject({ kind: "conflict", status: 409, param: "messages" });
    expect(refusal(() => left(by("m", "gone"))).message).toContain("gone is not configured here any more");
    expect(left(by("claude-haiku-5-5"), { explicit: true }, [nano])).toEqual([nano.name]);
  });

  test("by reasoning of an open loop: all of an alias that its issuer is not of, unless that one is gone", () => {
    const by = [bound({ kind: "thought", isOpen: true }, "anthropic", "m")];
    const others = [nano, eu];
    expect(left(by, { isChosenHere: false }, others)).toEqual([nano.name, eu.name]);
    expect(refusal(() => left(by, {}, others))).toMatchObject({ status: 409 });
    expect(refusal(() => left(by, { isChosenHere: false, providers: ["openai"] }, others))).toMatchObject({
      status: 409,
    });
    // The alias has it, and something else in the request rules it out.
    const kept = bound({ kind: "kept", id: "r", field: "conversation" }, "openai", "m");
    expect(refusal(() => left([kept, ...by], { isChosenHere: false }))).toMatchObject({ status: 409 });
  });

  test("by another tenant's seal without a word of whose it was", () => {
    const seal = { ...bound({ kind: "thought", isOpen: true }, "anthropic", "m"), isOwn: false };
    const { status, message } = refusal(() => left([seal], {}, [nano]));
    expect(status).toBe(409);
    expect(message).not.toMatch(/anthropic|openai/);
  });

  test.each([true, false])("by what may be another's: none, in the same words as what is (named: %s)", (explicit) => {
    const others = { ...bound({ kind: "kept", id: "r", field: "conversation" }, "anthropic", "m"), isOwn: false };
    const unowned: Binding = { ...others, origin: undefined, isUnowned: true };
    const [known, unknown] = [others, unowned].map((one) => refusal(() => left([one], { explicit }, [nano])));
    expect(known).toMatchObject({ status: 400, param: "conversation", code: "conversation_not_found" });
    expect(known?.message).toBe("no provider is known to keep `r` for this caller; send the whole conversation");
    expect([unknown?.message, unknown?.code]).toEqual([known?.message, known?.code]);
  });

  test("by a thought that may be another's: those that do not look for it", () => {
    const thought = bound({ kind: "thought", isKept: true, seal: "rs_1" }, "openai", "m");
    const context = { clientDialect: "openai-responses", explicit: true };
    const unowned: Binding = { ...thought, origin: undefined, isOwn: false, isUnowned: true };
    for (const one of [{ ...thought, isOwn: false }, unowned]) {
      expect(left([one], context, [nano, haiku])).toEqual([haiku.name]);
      expect(refusal(() => left([one], context, [nano]))).toMatchObject({ status: 400 });
      expect(refusal(() => left([one], context, [nano])).message).toContain("leave it out");
    }
  });

  test("by the last reasoning of an open loop, when several have thought in it", () => {
    const one = bound({ kind: "thought", isOpen: true }, "anthropic-eu", "m");
    const last = bound({ kind: "thought", isOpen: true }, "anthropic", "claude-haiku-5-5");
    expect(left([one, last])).toEqual([haiku.name]);
  });

  test("by what is kept: where it is, whoever names what; never another caller's", () => {
    const kept = bound({ kind: "kept", id: "r", field: "previous_response_id" }, "anthropic-eu", "m");
    expect(left([kept])).toEqual([eu.name]);
    expect(refusal(() => left([kept], { explicit: true }, [nano]))).toMatchObject({ status: 409 });
    expect(refusal(() => left([{ ...kept, isOwn: false }]))).toMatchObject({ status: 400 });
  });

  test("by what two bindings ask for, none when they are of different places", () => {
    const one = bound({ kind: "kept", id: "r", field: "conversation" }, "anthropic", "m");
    const other = bound({ kind: "thought", isOpen: true, seal: "s" }, "anthropic-eu", "m");
    expect(refusal(() => left([one, other]))).toMatchObject({ status: 409 });
  });

  test.each(["kept", "hosted"] as const)("by what is %s and not known: the only place there can be", (kind) => {
    const unknown: Binding = { kind, id: "r", field: "field_id", origin: undefined, isOwn: false, isUnowned: false };
    expect(left([unknown], {}, [nano, haiku, opus])).toEqual([haiku.name, opus.name]);
    expect(refusal(() => left([unknown]))).toMatchObject({ kind: "invalid-request", param: "field_id" });
    expect(left([unknown], { explicit: true }, [eu])).toEqual([eu.name]);
    // Another of the same place is known: there is no riddle.
    const known = bound({ kind: "kept", id: "k", field: "conversation" }, "anthropic-eu", "m");
    expect(left([unknown, known])).toEqual([eu.name]);
  });

  test("by calls or by reasoning that has ended: all", () => {
    const soft = [
      bound({ kind: "call", id: "1" }, "gone", "m"),
      bound({ kind: "thought", isOpen: false }, "gone", "m"),
    ];
    expect(left(soft)).toHaveLength(all.length);
  });
});

describe("who comes first", () => {
  const first = (bindings: readonly Binding[]) => all.filter(boundTo(all, bindings)).map(({ name }) => name);

  test("is the very model of an open loop, by its calls as well, or its account where that one is gone", () => {
    expect(first([bound({ kind: "call", id: "1" }, "anthropic", "claude-opus-5-5")])).toEqual([opus.name]);
    expect(first([bound({ kind: "call", id: "1" }, "anthropic", "gone")])).toEqual([opus.name, haiku.name]);
  });

  test("is the account of the latest reasoning that has ended; an open loop counts for more", () => {
    const ended = [
      bound({ kind: "thought", isOpen: false }, "openai", "m"),
      bound({ kind: "thought", isOpen: false }, "anthropic", "m"),
    ];
    expect(first(ended)).toEqual([opus.name, haiku.name]);
    expect(first([bound({ kind: "call", id: "1" }, "openai", nano.model), ...ended])).toEqual([nano.name]);
    expect(first([])).toEqual([]);
  });
});

test("unreadable is what others issued, thought by thought", () => {
  const mixed = [
    bound({ kind: "thought", isOpen: false, at: [1, 0] }, "anthropic", "m"),
    bound({ kind: "thought", isOpen: false, at: [3, 2] }, "openai", "m"),
  ];
  expect(unreadable(haiku, mixed)).toEqual([[3, 2]]);
  expect(unreadable(eu, mixed)).toEqual([
    [1, 0],
    [3, 2],
  ]);
});

test("a field is named as it stands in the body, the last place first", () => {
  const body = { input: [{ id: "a" }, { content: [{ seal: "sluice:x:signature::c2Vh" }, { id: "a" }] }] };
  expect(fieldOf(body, "a")).toBe("input[1].content[1].id");
  expect(fieldOf(body, "c2Vh")).toBe("input[1].content[0].seal");
  expect(fieldOf(body, "none")).toBeUndefined();
});

function bound(tie: object, instance: string, model: string): Binding {
  const given = { seal: "s", isKept: false, isOpen: false, at: [0, 0], ...tie };
  return { ...given, origin: { instance, model }, isOwn: true, isUnowned: false } as unknown as Binding;
}

function filePart(id: string): Part {
  return { type: "document", source: { type: "file", id } };
}

function filed(id: string): Message {
  return { role: "user", parts: [filePart(id)] };
}

function resultOf(part: Part): Extract<Part, { type: "tool-result" }> {
  return { type: "tool-result", callId: "1", content: [part] };
}

function hostedTool(value: Record<string, string | object>): ChatRequest["tools"][number] {
  return { type: "opaque", dialect: "openai-responses", kind: "hosted", value: value as never };
}

function refusal(make: () => unknown): GatewayError {
  try {
    make();
  } catch (error) {
    if (error instanceof GatewayError) return error;
  }
  throw new Error("nothing was refused");
}
