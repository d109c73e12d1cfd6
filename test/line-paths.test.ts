import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call } from "./line-client.ts";
import { startLine, type Line } from "./line-setup.ts";
import { wires } from "./line-wires.ts";

let line: Line;
beforeAll(async () => {
  line = await startLine();
});
afterAll(() => line.close());

test.each(["/", "/api/hello", "/v1/messages", "/no/such/path"])(
  "HEAD %s is answered at once, without a body",
  async (path) => {
    const answer = await call(line.url, path, { method: "HEAD" });
    expect([200, 404, 405]).toContain(answer.status);
    expect(answer.text).toBe("");
  },
);

test("GET / says what this is", async () => {
  const answer = await call(line.url, "/", { method: "GET" });
  expect(answer).toMatchObject({ status: 200, text: expect.stringContaining("Sluice") });
});

test.each(["GET", "POST", "PUT", "DELETE"])(
  "%s on a path that is not served is a 404 that both SDKs can read",
  async (method) => {
    const answer = await call(line.url, "/v1/no-such", { method, body: "{}" });
    expect(answer.status).toBe(404);
    for (const wire of wires) expect(wire.errorIn(answer.text).message).toContain("/v1/no-such");
  },
);

describe.each(wires)("$dialect", (wire) => {
  test.each(["GET", "PUT", "DELETE", "PATCH"])(
    "%s is a 405 in its dialect that names what is allowed",
    async (method) => {
      const answer = await call(line.url, wire.path, { method, body: "{}" });
      expect(answer.status).toBe(405);
      expect(answer.headers["allow"]).toContain("POST");
      expect(wire.errorIn(answer.text).message).toContain("POST");
    },
  );

  test("OPTIONS is answered at once, and allows no other website anything", async () => {
    const answer = await call(line.url, wire.path, { method: "OPTIONS" });
    expect(answer).toMatchObject({ status: 204, text: "" });
    expect(answer.headers["allow"]).toContain("POST");
    expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
  });

  test("a trailing slash or another case is another path", async () => {
    expect((await call(line.url, `${wire.path}/`, { body: "{}" })).status).toBe(404);
    expect((await call(line.url, wire.path.toUpperCase(), { body: "{}" })).status).toBe(404);
  });

  test("a query does not change where a call goes, and reaches a provider of the same dialect", async () => {
    const answer = await call(line.url, `${wire.path}?beta=true`, { body: wire.request({ model: wire.model }) });
    expect(answer.status).toBe(200);
    expect(line.upstream(wire.kind).requests.at(-1)?.path).toBe(`${wire.upstreamPath}?beta=true`);
  });
});

test.each(["/healthz", "/readyz", "/metrics", "/v1/models", "/sluice/v1/attempts", "/sluice/v1/spend"])(
  "POST %s is a 405 that names what is allowed",
  async (path) => {
    const answer = await call(line.url, path, { body: "{}" });
    expect(answer.status).toBe(405);
    expect(answer.headers["allow"]).toContain("GET");
  },
);
