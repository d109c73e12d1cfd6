/** Where a conversation must or should go back to: who issued its reasoning, and who keeps what it goes on from. */
import { describe, expect, test } from "vitest";
import { createBindings, type Bindings } from "../src/binding.ts";
import type { ChatRequest, Message, Part } from "../src/chat.ts";
import { ISSUED_MAX, type Issued } from "../src/ledger-bindings.ts";
import { request, said, target } from "./made-target.ts";

describe("reasoning goes back to who issued it", () => {
  const haiku = target("claude-haiku-5-5");
  const eu = target("claude-haiku-5-5", {}, "anthropic-eu");
  const thought = (part: Partial<Part>): ChatRequest =>
    request({
      messages: [said("Why?"), { role: "assistant", parts: [{ type: "reasoning", text: "…", ...part } as Part] }],
    });
  const issuers = (bindings: Bindings, given: ChatRequest) =>
    bindings.of(given, "").map(({ origin }) => origin?.instance);

  test("by its signature, and by its sealed data", () => {
    const bindings = createBindings();
    bindings.learnSignature("c2lnbmF0dXJl", haiku, "");
    bindings.learnSignature("c2VhbGVk", eu, "");
    expect(issuers(bindings, thought({ signature: "c2lnbmF0dXJl" }))).toEqual(["anthropic"]);
    expect(issuers(bindings, thought({ text: "", redacted: "c2VhbGVk" }))).toEqual(["anthropic-eu"]);
  });

  test("and to nobody in particular when it bears none, or one that is not known", () => {
    const bindings = createBindings();
    bindings.learnSignature("c2lnbmF0dXJl", haiku, "");
    expect(issuers(bindings, thought({}))).toEqual([]);
    expect(issuers(bindings, thought({ signature: "bm90IG91cnM" }))).toEqual([]);
    expect(issuers(bindings, request())).toEqual([]);
  });

  test("what a user pastes is not reasoning", () => {
    const bindings = createBindings();
    bindings.learnSignature("c2lnbmF0dXJl", haiku, "");
    const pasted: Message = { role: "user", parts: [{ type: "reasoning", text: "", signature: "c2lnbmF0dXJl" }] };
    expect(issuers(bindings, request({ messages: [pasted] }))).toEqual([]);
  });

  test("long seals are told apart by how they end, and by their length", () => {
    const bindings = createBindings();
    const seal = `${"A".repeat(4_000)}end`;
    bindings.learnSignature(seal, haiku, "");
    expect(issuers(bindings, thought({ signature: seal }))).toEqual(["anthropic"]);
    expect(issuers(bindings, thought({ signature: `A${seal}` }))).toEqual([]);
    expect(issuers(bindings, thought({ signature: `${"A".repeat(4_000)}And` }))).toEqual([]);
  });

  test("the oldest signatures are forgotten at the bound", () => {
    const bindings = createBindings();
    for (let index = 0; index <= ISSUED_MAX.seal; index += 1) bindings.learnSignature(`signature-${index}`, haiku, "");
    expect(issuers(bindings, thought({ signature: "signature-0" }))).toEqual([]);
    expect(issuers(bindings, thought({ signature: "signature-1" }))).toEqual(["anthropic"]);
  });
});

describe("what is written down", () => {
  const nano = target("gpt-5.4-nano");
  const other = target("gpt-5.4-mini");

  test("is a hash and names, once for each that is new or leads elsewhere", () => {
    const written: Issued[] = [];
    const bindings = createBindings({ remember: (issued) => written.push({ ...issued }) > 0 });
    for (let again = 0; again < 3; again += 1) {
      bindings.learnSignature("c2lnbmF0dXJl", nano, "alice");
      bindings.learnKept("resp_1", nano, "alice");
      bindings.learnCall("call_1", nano, "alice");
      bindings.learnHosted("file_1", nano, "alice");
    }
    bindings.learnKept("resp_1", other, "alice");
    expect(written.map(({ kind, instance, model, caller }) => [kind, instance, model, caller])).toEqual([
      ["seal", "openai", "gpt-5.4-nano", "alice"],
      ["kept", "openai", "gpt-5.4-nano", "alice"],
      ["call", "openai", "gpt-5.4-nano", "alice"],
      ["hosted", "openai", "gpt-5.4-nano", "alice"],
      ["kept", "openai", "gpt-5.4-mini", "alice"],
    ]);
    expect(JSON.stringify(written)).not.toMatch(/c2lnbmF0dXJl|resp_1|call_1|file_1/);
  });

  test("is known again, but never in the place of what has been learned since", () => {
    const written: Issued[] = [];
    const before = createBindings({ remember: (issued) => written.push({ ...issued }) > 0 });
    before.learnKept("resp_1", nano, "alice");
    before.learnKept("resp_2", nano, "alice");
    const after = createBindings();
    after.learnKept("resp_2", target("gpt-5.4-nano", {}, "elsewhere"), "alice");
    after.recall(written);
    expect(after.holder("resp_1", "alice")).toEqual({ instance: "openai", isOwn: true });
    expect(after.holder("resp_1", "bob")).toEqual({ instance: "openai", isOwn: false });
    expect(after.holder("resp_2", "alice")).toEqual({ instance: "elsewhere", isOwn: true });
  });

  test("is written down once more after a day, by whoever it belongs to, as long as it is used", () => {
    const DAY_MS = 86_400_000;
    let nowMs = 0;
    let written = 0;
    const bindings = createBindings({ remember: () => (written += 1) > 0, now: () => nowMs });
    const uses = [
      () => bindings.learnKept("conv_1", nano, "alice"),
      () => bindings.holder("conv_1", "alice"),
      () => bindings.of(request({ continues: [{ field: "conversation", id: "conv_1" }] }), "alice"),
    ];
    uses[0]?.();
    for (const use of uses) {
      nowMs += DAY_MS + 1;
      bindings.holder("conv_1", "bob");
      const before = written;
      use();
      use();
      expect(written - before).toBe(1);
    }
  });

  test("waits for room where there was none", () => {
    const written: string[] = [];
    let hasRoom = false;
    const remember = ({ instance }: Issued) => hasRoom && written.push(instance) > 0;
    const bindings = createBindings({ remember });
    for (let index = 0; index < 20; index += 1) bindings.learnKept(`resp_${index}`, nano, "alice");
    bindings.of(request(), "bob");
    expect(written).toHaveLength(0);
    hasRoom = true;
    bindings.of(request(), "bob");
    expect(written.length).toBeGreaterThan(0);
    bindings.of(request(), "bob");
    bindings.of(request(), "bob");
    expect(written).toHaveLength(20);
  });
});

