/** `bench compare` with targets that are not as they should be, each beside one that is: reported as what they are, and nobody else's matter. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { cleansUp, compare, folderOf, reportIn, targetIn } from "./comparing.ts";

cleansUp();

const SUITE = Array.from({ length: 8 }, (_, at) =>
  JSON.stringify({
    id: `t${at}`,
    system: "You are asked about numbers, and you answer with what was said. ".repeat(40),
    prompt: `Say the number ${at}.`,
    check: { kind: "contains", value: "number" },
  }),
).join("\n");

let sandbox: RunningSandbox;
let odd: Server;
let url: string;

beforeAll(async () => {
  sandbox = await startSandbox({ port: 0 });
  odd = createServer((request, response) => {
    request.resume();
    const [, mount] = (request.url ?? "").split("/");
    if (mount === "hangs") return;
    if (mount === "busy") {
      response.writeHead(429, { "content-type": "application/json", "retry-after": "0" });
      response.end(JSON.stringify({ error: { message: "too many", type: "rate_limit_error" } }));
      return;
    }
    const usage = mount === "silent" ? {} : { usage: { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 } };
    const piece = (delta: object, finish: string | null) => ({
      id: "c1",
      object: "chat.completion.chunk",
      created: 1,
      model: "m",
      choices: [{ index: 0, delta, finish_reason: finish }],
    });
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const one of [
      piece({ role: "assistant", content: "The number it is." }, null),
      piece({}, "stop"),
      { ...piece({}, null), choices: [], ...usage },
    ])
      response.write(`data: ${JSON.stringify(one)}\n\n`);
    response.end("data: [DONE]\n\n");
  });
  await new Promise<void>((resolve) => void odd.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(odd.address() as AddressInfo).port}`;
});
afterAll(async () => {
  odd.closeAllConnections();
  odd.close();
  await sandbox.close();
});

function config(): string {
  const server = (name: string, at: string) =>
    `  ${name}: { kind: openai-compatible, baseUrl: "${at}", models: { m: { price: { input: 1, output: 1 } } } }\n`;
  return `retries: { attemptsMax: 1, backoffMs: 1 }
providers:
  openai: { baseUrl: "${sandbox.url}/openai/v1", apiKeyEnv: KEY }
${server("hangs", `${url}/hangs/v1`)}${server("busy", `${url}/busy/v1`)}${server("lies", `${url}/lies/v1`)}${server("silent", `${url}/silent/v1`)}${server("dead", "http://127.0.0.1:9/v1")}  free: { kind: openai-compatible, baseUrl: "${url}/lies/v1" }
`;
}

const environment = { KEY: "simulated" };

describe("beside a good one", () => {
  test("one that is down, one that hangs, one that is always busy, one that lies and one that is silent about its tokens", async () => {
    const folder = folderOf({ "s.jsonl": SUITE, "sluice.yaml": config() });
    const names = ["hangs", "busy", "lies", "silent", "dead"].map((name) => `${name}=${name}/m`);
    const words = [
      "s.jsonl",
      "--timeout",
      "0.5",
      "--concurrency",
      "2",
      "--targets",
      ["good=openai/gpt-5.4-nano", ...names].join(","),
      "--out",
      "out",
    ];
    const { code } = await compare(words, { folder, environment });
    expect(code).toBe(1);
    const report = reportIn(join(folder, "out"));
    expect(report.is_sandbox).toBe(false);
    const kinds = Object.fromEntries(
      report.targets.map(({ name, problems }) => [name, problems.map(({ kind }) => kind)]),
    );
    expect(kinds["good"]).toEqual([]);
    expect(kinds["dead"]).toContain("down");
    expect(kinds["hangs"]).toEqual(["down", "slow"]);
    expect(kinds["busy"]).toContain("rate-limited");
    expect(kinds["lies"]).toEqual(["usage-implausible"]);
    expect(kinds["silent"]).toContain("usage-missing");
    const good = targetIn(report, "good");
    expect(good.sums).toMatchObject({ runs: 8, passed: 8, not_run: 0 });
    expect(good.sums.cost_pico_usd).toBe(String(sandbox.invoice.totals[0]?.costPicoUsd));
    for (const name of ["dead", "hangs", "busy"]) {
      const { sums } = targetIn(report, name);
      expect(sums).toMatchObject({ passed: 0, failed: 0, pass_rate: { value: null } });
      expect(sums.errors + sums.not_run).toBe(8);
      expect(sums.errors).toBeGreaterThanOrEqual(5);
    }
    expect(targetIn(report, "hangs").sums.failures[0]?.kind).toBe("timeout");
    expect(targetIn(report, "busy").sums.failures[0]?.kind).toBe("rate-limited");
    // Cheap by a lie is not recommended.
    expect(report.recommendation.target).toBeNull();
    for (const { problems } of report.targets)
      for (const { sentence } of problems) expect(report.notices).toContain(sentence);
  }, 60_000);

  test("a model without a price runs, and is in no comparison of costs", async () => {
    const folder = folderOf({ "s.jsonl": SUITE, "sluice.yaml": config() });
    const words = ["s.jsonl", "--targets", "good=openai/gpt-5.4-nano,free=free/m", "--out", "out"];
    const { code, told, printed } = await compare(words, { folder, environment });
    expect(code).toBe(0);
    expect(told).toContain("no price");
    const report = reportIn(join(folder, "out"));
    const { sums, problems } = targetIn(report, "free");
    expect(problems.map(({ kind }) => kind)).toContain("unpriced");
    expect(sums).toMatchObject({ unpriced_runs: 8, cost_per_task_usd: { value: null }, pass_rate: { value: 1 } });
    expect(report.comparisons[0]?.cost_ratio.value).toBeNull();
    expect(printed).toContain("have no price");
  }, 60_000);
});

test.each([
  ["nobody", ["--targets", "good=openai/gpt-5.4-nano,nobody=nowhere/m"], /^nobody: /],
  ["one alone", ["--targets", "good=openai/gpt-5.4-nano"], /at least two targets/],
  ["the same name twice", ["--targets", "a=openai/gpt-5.4-nano,a=lies/m"], /two targets are called a/],
  ["a client that is not there", ["--targets", "a=openai/gpt-5.4-nano@telnet,b=lies/m"], /no client telnet/],
  [
    "hardware of nobody",
    ["--targets", "a=openai/gpt-5.4-nano,b=lies/m", "--gpu", "c=$7/hour,prefill=1,decode=1"],
    /--gpu c: it is not compared/,
  ],
  [
    "hardware without a price",
    ["--targets", "a=openai/gpt-5.4-nano,b=lies/m", "--gpu", "b=prefill=1"],
    /what an hour costs is missing/,
  ],
])("%s: one line, and nothing is sent", async (_what, words, expected) => {
  const before = sandbox.requests.length;
  const folder = folderOf({ "s.jsonl": SUITE, "sluice.yaml": config() });
  const { code, told } = await compare(["s.jsonl", ...words], { folder, environment });
  expect(code).toBe(2);
  expect(told).toMatch(expected);
  expect(told.trim().split("\n")).toHaveLength(1);
  expect(sandbox.requests.length).toBe(before);
});
