import { createHash } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import { call } from "./line-client.ts";
import { startLine, type Line } from "./line-setup.ts";
import { wires } from "./line-wires.ts";

const KEY = "sk-client-one-0123456789";
const OTHER_KEY = "sk-client-two-0123456789";
/** Read by people and programs, of no client dialect. */
const READ_PATHS = ["/metrics", "/sluice/v1/attempts", "/sluice/v1/spend", "/v1/models", "/v1/models/auto"];
const OPEN_PATHS = ["/", "/healthz", "/readyz"];

let line: Line;
afterEach(() => line.close());

describe("with keys", () => {
  const start = async () => {
    line = await startLine({
      environment: { SLUICE_API_KEYS: KEY },
      yaml: `keys: [{ name: team-b, reads: all, sha256: ${createHash("sha256").update(OTHER_KEY).digest("hex")} }]`,
    });
  };

  test.each(wires)("$dialect: a known key is served, and its name is on the row", async (wire) => {
    await start();
    for (const key of [KEY, OTHER_KEY]) {
      const headers = { authorization: `Bearer ${key}` };
      const body = wire.request({ model: wire.model });
      expect((await call(line.url, wire.path, { headers, body })).status).toBe(200);
      expect((await call(line.url, wire.path, { headers: { "x-api-key": key }, body })).status).toBe(200);
      // A leftover of another API beside the right one.
      const both = { ...headers, "x-api-key": "sk-leftover" };
      expect((await call(line.url, wire.path, { headers: both, body })).status).toBe(200);
    }
    const callers = (await line.gateway.allAttempts()).map((row) => row.caller);
    expect(callers).toEqual([...Array<string>(3).fill("key-a6835f"), ...Array<string>(3).fill("team-b")]);
  });

  test.each(wires)("$dialect: no key, or a wrong one, is a 401 on the ledger, and nobody is called", async (wire) => {
    await start();
    const wrong: Record<string, string>[] = [
      {},
      { authorization: "" },
      { authorization: "Bearer" },
      { authorization: `Basic ${KEY}` },
      { authorization: `Bearer ${KEY}x` },
      { authorization: `Bearer ${KEY.slice(0, -1)}` },
      { "x-api-key": KEY.toUpperCase() },
      { "x-api-key": createHash("sha256").update(KEY).digest("hex") },
    ];
    for (const headers of wrong) {
      const answer = await call(line.url, wire.path, { headers, body: wire.request({ model: wire.model }) });
      expect(answer.status).toBe(401);
      expect(wire.errorIn(answer.text).message).toMatch(/API key/);
      expect(answer.text).not.toContain(KEY.slice(0, -1));
    }
    expect(line.sent).toBe(0);
    const rows = await line.gateway.allAttempts();
    expect(rows).toHaveLength(wrong.length);
    for (const row of rows) expect(row).toMatchObject({ outcome: "rejected", status: 401, caller: null });
  });

  test.each(READ_PATHS)("%s needs one too", async (path) => {
    await start();
    const get = async (headers: Record<string, string>) =>
      (await call(line.url, path, { method: "GET", headers })).status;
    expect(await get({})).toBe(401);
    expect(await get({ authorization: "Bearer wrong" })).toBe(401);
    // What is of all tenants together is for who reads all.
    expect(await get({ authorization: `Bearer ${KEY}` })).toBe(path === "/metrics" ? 403 : 200);
    expect(await get({ "x-api-key": OTHER_KEY })).toBe(200);
  });

  test.each(OPEN_PATHS)("%s does not", async (path) => {
    await start();
    expect((await call(line.url, path, { method: "GET" })).status).toBe(200);
  });

  test("who has one may come by any name of this machine, from any site", async () => {
    await start();
    const headers = { "x-api-key": OTHER_KEY, host: "gateway.example:8787", origin: "https://app.example" };
    expect((await call(line.url, "/metrics", { method: "GET", headers })).status).toBe(200);
  });
});