describe("what is one tenant's", () => {
  const nano = target("gpt-5.4-nano");
  const elsewhere = target("gpt-5.4-nano", {}, "elsewhere");
  const homeOf = (bindings: Bindings, file: string, caller: string) => {
    const parts: Part[] = [{ type: "document", source: { type: "file", id: file } }];
    return bindings.of(request({ messages: [{ role: "user", parts }] }), caller)[0]?.origin?.instance;
  };

  test("is not taken over by another's answer of the same id, and may be had anew elsewhere by its own", () => {
    const bindings = createBindings();
    bindings.learnKept("resp_1", nano, "alice");
    for (const where of [nano, elsewhere]) bindings.learnKept("resp_1", where, "bob");
    expect(bindings.holder("resp_1", "alice")).toEqual({ instance: "openai", isOwn: true });
    expect(bindings.holder("resp_1", "bob")?.isOwn).toBe(false);
    bindings.learnKept("resp_1", elsewhere, "alice");
    expect(bindings.holder("resp_1", "alice")?.instance).toBe("elsewhere");
  });

  test("a file's id is no answer's: naming it as a file makes nothing another caller's", () => {
    const bindings = createBindings();
    bindings.learnKept("resp_1", nano, "alice");
    bindings.learnHosted("resp_1", elsewhere, "alice");
    expect(bindings.holder("resp_1", "alice")).toEqual({ instance: "openai", isOwn: true });
  });

  test("a file has one home for each, which a later success elsewhere does not change", () => {
    const bindings = createBindings();
    const file = { kind: "hosted", field: "file_id", id: "file_1" } as const;
    bindings.learnLeaning(file, nano, "alice");
    bindings.learnLeaning(file, elsewhere, "alice");
    bindings.learnLeaning(file, elsewhere, "bob");
    expect(homeOf(bindings, "file_1", "alice")).toBe("openai");
    expect(homeOf(bindings, "file_1", "bob")).toBe("elsewhere");
    expect(homeOf(bindings, "file_1", "cid")).toBeUndefined();
  });

  test("a request that goes on from an answer owns it only where nobody else could", () => {
    const answer = { kind: "kept", field: "previous_response_id", id: "resp_1" } as const;
    const alone = createBindings();
    alone.learnLeaning(answer, nano, "");
    expect(alone.holder("resp_1", "")).toEqual({ instance: "openai", isOwn: true });
    const shared = createBindings({ isShared: () => true });
    shared.learnLeaning(answer, nano, "bob");
    expect(shared.holder("resp_1", "bob")?.isOwn).toBe(false);
    expect(shared.holder("resp_2", "bob")).toEqual({ instance: undefined, isOwn: false });
    const unknown = { ...answer, id: "resp_2" };
    expect(shared.of(request({ continues: [unknown] }), "bob")).toMatchObject([{ isUnowned: true, isOwn: false }]);
  });

  test("where unowned answers are served, where one was found is known, to everybody and nobody's", () => {
    const answer = { kind: "kept", field: "conversation", id: "conv_1" } as const;
    let serves = true;
    const bindings = createBindings({ isShared: () => true, servesUnowned: () => serves });
    bindings.learnLeaning(answer, nano, "bob");
    bindings.learnKept("conv_1", elsewhere, "bob");
    for (const caller of ["alice", "bob"]) {
      expect(bindings.holder("conv_1", caller)).toEqual({ instance: "openai", isOwn: true });
    }
    serves = false;
    for (const caller of ["alice", "bob"]) expect(bindings.holder("conv_1", caller)?.isOwn).toBe(false);
  });

  test("is forgotten for what its own calls bring, and not for another's flood", () => {
    const bindings = createBindings({ isShared: () => true });
    bindings.learnKept("resp_alice", nano, "alice");
    for (let index = 0; index < ISSUED_MAX.kept + 2_000; index += 1) bindings.learnKept(`resp_${index}`, nano, "bob");
    expect(bindings.holder("resp_alice", "alice")?.isOwn).toBe(true);
    expect(bindings.holder("resp_0", "bob")?.isOwn).toBe(false);
    expect(bindings.holder("resp_2000", "bob")?.isOwn).toBe(false);
    expect(bindings.holder("resp_2001", "bob")?.isOwn).toBe(true);
    // Files have a room of their own.
    for (let index = 0; index < ISSUED_MAX.kept; index += 1) bindings.learnHosted(`file_${index}`, nano, "alice");
    expect(bindings.holder("resp_alice", "alice")?.isOwn).toBe(true);
  });
});
