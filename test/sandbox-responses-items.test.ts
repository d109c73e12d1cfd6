/** Which items OpenAI's Responses API would not take, and which belong together: one row a rule. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../src/chat.ts";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { at, call, words } from "./sandbox-call.ts";

let sandbox: RunningSandbox;
beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(() => sandbox.close());

const post = (body: JsonObject, key: string = "key") =>
  call(sandbox, "openai", { model: "gpt-5.4-nano", input: "Hi", ...body }, { path: "/v1/responses", key });

const user = (content: JsonValue): JsonObject => ({ role: "user", content });
const made = (id: string, more: JsonObject = {}): JsonObject => ({
  type: "function_call",
  call_id: id,
  name: "look",
  arguments: "{}",
  ...more,
});
const result = (id: string): JsonObject => ({ type: "function_call_output", call_id: id, output: "seen" });
const TOOL: JsonObject = { type: "function", name: "look", parameters: { type: "object", properties: {} } };
const thinking = { reasoning: { effort: "low" } };

interface Row {
  readonly rule: string;
  /** Laid over a good request. */
  readonly body: JsonObject;
  readonly says: string;
  readonly param?: string | null;
  readonly code?: string | null;
  readonly status?: number;
}

const items: readonly Row[] = [
  {
    rule: "an item that is none",
    body: { input: [7] },
    says: "expected an input item, but got an integer",
    param: "input[0]",
  },
  {
    rule: "an item of no known type",
    body: { input: [{ type: "bogus" }] },
    says: "Invalid value: 'bogus'.",
    param: "input[0]",
  },
  {
    rule: "a role that there is not",
    body: { input: [{ role: "tool", content: "x" }] },
    says: "'assistant', 'system', 'developer', and 'user'",
  },
  {
    rule: "a message without content",
    body: { input: [{ role: "user" }] },
    says: "Missing required parameter: 'input[0].content'.",
  },
  {
    rule: "an unknown member of a message",
    body: { input: [{ ...user("a"), name: "Ann" }] },
    says: "Unknown parameter: 'input[0].name'.",
    code: "unknown_parameter",
  },
  {
    rule: "a phase that is the user's",
    body: { input: [{ ...user("a"), phase: "commentary" }] },
    says: "Unknown parameter: 'input[0].phase'.",
  },
  {
    rule: "Chat's parts",
    body: { input: [user([{ type: "text", text: "a" }])] },
    says: "Invalid value: 'text'.",
    param: "input[0].content[0].type",
  },
  {
    rule: "what was told in a message of the assistant",
    body: { input: [{ role: "assistant", content: [{ type: "input_text", text: "a" }] }] },
    says: "'output_text' and 'refusal'",
    param: "input[0].content[0]",
  },
  {
    rule: "cache_control on a part",
    body: { input: [user([{ type: "input_text", text: "a", cache_control: {} }])] },
    says: "Unknown parameter: 'input[0].content[0].cache_control'.",
  },
  {
    rule: "a breakpoint before 5.6",
    body: { input: [user([{ type: "input_text", text: "a", prompt_cache_breakpoint: { mode: "explicit" } }])] },
    says: "is not supported with this model",
  },
  {
    rule: "Chat's form of a picture",
    body: { input: [user([{ type: "input_image", image_url: { url: "https://example.com/a.png" } }])] },
    says: "expected an image URL, but got an object",
  },
  {
    rule: "a picture that is none",
    body: {
      input: [
        user([
          { type: "input_image", image_url: `data:image/png;base64,${Buffer.from("no picture").toString("base64")}` },
        ]),
      ],
    },
    says: "unsupported image",
    code: "invalid_image_format",
  },
  {
    rule: "a file that is a sound",
    body: { input: [user([{ type: "input_file", file_data: "data:audio/mpeg;base64,AAAA" }])] },
    says: "unsupported MIME type 'audio/mpeg'",
    param: "input[0].content[0].file_data",
  },
  {
    rule: "arguments as an object",
    body: { input: [user("a"), made("x", { arguments: {} }), result("x")] },
    says: "Invalid type for 'input[1].arguments': expected a string, but got an object",
  },
  {
    rule: "a result without its call",
    body: { input: [user("a"), result("x")] },
    says: "No tool call found for function call output with call_id x.",
    param: "input",
  },
  {
    rule: "a result before its call",
    body: { input: [user("a"), result("x"), made("x")] },
    says: "No tool call found for function call output with call_id x.",
  },
  {
    rule: "a custom result to a function's call",
    body: { input: [user("a"), made("x"), { type: "custom_tool_call_output", call_id: "x", output: "b" }] },
    says: "No tool call found for custom tool call output with call_id x.",
  },
  {
    rule: "a call without its result",
    body: { input: [user("a"), made("x"), made("y"), result("x")] },
    says: "No tool output found for function call y.",
    param: "input",
  },
  {
    rule: "a reasoning item that was never kept",
    body: { input: [user("a"), { type: "reasoning", id: "rs_x", summary: [] }] },
    says: "Item with id 'rs_x' not found.",
    status: 404,
  },
  {
    rule: "encrypted reasoning that is none",
    body: {
      input: [
        user("a"),
        { type: "reasoning", summary: [], encrypted_content: "gAAAAABxyz" },
        { role: "assistant", content: "b" },
      ],
    },
    says: "could not be verified. Reason: Encrypted content could not be decrypted or parsed.",
    code: "invalid_encrypted_content",
  },
];

