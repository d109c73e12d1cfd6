/** Marks, boundary lines and prompts as nobody should send them, by the front door: each has an answer, and costs no more than others. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../../src/chat.ts";
import { present, startSimulation, type Simulation } from "./simulated.ts";

const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ";
const STATIC = WORDS.repeat(220);
const LINE = "<!-- sluice:dynamic -->";
const SHORT: JsonObject = { type: "ephemeral" };
const HOUR: JsonObject = { type: "ephemeral", ttl: "1h" };

let simulation: Simulation;
afterEach(() => simulation.close());

async function start(mode: string): Promise<void> {
  simulation = await startSimulation({ yaml: `retries: { attemptsMax: 1 }\ncache: { mode: ${mode} }\n` });
}

interface Answer {
  readonly status: number;
  readonly text: string;
  /** What was done about the client's marks. */
  readonly change: string | null;
}

async function post(path: string, body: JsonObject): Promise<Answer> {
  const response = await fetch(`${simulation.gateway.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const change = response.headers.get("x-sluice-cache-marks");
  return { status: response.status, text: await response.text(), change };
}

/** What arrived at the provider last. */
function sent(): JsonObject {
  return present(simulation.sandbox.requests.at(-1), "the request").body as JsonObject;
}

function claude(body: JsonObject): JsonObject {
  return { model: "claude-haiku-5-5", max_tokens: 50, messages: [{ role: "user", content: "Hello" }], ...body };
}

function block(text: string, mark?: JsonObject): JsonObject {
  return { type: "text", text, ...(mark === undefined ? {} : { cache_control: mark }) };
}

function marksIn(value: JsonValue | undefined): readonly JsonObject[] {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).flatMap(marksIn);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "cache_control" || key === "prompt_cache_breakpoint" ? [inner as JsonObject] : marksIn(inner),
  );
}

const FIVE: JsonValue = Array.from({ length: 5 }, (_, index) => block(`${index} ${STATIC}`, SHORT));
const LATE_HOUR: JsonValue = [block(STATIC, SHORT), block(`More. ${STATIC}`, HOUR)];
const EMPTY: JsonValue = [block(STATIC), block("", SHORT)];

describe("marks that the provider refuses", () => {
  test.each([
    ["five of them", FIVE, "maximum of 4"],
    ["an hour behind five minutes", LATE_HOUR, "ttl"],
    ["one on a text that is empty", EMPTY, "text"],
  ])("%s: in its own dialect its refusal is the client's to read", async (_name, system, words) => {
    await start("respect");
    const answer = await post("/v1/messages", claude({ system }));
    expect(answer.status).toBe(400);
    expect(answer.text).toContain(words);
    expect(JSON.parse(answer.text)).toMatchObject({ type: "error", error: { type: "invalid_request_error" } });
  });

  test.each([
    ["five of them", FIVE],
    ["an hour behind five minutes", LATE_HOUR],
  ])("%s: improved, what the provider takes of them is set anew, and said", async (_name, system) => {
    await start("improve");
    const answer = await post("/v1/messages", claude({ system }));
    expect(answer.status).toBe(200);
    expect(marksIn(sent()).length).toBeLessThanOrEqual(4);
    expect(answer.change).toMatch(/^client=\d.*;(?:ttl_changed|dropped)=1$/);
  });

  test.each(["respect", "improve"])("the row has the marks that were sent (%s)", async (mode) => {
    await start(mode);
    const six = Array.from({ length: 6 }, (_, index) => block(`${index} ${STATIC}`, SHORT));
    const translated = (content: JsonValue): JsonObject => ({
      model: "anthropic/claude-haiku-5-5",
      messages: [{ role: "system", content }, ...QUESTION],
    });
    for (const [path, body] of [
      ["/v1/chat/completions", translated(six)],
      ["/v1/chat/completions", translated(LATE_HOUR)],
      ["/v1/messages", { ...claude({ system: six }), model: "openai/gpt-5.4-nano" }],
    ] as const) {
      await post(path, body);
      const row = present((await simulation.gateway.allAttempts()).at(-1), "the row");
      const told = row.cache_marks?.split(" ").map((mark) => mark.slice(0, 2)) ?? [];
      expect(told).toEqual(marksIn(sent()).map(({ ttl }) => ttl ?? "5m"));
    }
  });

  test("improved, the client's marks stay, worthless ones too, and ours beside them are told apart", async () => {
    await start("improve");
    for (let index = 0; index < 8; index += 1) {
      await post("/v1/messages", claude({ system: [block(`${index} ${STATIC}`, HOUR)] }));
      expect(marksIn(sent()["system"])).toHaveLength(1);
    }
    await post("/v1/messages", claude({ system: [block("Be brief.", SHORT)] }));
    expect(sent()["system"]).toEqual([block("Be brief.", SHORT)]);
    const rows = await simulation.gateway.allAttempts();
    expect(rows.every(({ cache_marks }) => /@\d+\/client/.test(cache_marks ?? ""))).toBe(true);
  });
});

const QUESTION: readonly JsonObject[] = [{ role: "user", content: "Hello" }];

test.each(["respect", "improve"])("marks on less than the minimum cost nothing (%s)", async (mode) => {
  await start(mode);
  expect((await post("/v1/messages", claude({ system: [block("Be brief.", SHORT)] }))).status).toBe(200);
  const [row] = await simulation.gateway.allAttempts();
  expect(row?.usage.cache_write_5m).toBe(0);
  expect(row?.predicted_read).toBe(0);
});

describe("the boundary line", () => {
  beforeEach(() => start("respect"));

  /** The system text and the user's as the provider got them. */
  async function said(system: string, user = "Hello"): Promise<{ readonly system: string; readonly user: string }> {
    const messages = [
      { role: "system", content: system },
      { role: "user", content: user },
    ];
    const answer = await post("/v1/chat/completions", { model: "anthropic/claude-haiku-5-5", messages });
    expect(answer.status, answer.text).toBe(200);
    const body = sent();
    const turn = (body["messages"] as readonly JsonObject[])[0];
    return { system: textOf(body["system"]), user: textOf(turn?.["content"]) };
  }

  test.each([
    ["at the very start", `${LINE}\n${STATIC}`, STATIC],
    ["at the very end", `${STATIC}\n${LINE}`, `${STATIC}\n`],
    ["at the very end, with its line's end", `${STATIC}\n${LINE}\n`, `${STATIC}\n`],
    ["between lines that end in CRLF", `${STATIC}\r\n${LINE}\r\nIt is noon.`, `${STATIC}\r\nIt is noon.`],
    ["indented", `${STATIC}\n  ${LINE}  \nIt is noon.`, `${STATIC}\nIt is noon.`],
    ["alone", LINE, ""],
    ["twice: both are taken away", `A\n${LINE}\nB\n${LINE}\nC`, "A\nB\nC"],
    ["a line that is longer than a step", `A\n${LINE}${" ".repeat(5_000)}\nB`, "A\nB"],
    ["behind a line of inline code", `\`\`\`inline\`\`\`\n${LINE}\nA`, "```inline```\nA"],
    [
      "in a fence of four that has one of three in it",
      `\`\`\`\`md\n\`\`\`\n${LINE}\n\`\`\`\n\`\`\`\`\n${LINE}\nA`,
      `\`\`\`\`md\n\`\`\`\n${LINE}\n\`\`\`\n\`\`\`\`\nA`,
    ],
    ["in a fence of the other sign", `\`\`\`\n~~~\n${LINE}\n\`\`\`\n${LINE}\nA`, `\`\`\`\n~~~\n${LINE}\n\`\`\`\nA`],
    ["behind a fence that a list item opens", `- \`\`\`js\n  x\n  \`\`\`\n${LINE}\nA`, "- ```js\n  x\n  ```\nA"],
    ["indented as code is, and as templates are: it counts", `A\n\n    ${LINE}\nB`, "A\n\nB"],
    ["in a fenced code block: it is text", `\`\`\`\n${LINE}\n\`\`\`\nA`, `\`\`\`\n${LINE}\n\`\`\`\nA`],
    ["behind a fenced code block", `\`\`\`\n${LINE}\n\`\`\`\n${LINE}\nA`, `\`\`\`\n${LINE}\n\`\`\`\nA`],
    ["among words: it is text", `Write ${LINE} here.`, `Write ${LINE} here.`],
  ])("%s", async (_name, system, expected) => {
    expect((await said(system)).system).toBe(expected);
  });

  test("in a user's message is what the user said", async () => {
    expect((await said(STATIC, `A\n${LINE}\nB`)).user).toBe(`A\n${LINE}\nB`);
  });

  test.each([
    ["/v1/messages", (system: string) => claude({ system })],
    ["/v1/messages", (system: string) => claude({ system: [block(system, SHORT)] })],
    [
      "/v1/chat/completions",
      (content: string) => ({ model: "gpt-6-luna", messages: [{ role: "system", content }, ...QUESTION] }),
    ],
    [
      "/v1/responses",
      (content: string) => ({ model: "gpt-6-luna", input: [{ role: "developer", content }, ...QUESTION] }),
    ],
    ["/v1/responses", (instructions: string) => ({ model: "gpt-6-luna", instructions, input: "Hello" })],
    [
      "/v1/chat/completions",
      (content: string) => ({ model: "gpt-5.4-nano", messages: [{ role: "system", content }, ...QUESTION] }),
    ],
    [
      "/api/chat",
      (content: string) => ({
        model: "ollama/llama3.1:latest",
        stream: false,
        messages: [{ role: "system", content }, ...QUESTION],
      }),
    ],
    [
      "/api/generate",
      (system: string) => ({ model: "ollama/llama3.1:latest", stream: false, system, prompt: "Hello" }),
    ],
    [
      "/mistral/v1/chat/completions",
      (content: string) => ({ model: "mistral-small-2603", messages: [{ role: "system", content }, ...QUESTION] }),
    ],
  ] as const)("never reaches the model in its own dialect either (%s %#)", async (path, body) => {
    for (const system of [`${STATIC}\n${LINE}\nIt is noon.`, `${STATIC}\n${LINE}`]) {
      const answer = await post(path, body(system));
      expect(answer.status, answer.text).toBe(200);
      expect(JSON.stringify(sent())).not.toContain("sluice:dynamic");
      expect(JSON.stringify(sent())).toContain(STATIC);
    }
  });

  const TWO = [`${STATIC}\n${LINE}\nIt is noon.`, `More.\n${LINE}\nIt is late.`] as const;
  const LATE = `Only now:\n${LINE}\nbe brief.`;
  const late = (model: string, system: JsonValue = LATE): JsonObject => ({
    model,
    max_tokens: 50,
    messages: [...QUESTION, { role: "assistant", content: "Hello." }, { role: "system", content: system }, ...QUESTION],
  });
  test.each<readonly [string, string, JsonObject]>([
    ["two blocks", "/v1/messages", claude({ system: TWO.map((said) => block(said)) })],
    ["a message in the middle", "/v1/messages", late("claude-opus-5-5")],
    ["nothing else in a message in the middle", "/v1/messages", late("claude-opus-5-5", LINE)],
    ["the same in a block", "/v1/messages", late("claude-opus-5-5", [block(LINE)])],
    ["a message in the middle, translated", "/v1/chat/completions", late("anthropic/claude-opus-5-5")],
    ["a message in the middle", "/v1/chat/completions", late("openai/gpt-5.4-nano")],
    ["a message in the middle", "/mistral/v1/chat/completions", late("mistral-small-2603")],
    ["a count of tokens", "/v1/messages/count_tokens", { model: "claude-haiku-5-5", system: LATE, messages: QUESTION }],
    [
      "a count of tokens",
      "/v1/responses/input_tokens",
      { model: "openai/gpt-5.4-nano", instructions: LATE, input: "Hello" },
    ],
  ])("never reaches the model, wherever it stands: %s (%s)", async (_name, path, body) => {
    const answer = await post(path, body);
    expect(answer.status, answer.text).toBe(200);
    expect(JSON.stringify(sent())).not.toContain("sluice:dynamic");
  });

  test("the first of several ends what is static", async () => {
    for (const time of ["noon", "one", "two"]) {
      const content = [`${STATIC}\n${LINE}\nIt is ${time}.`, `More.\n${LINE}\nIt is late.`].map((text) => ({
        type: "text",
        text,
      }));
      await post("/v1/chat/completions", {
        model: "anthropic/claude-haiku-5-5",
        messages: [{ role: "system", content }, ...QUESTION],
      });
    }
    expect((await simulation.gateway.allAttempts()).at(-1)?.usage.cache_read).toBeGreaterThan(3_000);
  });

  test("at the end of a text that the client has marked, the mark stays", async () => {
    await post("/v1/messages", claude({ system: [block(`${STATIC}\n${LINE}\n`, SHORT)] }));
    expect(sent()["system"]).toEqual([block(`${STATIC}\n`, SHORT)]);
  });
});

