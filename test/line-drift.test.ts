/** The drift watch through the front door: a report that is pinned by the config, live tasks, what is shown and told, and a restart. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { seeded } from "../bench/trace/random.ts";
import { json, stream } from "./fake-upstream.ts";
import { startLine, type Line } from "./line-setup.ts";
import { SAID, wires } from "./line-wires.ts";
import { pinnedReport, USUAL, type Behavior } from "./pinned-report.ts";
import { until } from "./running.ts";

const found = wires.find(({ dialect }) => dialect === "openai-chat");
if (found === undefined) throw new Error("there is no such wire");
const openai = found;

const lines: Line[] = [];
const folders: string[] = [];
const servers: Server[] = [];

afterEach(async () => {
  for (const line of lines.splice(0)) await line.close();
  for (const server of servers.splice(0)) server.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A report of 200 tasks. @returns its file. */
function reportFile(behavior: Behavior, className = "triage"): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-drift-"));
  folders.push(folder);
  const report = pinnedReport(200, behavior, seeded(1), { model: `one/${openai.model}`, className });
  writeFileSync(join(folder, "report.json"), JSON.stringify(report));
  return join(folder, "report.json");
}

async function started(options: Parameters<typeof startLine>[0]): Promise<Line> {
  const line = await startLine({ upstreams: { one: openai }, ...options });
  lines.push(line);
  return line;
}

let tasks = 0;

/** A task of one call, that ends by its outcome. */
async function task({ gateway }: Line, headers: Readonly<Record<string, string>> = {}): Promise<void> {
  tasks += 1;
  const id = `job-${tasks}`;
  const answer = await gateway.app.request("/v1/chat/completions", {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-sluice-task": id,
      "x-sluice-task-class": "triage",
      ...headers,
    },
    body: JSON.stringify({ model: `one/${openai.model}`, messages: [{ role: "user", content: `Ticket ${tasks}` }] }),
  });
  await answer.text();
  await until(() => gateway.sluice.admission.inFlight === 0);
  const told = await gateway.app.request(`/sluice/v1/tasks/${id}/outcome`, {
    method: "POST",
    body: JSON.stringify({ outcome: "success" }),
  });
  expect(told.status).toBe(200);
}

interface Shown {
  readonly class: string;
  readonly target: string;
  readonly report_tasks: number;
  readonly measures: Readonly<
    Record<
      string,
      {
        readonly state: string;
        readonly direction: string | null;
        readonly tasks: number;
        readonly expected: { readonly mean: number; readonly high: number };
        readonly live: { readonly mean: number; readonly tasks: number } | null;
      }
    >
  >;
}

async function shown({ gateway }: Line, query = ""): Promise<readonly Shown[]> {
  const answer = await gateway.app.request(`/sluice/v1/drift${query}`);
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { readonly data: readonly Shown[] }).data;
}

const series = (measure: string) => `sluice_drift{class="triage",target="one/${openai.model}",measure="${measure}"}`;

/** As many tokens as the wire's answers have, and their cost. */
const AS_THE_WIRE: Behavior = { ...USUAL, tokens: 24, spread: 0.1 };