test.each(items)("$rule: refused", async (row) => {
  const answer = await post(row.body);
  expect(answer.status).toBe(row.status ?? 400);
  const error = at(answer.body, "error") as JsonObject;
  expect(error["message"]).toContain(row.says);
  expect(Object.keys(error).sort()).toEqual(["code", "message", "param", "type"]);
  if (row.param !== undefined) expect(error["param"]).toBe(row.param);
  if (row.code !== undefined) expect(error["code"]).toBe(row.code);
});

describe("a reasoning item", () => {
  const sealed = { ...thinking, include: ["reasoning.encrypted_content"], store: false };
  /** The answer's items to a question that is answered by thinking and calling. */
  const thought = async (more: JsonObject = {}, key: string = "key") => {
    const { body } = await post({ input: "look", tools: [TOOL], ...sealed, ...more }, key);
    const [reasoning, made] = body["output"] as readonly JsonObject[];
    if (reasoning === undefined || made === undefined) throw new Error("nothing was thought, or nothing called");
    return { reasoning, made, answer: result(String(made["call_id"])) };
  };
  const refusal = async (input: JsonValue, key: string = "key") => {
    const answer = await post({ input, tools: [TOOL], ...sealed }, key);
    return answer.status === 200 ? undefined : String(at(answer.body, "error", "message"));
  };

  test("goes with the item that followed it, and not without", async () => {
    const { reasoning, made, answer } = await thought();
    expect(await refusal([user("look"), reasoning, made, answer])).toBeUndefined();
    const id = String(reasoning["id"]);
    const orphaned = `Item '${id}' of type 'reasoning' was provided without its required following item.`;
    expect(await refusal([user("look"), reasoning])).toBe(orphaned);
    expect(await refusal([user("look"), reasoning, user("and?")])).toBe(orphaned);
  });

  test("that goes by no id may stand alone", async () => {
    const { id: _, ...reasoning } = (await thought()).reasoning;
    expect(await refusal([user("look"), reasoning, user("and?")])).toBeUndefined();
  });

  test("is missed by the item that was said after it, where that one is kept", async () => {
    const { reasoning, made, answer } = await thought({ store: true });
    expect(await refusal([user("look"), made, answer])).toBe(
      `Item '${String(made["id"])}' of type 'function_call' was provided without its required 'reasoning' item: '${String(reasoning["id"])}'.`,
    );
    const { id: _, ...unnamed } = made;
    expect(await refusal([user("look"), unnamed, answer])).toBeUndefined();
  });

  test("is another account's, another item's or another content: not verified", async () => {
    const { reasoning, made, answer } = await thought();
    const conversation = (one: JsonObject) => [user("look"), one, made, answer];
    expect(await refusal(conversation(reasoning), "other")).toContain("could not be decrypted or parsed");
    expect(await refusal(conversation({ ...reasoning, id: "rs_other" }))).toContain("did not match the target item id");
    const content = String(reasoning["encrypted_content"]);
    const changed = `${content.slice(0, -8)}AAAAAAAA`;
    expect(await refusal(conversation({ ...reasoning, encrypted_content: changed }))).toContain(
      "could not be verified",
    );
  });

  test("without its content is known by its id, where it is kept", async () => {
    const { body } = await post({ input: "look", tools: [TOOL], ...thinking });
    const [reasoning, made] = body["output"] as readonly JsonObject[];
    expect(reasoning).not.toHaveProperty("encrypted_content");
    const input = [user("look"), reasoning ?? {}, made ?? {}, result(String(made?.["call_id"]))];
    const kept = await post({ input, tools: [TOOL], ...thinking });
    expect(kept.status).toBe(200);
    const goneOn = await post({
      input: [result(String(made?.["call_id"]))],
      previous_response_id: body["id"] ?? null,
      tools: [TOOL],
      ...thinking,
    });
    expect(at(goneOn.body, "usage", "input_tokens")).toBe(at(kept.body, "usage", "input_tokens"));
  });
});

describe("served", () => {
  test.each([
    ["tools with an effort, which Chat Completions refuses", { tools: [TOOL], reasoning: { effort: "high" } }],
    [
      "hosted tools",
      { tools: [{ type: "web_search" }, { type: "mcp", server_label: "x", server_url: "https://example.com" }] },
    ],
    ["results in another order than the calls", { input: [user("a"), made("x"), made("y"), result("y"), result("x")] }],
    [
      "a result in parts",
      { input: [user("a"), made("x"), { ...result("x"), output: [{ type: "input_text", text: "seen" }] }] },
    ],
    [
      "fields that are null",
      { temperature: null, store: null, instructions: null, tools: null, text: null, include: null },
    ],
    [
      "a breakpoint from 5.6 on",
      {
        model: "gpt-6-luna",
        input: [user([{ type: "input_text", text: "a", prompt_cache_breakpoint: { mode: "explicit" } }])],
      },
    ],
    ["twelve hours for the whole request", { model: "gpt-6-luna", prompt_cache_options: { ttl: "12h" } }],
    ["a temperature with effort none", { temperature: 0 }],
    [
      "a prompt that is too long, cut at its beginning",
      { truncation: "auto", input: [user(words(200_000)), user(words(100_000))] },
    ],
  ])("%s", async (_what, body) => {
    const answer = await post(body);
    expect(answer.status, answer.text.slice(0, 300)).toBe(200);
  });
});
