/**
 * Sessions of real agents, read where they lie beside the checkout and sent through the gateway to the simulator: one task with its
 * subagents as children, which cost what the simulator charges.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import type { TaskDetail, TaskRow } from "../src/ledger-task-query.ts";
import type { ClassRow } from "../src/ledger-task-classes.ts";
import { startGateway, until, type RunningGateway } from "./running.ts";

const captures = join(import.meta.dirname, "../../shared/conformance/captures");
const areThere = existsSync(captures);
if (!areThere) console.warn("tasks-agents: captures skipped, ../shared/conformance is not beside this checkout");

let sandbox: RunningSandbox;
let gateway: RunningGateway;

beforeEach(async () => {
  sandbox = await startSandbox({ host: "127.0.0.1", port: 0 });
  gateway = await startGateway({
    environment: {
      ANTHROPIC_API_KEY: "sk-simulated-2",
      ANTHROPIC_BASE_URL: `${sandbox.url}/anthropic`,
      OPENAI_API_KEY: "sk-simulated-1",
      OPENAI_BASE_URL: `${sandbox.url}/openai/v1`,
    },
  });
});
afterEach(async () => {
  await gateway.close();
  await sandbox.close();
});

describe.skipIf(!areThere)("a session of a real agent is one task, with its subagents as children", () => {
  test.each([
    { file: "claude-code--tools-loop", children: 0 },
    { file: "claude-code--subagents-parallel", children: 2 },
    { file: "codex--tools-loop", children: 0 },
    { file: "codex--subagent", children: 1 },
    { file: "opencode--anthropic-tools-loop", children: 0 },
    { file: "opencode--openai-tools-loop", children: 0 },
    { file: "opencode--chat-tools-loop", children: 0 },
  ])("$file", { timeout: 30_000 }, async ({ file, children }) => {
    const answers = await replay(file);
    expect(answers.length).toBeGreaterThan(2);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const all = await tasks();
    const [root, ...others] = all.filter(({ parent }) => parent === null);
    if (root === undefined) throw new Error("there is no task");
    expect(others).toEqual([]);
    const whole = await detail(root.task);
    expect(whole.children.map(({ parent }) => parent)).toEqual(Array.from({ length: children }, () => root.task));
    expect(all.length).toBe(1 + children);
    expect(whole.with_children.cost_pico_usd).toBe(String(sandbox.invoice.costPicoUsd));
    expect(whole.with_children.unpriced_attempts).toBe(0);
    expect(whole.with_children.attempts).toBe(answers.length);
    const own = answers.filter(({ task }) => task === root.task);
    expect(whole.exchanges).toBe(own.length);
    expect(whole.calls.map(({ exchange }) => exchange)).toEqual(own.map(({ exchange }) => exchange));
    expect(whole.class).toMatch(/^c-[0-9a-f]{12}$/);
    // The title that opencode has made is no step of the task.
    expect(whole.turns).toBe(own.length - (whole.signals["side"] ?? 0));
    expect(whole.signals["side"] ?? 0).toBe(file.startsWith("opencode") ? 1 : 0);
  });

  test("the same agent has the same class in another session, and its figures are those of both", async () => {
    await replay("claude-code--tools-loop");
    await replay("claude-code--text");
    const [one, other] = await tasks();
    expect(one?.task).not.toBe(other?.task);
    expect(one?.class).toBe(other?.class);
    const answer = await gateway.app.request("/sluice/v1/task-classes?since=2020-01-01");
    const { data } = (await answer.json()) as { data: readonly ClassRow[] };
    const row = data.find(({ class: name }) => name === one?.class);
    expect(row).toMatchObject({ tasks: 2, children: 0 });
    const costs = [one, other].map((task) => task?.spend.cost_usd ?? 0);
    expect(row?.cost_usd.p90).toBe(Math.max(...costs));
    expect(row?.cost_usd.mean).toBeCloseTo((costs[0] as number) / 2 + (costs[1] as number) / 2, 12);
    expect(row?.cost_usd.unpriced_tasks).toBe(0);
    expect(row?.cache_read_ratio.mean).toBeGreaterThan(0);
    expect(row?.turns.n).toBe(2);
    // Nobody has told an outcome, and the answers show none: that is no cost per success of 0.
    expect(row?.cost_per_success_usd).toMatchObject({ mean: null, mean_ci95: null });
  });

  test("a session that is forked is a child of the one that it was forked from", async () => {
    await replay("claude-code--continue");
    const all = await tasks();
    expect(all.length).toBe(2);
    const [fork, original] = all;
    expect(original?.parent).toBeNull();
    expect(fork?.parent).toBe(original?.task);
  });
});

/** A model that the simulator has a price for. */
function priced(path: string, model: string): string {
  if (!path.includes("/messages")) return "openai/gpt-5.4-nano";
  return model === "claude-opus-5-5" ? model : "claude-haiku-4-5";
}

/** Without thoughts, which another server sealed: this one would refuse them. */
function here(body: Readonly<Record<string, unknown>>): object {
  const own = (list: unknown, without: RegExp) =>
    Array.isArray(list) ? list.filter((one: { type?: string }) => !without.test(one.type ?? "")) : list;
  const messages = body["messages"];
  return {
    ...body,
    ...(body["input"] === undefined ? {} : { input: own(body["input"], /^reasoning$/) }),
    ...(Array.isArray(messages)
      ? {
          messages: messages.map((one: { content?: unknown }) => ({
            ...one,
            content: own(one.content, /thinking$/),
          })),
        }
      : {}),
  };
}

interface Replayed {
  readonly status: number;
  readonly exchange: string | null;
  readonly task: string | null;
}

/** Each call as it was sent, one after the other. */
async function replay(file: string): Promise<readonly Replayed[]> {
  const { requests } = JSON.parse(readFileSync(join(captures, `${file}.json`), "utf8")) as {
    requests: readonly { path: string; headers: [string, string][]; body: Record<string, unknown> }[];
  };
  const answers: Replayed[] = [];
  for (const { path, headers, body } of requests) {
    if (!/\/v1\/(?:messages|chat\/completions|responses)(?:\?|$)/.test(path)) continue;
    const kept = headers.filter(([name]) => !/^(?:host|connection|content-length|accept-encoding)$/i.test(name));
    const answer = await fetch(gateway.url + path, {
      method: "POST",
      headers: kept,
      body: JSON.stringify({ ...here(body), model: priced(path, String(body["model"])) }),
    });
    await answer.text();
    answers.push({
      status: answer.status,
      exchange: answer.headers.get("x-sluice-exchange"),
      task: answer.headers.get("x-sluice-task"),
    });
  }
  await until(() => gateway.sluice.admission.inFlight === 0);
  return answers;
}

async function tasks(): Promise<readonly TaskRow[]> {
  const answer = await gateway.app.request("/sluice/v1/tasks");
  return ((await answer.json()) as { data: readonly TaskRow[] }).data;
}

async function detail(id: string): Promise<TaskDetail> {
  const answer = await gateway.app.request(`/sluice/v1/tasks/${id}`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as TaskDetail;
}
