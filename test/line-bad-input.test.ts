import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call, open, raw, sendAllThenRead } from "./line-client.ts";
import { startLine, type Line } from "./line-setup.ts";
import { SAID, wires, type Wire } from "./line-wires.ts";
import { until } from "./running.ts";

const BODY_BYTES_MAX = 4 * 1024 * 1024;

let line: Line;
beforeAll(async () => {
  line = await startLine({
    yaml: [
      `limits: { bodyBytesMax: ${BODY_BYTES_MAX} }`,
      "models: { narrow-a: { provider: openai, contextTokens: 100 }, narrow-b: { provider: anthropic, contextTokens: 100 } }",
    ].join("\n"),
  });
});
afterAll(() => line.close());

/** Refused by us: nobody was called, the row says why, and the gateway goes on as before. */
async function refused(wire: Wire, body: unknown, headers: Record<string, string> = {}) {
  const before = line.sent;
  const answer = await call(line.url, wire.path, { body, headers });
  expect(line.sent).toBe(before);
  const error = wire.errorIn(answer.text);
  expect(await line.gateway.attempts(answer.headers["x-sluice-exchange"] as string)).toMatchObject([
    { outcome: "rejected", status: answer.status, cost_usd: 0, client_dialect: wire.dialect },
  ]);
  return { status: answer.status, error, answer };
}

/** Bodies that say nothing, and a word that their refusal must hold. */
const NO_REQUESTS: readonly (readonly [string, unknown, RegExp])[] = [
  ["nothing", "", /empty/],
  ["text", "hello", /not valid JSON/],
  ["half an object", '{"model":"x","messages":[', /not valid JSON/],
  ["a trailing comma", '{"model":"x",}', /not valid JSON/],
  ["bytes that are no UTF-8", Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), /not valid JSON/],
  ["an array", "[]", /must be a JSON object/],
  ["null", "null", /must be a JSON object/],
  ["a number", "7", /must be a JSON object/],
  ["no model", { messages: [] }, /`model` is missing/],
  ["an empty model", { model: "", messages: [] }, /`model` is missing/],
  ["a model that is a number", { model: 7, messages: [] }, /`model` is missing/],
  ["a model that is too long", { model: "m".repeat(257), messages: [] }, /at most 256/],
  ["a model with a line break", { model: "gpt-6-luna\r\nx-evil: 1", messages: [] }, /printable/],
  ["nesting without end", `{"model":"x","messages":${"[".repeat(5_000)}${"]".repeat(5_000)}}`, /nested deeper/],
];