test("a boundary at the end of the system text is marked there", async () => {
  await start("improve");
  for (const question of ["One", "Two", "Three"]) {
    const messages = [{ role: "user", content: question }];
    expect((await post("/v1/messages", claude({ system: [block(`${STATIC}\n${LINE}\n`)], messages }))).status).toBe(
      200,
    );
  }
  const rows = await simulation.gateway.allAttempts();
  expect(rows.at(-1)?.usage.cache_read).toBeGreaterThan(3_000);
});

function textOf(content: JsonValue | undefined): string {
  if (!Array.isArray(content)) return typeof content === "string" ? content : "";
  return (content as readonly JsonObject[]).map((part) => String(part["text"])).join("");
}

describe("a client's own dialect, improved", () => {
  beforeEach(() => start("improve"));
  const tool = { name: "look", description: STATIC, input_schema: { type: "object", properties: {} } };
  const hosted = { type: "web_search_20250305", name: "web_search" };

  test("tools alone are marked", async () => {
    expect((await post("/v1/messages", claude({ tools: [tool] }))).status).toBe(200);
    expect(marksIn(sent()["tools"]).length + marksIn(sent()["messages"]).length).toBeGreaterThan(0);
  });

  test("a hosted tool that comes last bears no mark", async () => {
    expect((await post("/v1/messages", claude({ tools: [tool, hosted] }))).status).toBe(200);
    expect(marksIn(sent()["tools"])).toEqual([]);
  });

  test.each([
    ["a text alone", { input: STATIC }],
    ["a text and instructions", { input: "Hello", instructions: STATIC }],
    ["items", { input: [{ role: "developer", content: STATIC }, ...QUESTION], instructions: "Be brief." }],
  ])("Responses: %s", async (_name, body) => {
    for (let turn = 0; turn < 2; turn += 1) {
      expect((await post("/v1/responses", { model: "gpt-6-luna", ...body })).status).toBe(200);
    }
    const rows = await simulation.gateway.allAttempts();
    expect(rows.at(-1)?.usage.cache_read).toBeGreaterThan(2_000);
  });
});