describe("without keys", () => {
  test.each(wires)("$dialect: on this machine any credential is taken, and none is passed on", async (wire) => {
    line = await startLine();
    for (const headers of [{}, wire.headers("sk-anything"), { authorization: "Basic whatever" }]) {
      const answer = await call(line.url, wire.path, { headers, body: wire.request({ model: wire.model }) });
      expect(answer.status).toBe(200);
    }
    for (const { headers } of line.upstream(wire.kind).requests) {
      expect(JSON.stringify(headers)).not.toMatch(/sk-anything|whatever/);
    }
  });

  /** Names that a website may have made to point at this machine, and sites that may not speak for its user. */
  const FOREIGN: readonly Record<string, string>[] = [
    { host: "evil.example" },
    { host: "evil.example:8787" },
    { host: "localhost.evil.example" },
    { host: "127.0.0.1.evil.example" },
    { host: "192.168.1.7:8787" },
    { host: "[fe80::1]:8787" },
    { host: "0.0.0.0:8787" },
    { origin: "https://evil.example" },
    { origin: "http://localhost.evil.example" },
    { origin: "null" },
  ];

  test.each(FOREIGN)("%j is a 403 in the dialect, on the ledger, and nobody is called", async (headers) => {
    line = await startLine();
    for (const wire of wires) {
      const answer = await call(line.url, wire.path, { headers, body: wire.request({ model: wire.model }) });
      expect(answer.status).toBe(403);
      expect(wire.errorIn(answer.text).message).toMatch(/SLUICE_API_KEYS/);
    }
    expect(await line.gateway.allAttempts()).toMatchObject(wires.map(() => ({ outcome: "rejected", status: 403 })));
    expect(line.sent).toBe(0);
    for (const path of READ_PATHS) {
      expect((await call(line.url, path, { method: "GET", headers })).status).toBe(403);
    }
  });

  test.each([
    { host: "localhost" },
    { host: "LOCALHOST:1" },
    { host: "localhost.:80" },
    { host: "127.0.0.1:8787" },
    { host: "127.8.8.8" },
    { host: "[::1]:8787" },
    { host: "[::1]" },
    { host: "app.localhost:8787" },
    { origin: "http://localhost:3000" },
    { origin: "http://127.0.0.1:5173" },
    { origin: "https://[::1]:8443" },
  ])("%j is this machine", async (headers) => {
    line = await startLine();
    for (const path of READ_PATHS) {
      expect((await call(line.url, path, { method: "GET", headers: headers })).status).toBe(200);
    }
  });
});

test.each(wires)("$dialect: over the limit of calls at once is a 429 that says when to come back", async (wire) => {
  line = await startLine({ yaml: "limits: { concurrency: 2 }" });
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  line.upstream(wire.kind).answer(async (outgoing) => {
    await held;
    outgoing.setHeader("content-type", "application/json");
    outgoing.end(JSON.stringify(wire.whole({ texts: ["x"], input: 1, cacheRead: 0, output: 1 })));
  });
  const body = wire.request({ model: wire.model });
  const running = [call(line.url, wire.path, { body }), call(line.url, wire.path, { body })];
  while (line.sent < 2) await new Promise((resolve) => void setImmediate(resolve));
  const refused = await call(line.url, wire.path, { body });
  expect(refused.status).toBe(429);
  expect(Number(refused.headers["retry-after"])).toBeGreaterThanOrEqual(1);
  expect(wire.errorIn(refused.text).message).toContain("limit of 2 calls");
  release();
  for (const answer of await Promise.all(running)) expect(answer.status).toBe(200);
  expect((await call(line.url, wire.path, { body })).status).toBe(200);
  expect((await line.gateway.allAttempts()).map((row) => row.outcome).toSorted()).toEqual([
    "complete",
    "complete",
    "complete",
    "rejected",
  ]);
});