describe.each(wires)("$dialect", (wire) => {
  const valid = wire.request({ model: wire.model });
  const field = "messages" in valid ? "messages" : "input";
  const messages = (content: unknown) => [{ role: "user", content }];

  test.each(NO_REQUESTS)("%s is a 400 that says what is wrong", async (_what, body, words) => {
    const { status, error } = await refused(wire, body);
    expect(status).toBe(400);
    expect(error.message).toMatch(words);
    expect(error.type).toBe("invalid_request_error");
  });

  const WRONG: readonly (readonly [what: string, fields: Readonly<Record<string, unknown>>])[] = [
    // Text is right where it is the whole input.
    ...(field === "messages" ? ([["messages that are text", { messages: "hello" }]] as const) : []),
    ["messages that are missing", { [field]: undefined }],
    ["messages that are numbers", { [field]: [1, 2] }],
    ["messages that are null", { [field]: null }],
    ["a message without a role", { [field]: [{ content: "x" }] }],
    ["content that is a number", { [field]: messages(42) }],
    ["stream that is text", { stream: "yes" }],
  ];
  test.each(WRONG)("%s are a 400 that names the field", async (_what, fields) => {
    const { status, error } = await refused(wire, { ...valid, ...fields });
    expect(status).toBe(400);
    expect(error.message).toMatch(/messages|input|stream|role|content/);
  });

  test("a model that nobody knows is a 404 with what would be right", async () => {
    const { status, error } = await refused(wire, { ...valid, model: `${wire.model}x`.replace("-", "_") });
    expect(status).toBe(404);
    expect(error.message).toMatch(/no model is called/);
  });

  test("a policy that nobody knows is a 404", async () => {
    expect((await refused(wire, { ...valid, model: "auto:dearest" })).status).toBe(404);
  });

  test("a prompt that no window holds is a 400 with the numbers", async () => {
    const long = wire.request({ model: wire.kind === "openai" ? "narrow-a" : "narrow-b", text: "word ".repeat(2_000) });
    const { status, error } = await refused(wire, long);
    expect(status).toBe(400);
    expect(error.message).toMatch(/prompt is too long.*takes 100/);
  });

  test.each([
    ["x-sluice-task", "a task with spaces"],
    ["x-sluice-task", "../../etc"],
    ["x-sluice-task", "t".repeat(200)],
    ["x-sluice-task-class", "ü"],
  ])("%s: %s is a 400 that says what it may hold", async (name, value) => {
    const { status, error } = await refused(wire, valid, { [name]: Buffer.from(value).toString("latin1") });
    expect(status).toBe(400);
    expect(error.message).toContain(name);
  });

  test("a body that says it is too large is a 413 before it is sent", async () => {
    const { hostname, host } = new URL(line.url);
    const head = `POST ${wire.path} HTTP/1.1\r\nhost: ${host}\r\ncontent-length: ${40 * 1024 * 1024}\r\n\r\n`;
    const answer = await raw(`http://${hostname}:${new URL(line.url).port}`, head);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    wire.errorIn(answer.slice(answer.indexOf("\r\n\r\n") + 4));
  });

  test("a body of 40 MB whose length was said is a 413", async () => {
    const { status, error } = await refused(wire, Buffer.alloc(40 * 1024 * 1024, 0x20));
    expect(status).toBe(413);
    expect(error.message).toMatch(/larger than \d+ bytes/);
  });

  test.each(["length", "chunks"])(
    "a client that sends 40 MB (by %s) before it reads has its 413 all the same",
    async (framing) => {
      const size = 40 * 1024 * 1024;
      const head = `POST ${wire.path} HTTP/1.1\r\nhost: ${new URL(line.url).host}\r\nconnection: close\r\n`;
      const filler = Buffer.alloc(size, 0x20);
      const parts =
        framing === "length"
          ? [`${head}content-length: ${size}\r\n\r\n`, filler]
          : [`${head}transfer-encoding: chunked\r\n\r\n${size.toString(16)}\r\n`, filler, "\r\n0\r\n\r\n"];
      const answer = await sendAllThenRead(line.url, Buffer.concat(parts.map((part) => Buffer.from(part))));
      expect(answer).toMatch(/^HTTP\/1\.1 413 /);
      wire.errorIn(answer.slice(answer.indexOf("\r\n\r\n") + 4));
    },
  );

  test("a chunked body that grows too large is a 413, and the connection is not left hanging", async () => {
    const sender = open(line.url, wire.path);
    const piece = " ".repeat(256 * 1024);
    for (let sent = 0; sent < 10 * BODY_BYTES_MAX && sender.status === undefined; sent += piece.length) {
      sender.send(piece);
      await new Promise((resolve) => void setImmediate(resolve));
    }
    const answer = await sender.answer;
    expect(answer.status).toBe(413);
    wire.errorIn(answer.text);
    await until(() => line.gateway.sluice.admission.inFlight === 0);
  });

  test("a body of just the size that is allowed is read", async () => {
    const body = JSON.stringify(valid);
    const padded = body + " ".repeat(BODY_BYTES_MAX - body.length);
    const answer = await call(line.url, wire.path, { body: padded });
    expect(answer.status).toBe(200);
    expect(wire.textOfWhole(answer.text)).toBe(SAID.texts.join(""));
  });

  test.each([
    ["a name with a line break", "x-a: 1\r\n y: folded"],
    ["a bare line feed in a value", "x-a: 1\nx-b: 2"],
    ["a NUL in a value", "x-a: 1\u00002"],
    ["two lengths", "content-length: 5\r\ncontent-length: 6"],
    ["a length and chunks", "content-length: 5\r\ntransfer-encoding: chunked"],
    ["a length that is no number", "content-length: five"],
  ])("a request head with %s is a 400 or harmless, and nobody is called twice", async (_what, header) => {
    const before = line.sent;
    const { host } = new URL(line.url);
    const body = JSON.stringify({ model: "none", messages: [] });
    const answer = await raw(
      line.url,
      `POST ${wire.path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n${header}\r\n\r\n${body}`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(answer.split("HTTP/1.1 ")).toHaveLength(2);
    expect(line.sent).toBe(before);
  });

  test("headers that are too large are a 431 that both SDKs can read", async () => {
    const { host } = new URL(line.url);
    const answer = await raw(
      line.url,
      `POST ${wire.path} HTTP/1.1\r\nhost: ${host}\r\nx-big: ${"b".repeat(40_000)}\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
    wire.errorIn(answer.slice(answer.indexOf("\r\n\r\n") + 4));
  });

  test("what was refused changed nothing: the next call is served", async () => {
    expect((await call(line.url, wire.path, { body: valid })).status).toBe(200);
  });
});

test("a compressed body is a 415 that says so", async () => {
  for (const wire of wires) {
    const answer = await call(line.url, wire.path, {
      headers: { "content-encoding": "gzip" },
      body: wire.request({ model: wire.model }),
    });
    expect(answer.status).toBe(415);
    expect(wire.errorIn(answer.text).message).toMatch(/uncompressed/);
  }
});

/** The same picture in each wire's own words. */
function imageIn(wire: (typeof wires)[number], data: string): object {
  const url = `data:image/png;base64,${data}`;
  const pictures: Readonly<Record<string, object>> = {
    "openai-chat": { type: "image_url", image_url: { url } },
    "openai-responses": { type: "input_image", image_url: url },
    "anthropic-messages": { type: "image", source: { type: "base64", media_type: "image/png", data } },
  };
  return pictures[wire.dialect] ?? {};
}

test("an image that is none is refused before anybody is asked, and one that is called otherwise is the provider's to judge", async () => {
  for (const wire of wires) {
    const send = (data: string) =>
      call(line.url, wire.path, {
        body: {
          ...wire.request({ model: wire.model }),
          ["input" in wire.request({ model: "m" }) ? "input" : "messages"]: [
            { role: "user", content: [imageIn(wire, data)] },
          ],
        },
      });
    for (const data of ["", "bm90IGFuIGltYWdl", "!!!"]) {
      const answer = await send(data);
      expect(answer.status).toBe(400);
      expect(wire.errorIn(answer.text).message).toMatch(/an image is none/);
    }
    expect((await send(Buffer.from("GIF89a").toString("base64"))).status).toBe(200);
  }
});
