import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { json, type Script } from "./fake-upstream.ts";
import { call } from "./line-client.ts";
import { providerKey, startLine, type Line } from "./line-setup.ts";
import { lanes, SAID, wires, type Wire } from "./line-wires.ts";

let line: Line;
beforeAll(async () => {
  line = await startLine({
    yaml: "retries: { attemptsMax: 1 }\nbreaker: { failures: 1000000 }",
  });
});
afterAll(() => line.close());

async function serve(client: Wire, upstream: Wire, script: Script, stream = false) {
  line.upstream(upstream.kind).answer(script);
  const answer = await call(line.url, client.path, {
    headers: client.headers("sk-client-own-key-0123456789"),
    body: client.request({ model: upstream.model, stream }),
  });
  const rows = await line.gateway.attempts(answer.headers["x-sluice-exchange"] as string);
  return { answer, rows };
}

/** Everything that the client gets to see. */
const seen = (answer: { headers: object; text: string }) => JSON.stringify(answer.headers) + answer.text;

describe.each(wires)("$dialect, to a provider of the same dialect", (wire) => {
  test.each([400, 403, 404, 413, 422, 429, 500, 529])(
    "a %i arrives with its own bytes, status, type and retry-after",
    async (status) => {
      const said = ` ${JSON.stringify({ ...wire.error(status, "näh"), x_new: [1.0, "9"] })}\n`;
      const script: Script = (outgoing) => {
        outgoing.writeHead(status, { "content-type": "application/json; charset=utf-8", "retry-after": "61" });
        outgoing.end(said);
      };
      const { answer } = await serve(wire, wire, script);
      expect(answer.status).toBe(status);
      expect(answer.text).toBe(said);
      expect(answer.headers["content-type"]).toBe("application/json; charset=utf-8");
      expect(answer.headers["retry-after"]).toBe("61");
    },
  );

  test("an error's own fields, details among them, arrive", async () => {
    const details = { error_code: "thread_not_found", more: [1] };
    const body = wire.error(404, "no such thread") as { error: object };
    const { answer } = await serve(wire, wire, json({ ...body, error: { ...body.error, details } }, 404));
    expect(JSON.parse(answer.text)).toMatchObject({ error: { details } });
  });

  test("an error of the stream arrives with its own bytes", async () => {
    const event = wire.errorEvent(529, "Overloaded ✓").replace('"message"', '"x_new" : 9007199254740993, "message"');
    const begun = wire.events(SAID).slice(0, 3).join("");
    const script: Script = (outgoing) => {
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      outgoing.end(begun + event);
    };
    const { answer } = await serve(wire, wire, script, true);
    expect(answer.text).toBe(begun + event);
    expect(answer.isBroken).toBe(true);
  });
});