describe("live tasks of a class with a pinned report", () => {
  test("that are refused more often are told of once, by metric, log, message and GET /sluice/v1/drift; also behind a restart", async () => {
    const received: { readonly type: string; readonly id: string; readonly text: string }[] = [];
    const server = createServer((request, response) => {
      let text = "";
      request.on("data", (bytes) => (text += String(bytes)));
      request.on("end", () => {
        received.push(JSON.parse(text) as (typeof received)[number]);
        response.end();
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const data = mkdtempSync(join(tmpdir(), "sluice-drift-"));
    folders.push(data);
    const yaml = [
      `classes: { triage: { expect: { report: "${reportFile(AS_THE_WIRE)}", tolerance: 5 } } }`,
      `notify: [{ name: hook, kind: webhook, url: "http://127.0.0.1:${port}/", allowPrivate: true }]`,
    ].join("\n");
    const line = await started({ yaml, data });
    await task(line);
    expect(await shown(line)).toMatchObject([
      {
        class: "triage",
        target: `one/${openai.model}`,
        report_tasks: 200,
        measures: { refusals: { state: "few", tasks: 1, live: { mean: 0, tasks: 1 } }, tokens: { state: "few" } },
      },
    ]);
    expect(await line.gateway.metric(series("refusals"))).toBe(0);
    const refused = openai.whole(SAID) as { choices: readonly object[] };
    const body = {
      ...refused,
      choices: refused.choices.map((choice) => ({ ...choice, finish_reason: "content_filter" })),
    };
    line.upstream("one").answer(json(body));
    for (let index = 0; index < 30; index += 1) await task(line);
    const [state] = await shown(line);
    expect(state?.measures["refusals"]).toMatchObject({ state: "drifted", direction: "up" });
    expect(state?.measures["refusals"]?.live?.mean).toBeGreaterThan(0.9);
    expect(state?.measures["tokens"]).toMatchObject({ state: "as-expected", tasks: 31 });
    expect(await line.gateway.metric(series("refusals"))).toBe(1);
    expect(await line.gateway.metric(series("tokens"))).toBe(0);
    expect(line.gateway.logged.filter((one) => one.includes("drift-fired"))).toHaveLength(1);
    await until(() => received.length > 0);
    expect(received).toMatchObject([
      { type: "drift.fired", text: expect.stringContaining("refused answer of class `triage` at `one/") },
    ]);
    expect(JSON.stringify(received)).not.toContain("Ticket");

    lines.splice(lines.indexOf(line), 1);
    await line.close();
    const again = await started({ yaml, data });
    expect(await shown(again)).toEqual([state]);
    again.upstream("one").answer(json(body));
    await task(again);
    expect((await shown(again))[0]?.measures["refusals"]).toMatchObject({ state: "drifted", tasks: 32 });
    expect(received).toHaveLength(1);
  });

  test("of other classes, and those that ended before, are none of it; a class is asked for by its name", async () => {
    const line = await started({ yaml: `classes: { "tri*": { expect: "${reportFile(AS_THE_WIRE)}" } }` });
    await task(line, { "x-sluice-task-class": "extract" });
    expect((await shown(line))[0]?.measures["tokens"]?.tasks).toBe(0);
    await task(line);
    const id = `job-${tasks}`;
    await line.gateway.app.request(`/sluice/v1/tasks/${id}/outcome`, {
      method: "POST",
      body: JSON.stringify({ outcome: "failure" }),
    });
    expect((await shown(line, "?class=triage"))[0]?.measures["tokens"]?.tasks).toBe(1);
    expect(await shown(line, "?class=extract")).toEqual([]);
    expect((await line.gateway.app.request("/sluice/v1/drift?clas=x")).status).toBe(400);
  });

  test("are shown to whoever reads everybody's calls only", async () => {
    const line = await started({
      yaml: `keys: [{ name: a, keyEnv: KEY_A }, { name: b, keyEnv: KEY_B, reads: all }]\nclasses: { triage: { expect: "${reportFile(AS_THE_WIRE)}" } }`,
      environment: { KEY_A: "a-key-that-is-long", KEY_B: "b-key-that-is-long" },
    });
    const asked = (key: string) =>
      line.gateway.app.request("/sluice/v1/drift", { headers: { authorization: `Bearer ${key}` } });
    expect((await asked("a-key-that-is-long")).status).toBe(403);
    expect((await asked("b-key-that-is-long")).status).toBe(200);
  });
});

test("an answer that refuses in words is a refusal on its row, whole or streamed, though it says that it just stopped", async () => {
  const line = await started({});
  const { gateway } = line;
  const refusing = (delta: object) =>
    `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: openai.model, choices: [{ index: 0, delta, finish_reason: null }] })}\n\n`;
  const frames = [
    refusing({ role: "assistant", content: "", refusal: null }),
    refusing({ refusal: "I " }),
    refusing({ refusal: "cannot." }),
    `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: openai.model, choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })}\n\n`,
    "data: [DONE]\n\n",
  ].join("");
  const whole = openai.whole(SAID) as { choices: readonly { message: object }[] };
  const said = whole.choices.map((choice) => ({
    ...choice,
    message: { ...choice.message, content: null, refusal: "No." },
  }));
  const reasonOf = async (path: string, body: object): Promise<string | null | undefined> => {
    const answer = await gateway.app.request(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: `one/${openai.model}`, ...body }),
    });
    await answer.text();
    return (await gateway.attempts(answer.headers.get("x-sluice-exchange")))[0]?.finish_reason;
  };
  const messages = [{ role: "user", content: "Do it." }];
  expect(await reasonOf("/v1/chat/completions", { messages })).toBe("stop");
  line.upstream("one").answer(json({ ...whole, choices: said }));
  expect(await reasonOf("/v1/chat/completions", { messages })).toBe("refusal");
  line.upstream("one").answer(stream(frames));
  expect(await reasonOf("/v1/chat/completions", { messages, stream: true })).toBe("refusal");
});
