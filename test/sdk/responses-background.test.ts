/** Responses in the background by OpenAI's SDK: what they cost is told after the call, and is on its row in the end, once. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSandbox, type RunningSandbox } from "../../bench/sandbox/index.ts";
import { startGateway, until, type RunningGateway } from "../running.ts";
import { clientsOf, echoOf, failure, present, QUICK_RETRIES } from "./simulated.ts";

const MODEL = "openai/gpt-5.4-nano";
const DAY_MS = 86_400_000;

let data: string;
let nowMs: number;
let sandbox: RunningSandbox;
let gateway: RunningGateway;
let openai: OpenAI;

async function start(): Promise<void> {
  gateway = await startGateway({
    environment: { OPENAI_API_KEY: "sk-simulated-1", OPENAI_BASE_URL: `${sandbox.url}/openai/v1` },
    yaml: QUICK_RETRIES,
    data,
    now: () => nowMs,
  });
  ({ openai } = clientsOf(gateway.url));
}

beforeEach(async () => {
  data = mkdtempSync(join(tmpdir(), "sluice-background-"));
  nowMs = Date.now();
  sandbox = await startSandbox({ host: "127.0.0.1", port: 0 });
  await start();
});
afterEach(async () => {
  await gateway.close();
  await sandbox.close();
  rmSync(data, { recursive: true, force: true });
});

async function begin(input: string) {
  const { data: begun, response } = await openai.responses
    .create({ model: MODEL, input, background: true })
    .withResponse();
  expect(begun.status).toBe("queued");
  return { id: begun.id, exchange: response.headers.get("x-sluice-exchange") };
}

/** Asks again as a client does, until it is there. */
async function polled(id: string): Promise<OpenAI.Responses.Response> {
  let last: OpenAI.Responses.Response | undefined;
  await until(async () => {
    last = await openai.responses.retrieve(id);
    return last.status !== "queued" && last.status !== "in_progress";
  });
  return present(last, "the response");
}

function billed() {
  const line = present(sandbox.invoice.lines.at(-1), "the invoice's line");
  return {
    usage: { input_uncached: line.tokens.uncached, cache_read: line.tokens.cacheRead, output: line.tokens.output },
    cost_pico_usd: String(line.costPicoUsd),
  };
}

const LONG = "[[sandbox: tokens=500 tps=20000]] hi";
const SLOW = "[[sandbox: tokens=400 tps=10]] hi";

test("its row is open until it is asked for, and is then what the invoice says", async () => {
  const { id, exchange } = await begin(LONG);
  expect(await gateway.attempts(exchange)).toMatchObject([{ outcome: "open", cost_pico_usd: null }]);
  const { usage } = await polled(id);
  expect(usage?.output_tokens).toBeGreaterThan(400);
  const rows = await gateway.attempts(exchange);
  expect(rows).toMatchObject([
    { outcome: "complete", status: 200, usage_basis: "reported", cost_basis: "reported", ...billed() },
  ]);
  await openai.responses.retrieve(id);
  expect(await gateway.attempts(exchange)).toEqual(rows);
  expect(sandbox.invoice.lines).toHaveLength(1);
});

test("one that is asked for after a restart is priced as it was when it began", async () => {
  const { id, exchange } = await begin(LONG);
  await gateway.close();
  await start();
  expect(gateway.sluice.ledger.lostReservations).toBe(0);
  expect(await gateway.attempts(exchange)).toMatchObject([{ outcome: "open" }]);
  await polled(id);
  expect(await gateway.attempts(exchange)).toMatchObject([{ outcome: "complete", ...billed() }]);
  await gateway.close();
  await start();
  await openai.responses.retrieve(id);
  expect(await gateway.attempts(exchange)).toMatchObject([{ outcome: "complete", ...billed() }]);
});

test("one that is streamed to its end needs nobody to ask again", async () => {
  const { data: stream, response } = await openai.responses
    .create({ model: MODEL, input: "Good morning", background: true, stream: true })
    .withResponse();
  let last: OpenAI.Responses.ResponseStreamEvent | undefined;
  for await (const event of stream) last = event;
  expect(last).toMatchObject({ type: "response.completed", response: { output: [{ type: "message" }] } });
  expect(await gateway.attempts(response.headers.get("x-sluice-exchange"))).toMatchObject([
    { outcome: "complete", usage_basis: "reported", ...billed() },
  ]);
});

test("one that is called off is a canceled row that costs its estimate, as nobody says what was made by then", async () => {
  const { id, exchange } = await begin(SLOW);
  expect((await openai.responses.cancel(id)).status).toBe("cancelled");
  const [row] = await gateway.attempts(exchange);
  expect(row).toMatchObject({ outcome: "canceled", usage_basis: "unknown", cost_basis: "estimated" });
  expect(BigInt(present(row?.cost_pico_usd, "the cost"))).toBeGreaterThan(0n);
});

test("one that is deleted unread has told its bill before", async () => {
  const { id, exchange } = await begin(LONG);
  await until(() => sandbox.invoice.lines.length === 1);
  await openai.responses.delete(id);
  expect(await gateway.attempts(exchange)).toMatchObject([{ outcome: "complete", ...billed() }]);
  expect(await failure(openai.responses.retrieve(id))).toBeInstanceOf(OpenAI.NotFoundError);
});

test("one that nobody asks for is lost, at its estimate, once its provider has let go of it", async () => {
  const { exchange } = await begin(LONG);
  nowMs += 31 * DAY_MS;
  await gateway.close();
  await start();
  const [row] = await gateway.attempts(exchange);
  expect(row).toMatchObject({ outcome: "lost", cost_basis: "estimated" });
  expect(BigInt(present(row?.cost_pico_usd, "the cost"))).toBeGreaterThan(0n);
});

test("it is gone on from as any other", async () => {
  const { id } = await begin("Good morning");
  await polled(id);
  const next = await openai.responses.create({ model: "auto", input: "And now?", previous_response_id: id });
  expect(next.output_text).toBe(echoOf("And now?"));
});