describe("prompts that are large or made to be costly", () => {
  /** Our own time for one call, the machine's other work included. */
  const OVERHEAD_MS_MAX = 1_000;

  async function overheads(bodies: readonly JsonObject[]): Promise<readonly number[]> {
    for (const body of bodies) expect((await post("/v1/messages", body)).status).toBe(200);
    return (await simulation.gateway.allAttempts()).map(({ overhead_ms }) => overhead_ms ?? Number.NaN);
  }

  test("5,000 messages", async () => {
    await start("improve");
    const messages = Array.from({ length: 5_001 }, (_, index) => ({
      role: index % 2 === 0 ? "user" : "assistant",
      content: `Message ${index}`,
    }));
    for (const overhead of await overheads([claude({ messages }), claude({ messages })]))
      expect(overhead).toBeLessThan(OVERHEAD_MS_MAX);
    expect((await simulation.gateway.allAttempts()).at(-1)?.usage.cache_read).toBeGreaterThan(10_000);
  });

  test("prompts that share all but their last character", async () => {
    await start("improve");
    const bodies = Array.from({ length: 40 }, (_, index) =>
      claude({ messages: [{ role: "user", content: `${STATIC}${String.fromCodePoint(97 + index)}` }] }),
    );
    for (const overhead of await overheads(bodies)) expect(overhead).toBeLessThan(OVERHEAD_MS_MAX);
  });

  test("a system text of one line and a megabyte", async () => {
    await start("improve");
    const system = "x".repeat(1_000_000);
    for (const overhead of await overheads([claude({ system }), claude({ system })]))
      expect(overhead).toBeLessThan(OVERHEAD_MS_MAX);
  });

  test("a text whose steps end in half a character", async () => {
    await start("improve");
    const halves = `${"x".repeat(2_047)}\\ud83d${"y".repeat(2_047)}\\udc00${"z".repeat(30_000)}`;
    const raw = JSON.stringify(claude({ system: "HALVES" })).replace("HALVES", halves);
    for (let turn = 0; turn < 2; turn += 1) {
      const response = await fetch(`${simulation.gateway.url}/v1/messages`, { method: "POST", body: raw });
      expect(response.status).toBe(200);
    }
    expect(textOf(sent()["system"])).toBe((JSON.parse(raw) as { system: string }).system);
  });
});

test("a count of tokens writes nothing, and nothing is expected of it", async () => {
  await start("respect");
  const body = claude({ system: [block(STATIC, SHORT)] });
  const { max_tokens: _, ...counted } = body;
  expect((await post("/v1/messages/count_tokens", counted)).status).toBe(200);
  expect((await post("/v1/messages", body)).status).toBe(200);
  const [count, row] = await simulation.gateway.allAttempts();
  expect([count?.predicted_read, row?.predicted_read, row?.usage.cache_read]).toEqual([0, 0, 0]);
});