describe.each(lanes)("$name", ({ client, upstream }) => {
  const key = providerKey(upstream.kind);

  test("headers that describe our account stay here; those that a client needs arrive", async () => {
    const script = json(upstream.whole(SAID), 200, {
      "x-request-id": "req_42",
      [upstream.limitHeader]: "77",
      "openai-organization": "org-ours",
      "anthropic-organization-id": "org-ours",
      "set-cookie": "session=ours",
      server: "upstream-server",
      via: "10.0.0.7",
    });
    const { answer } = await serve(client, upstream, script);
    expect(answer.headers).toMatchObject({ "x-request-id": "req_42", [upstream.limitHeader]: "77" });
    expect(seen(answer)).not.toMatch(/org-ours|session=ours|upstream-server|10\.0\.0\.7/);
  });

  test("a header with letters of another script does not cost the answer", async () => {
    const script: Script = (outgoing) => {
      const body = JSON.stringify(upstream.whole(SAID));
      const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: é✓漢\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
      outgoing.socket?.end(Buffer.from(head + body));
    };
    const { answer, rows } = await serve(client, upstream, script);
    expect(answer.status).toBe(200);
    expect(client.textOfWhole(answer.text)).toBe(SAID.texts.join(""));
    expect(rows).toMatchObject([{ outcome: "complete" }]);
  });

  test.each([
    [401, "Incorrect API key provided"],
    [403, "Your API key is not allowed to do this"],
    [400, "The key cannot be used with this model"],
    [404, "No organization for this key"],
    [429, "Limit reached for this key"],
    [500, "Crashed while handling this key"],
  ])("a %i that quotes our key is not passed on with it", async (status, text) => {
    for (const stream of [false, true]) {
      const { answer } = await serve(client, upstream, json(upstream.error(status, `${text}: ${key}`), status), stream);
      expect(answer.status).toBe(status === 401 ? 502 : status);
      expect(client.errorIn(answer.text).message).toEqual(expect.any(String));
      expect(seen(answer)).not.toContain(key);
    }
  });

  test("a key that the body writes with escapes is not passed on either", async () => {
    const body = JSON.stringify(upstream.error(400, `no: ${key}`)).replaceAll("-", "\\u002d");
    const script: Script = (outgoing) => {
      outgoing.writeHead(400, { "content-type": "application/json" });
      outgoing.end(body);
    };
    const { answer } = await serve(client, upstream, script);
    expect(answer.status).toBe(400);
    expect(client.errorIn(answer.text).message).not.toContain(key);
  });

  test.each(["invalid_api_key", "authentication_error"])(
    "a 403 that says %s is about our credential: a 502",
    async (code) => {
      const { answer, rows } = await serve(client, upstream, json(upstream.error(403, "key was revoked", code), 403));
      expect(answer.status).toBe(502);
      expect(client.errorIn(answer.text).message).toMatch(/credential/);
      expect(answer.headers["x-should-retry"]).toBe("false");
      expect(rows).toMatchObject([{ error: "upstream-credential", status: 502 }]);
    },
  );

  test("a 403 that is not about a credential is the client's to read", async () => {
    const { answer } = await serve(client, upstream, json(upstream.error(403, "this region is not served"), 403));
    expect(answer.status).toBe(403);
    expect(client.errorIn(answer.text).message).toBe("this region is not served");
  });

  test("a stream that begins or goes on with an error about our credential quotes nothing", async () => {
    const wrong = upstream.errorEvent(401, `invalid key ${key}`);
    for (const begun of [0, 3]) {
      const script: Script = (outgoing) => {
        outgoing.writeHead(200, { "content-type": "text/event-stream" });
        outgoing.end(upstream.events(SAID).slice(0, begun).join("") + wrong);
      };
      const { answer } = await serve(client, upstream, script, true);
      expect(answer.status).toBe(begun === 0 ? 502 : 200);
      expect(seen(answer)).not.toContain(key);
    }
  });

  test("the client's own credential goes nowhere, and the provider's only to the provider", async () => {
    line.upstream(upstream.kind).answer(json(upstream.whole(SAID)));
    const before = line.upstream(upstream.kind).requests.length;
    const answer = await call(line.url, client.path, {
      headers: {
        ...client.headers("sk-client-own-key-0123456789"),
        cookie: "session=client",
        "x-forwarded-for": "192.0.2.1",
        "api-key": "sk-client-own-key-0123456789",
        "proxy-authorization": "Basic c2stY2xpZW50",
        "x-sluice-task": "client-task",
      },
      body: client.request({ model: upstream.model }),
    });
    expect(answer.status).toBe(200);
    const arrived = line.upstream(upstream.kind).requests[before];
    const headers = JSON.stringify(arrived?.headers);
    expect(headers).toContain(key);
    expect(headers).not.toMatch(/sk-client|session=client|192\.0\.2\.1|c2stY2xpZW50|x-sluice/);
    expect(seen(answer)).not.toContain(key);
  });
});

test("no provider's key is in the metrics, the ledger or the log", async () => {
  const wanted = wires.map((wire) => providerKey(wire.kind));
  const texts = [
    (await call(line.url, "/metrics", { method: "GET" })).text,
    (await call(line.url, "/sluice/v1/attempts?limit=1000", { method: "GET" })).text,
    (await call(line.url, "/sluice/v1/spend?group_by=task", { method: "GET" })).text,
    (await call(line.url, "/v1/models", { method: "GET" })).text,
    line.gateway.logged.join(""),
  ];
  for (const text of texts) {
    expect(text.length).toBeGreaterThan(10);
    for (const key of [...wanted, "sk-client-own-key"]) expect(text).not.toContain(key);
  }
});
