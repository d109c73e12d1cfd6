import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { json, stream, type Script } from "./fake-upstream.ts";
import { call, type Answer } from "./line-client.ts";
import { providerKey, startLine, type Line } from "./line-setup.ts";
import { lanes, SAID, SAID_PICO_USD, type Wire } from "./line-wires.ts";
import type { AttemptRow } from "../src/ledger-query.ts";

/** One gateway for all of it: each test looks at its own exchange. The breaker is out of the way: it has its own tests. */
let line: Line;
beforeAll(async () => {
  line = await startLine({
    yaml: [
      "deadlines: { firstByteMs: 300, answerMs: 300, idleMs: 300 }",
      "retries: { attemptsMax: 3, waitMaxMs: 1500, backoffMs: 5 }",
      "breaker: { failures: 1000000 }",
    ].join("\n"),
  });
});
afterAll(() => line.close());

const TEXT = SAID.texts.join("");

interface Outcome {
  readonly answer: Answer;
  readonly rows: readonly AttemptRow[];
  /** Requests that the provider got for this call. */
  readonly sent: number;
}

async function serve(client: Wire, upstream: Wire, isStream: boolean, script: Script): Promise<Outcome> {
  const fake = line.upstream(upstream.kind);
  fake.answer(script);
  const before = fake.requests.length;
  const answer = await call(line.url, client.path, {
    body: client.request({ model: upstream.model, stream: isStream }),
  });
  const rows = await line.gateway.attempts(answer.headers["x-sluice-exchange"] as string);
  expect(answer.text).not.toContain(providerKey(upstream.kind));
  return { answer, rows, sent: fake.requests.length - before };
}

/** A stream that is well but for its form. */
const SOUND_STREAMS: readonly (readonly [string, (upstream: Wire) => Script])[] = [
  ["one byte at a time", (upstream) => stream(eventsOf(upstream), 1)],
  ["three bytes at a time, through every letter", (upstream) => stream(eventsOf(upstream), 3)],
  ["seven bytes at a time", (upstream) => stream(eventsOf(upstream), 7)],
  ["in one piece", (upstream) => stream(eventsOf(upstream))],
  ["with CRLF line ends", (upstream) => stream(eventsOf(upstream).replaceAll("\n", "\r\n"), 5)],
  ["with comments between its events", (upstream) => stream(upstream.events(SAID).join(": keep-alive\n\n"))],
  ["with an event that nobody knows", (upstream) => stream(withUnknown(upstream))],
  ["without its last line break", (upstream) => stream(eventsOf(upstream).trimEnd())],
  [
    "without its terminal mark",
    (upstream) =>
      stream(
        upstream
          .events(SAID)
          .slice(0, upstream.endsWithMark ? -1 : undefined)
          .join(""),
      ),
  ],
  ["with bytes after its terminal mark", (upstream) => stream(`${eventsOf(upstream)}: bye\n\n`)],
  [
    "compressed",
    (upstream) => typed(gzipSync(eventsOf(upstream)), "text/event-stream", { "content-encoding": "gzip" }),
  ],
  ["called plain text", (upstream) => typed(eventsOf(upstream), "text/plain")],
  ["called nothing", (upstream) => typed(eventsOf(upstream), undefined)],
  ["after early hints", (upstream) => afterEarlyHints(stream(eventsOf(upstream)))],
];

const SOUND_WHOLES: readonly (readonly [string, (upstream: Wire) => Script])[] = [
  ["a byte at a time", (upstream) => stream(wholeOf(upstream), 1, "application/json")],
  ["compressed", (upstream) => typed(gzipSync(wholeOf(upstream)), "application/json", { "content-encoding": "gzip" })],
  ["called plain text", (upstream) => typed(wholeOf(upstream), "text/plain")],
  ["called nothing", (upstream) => typed(wholeOf(upstream), undefined)],
  [
    "with white space around it",
    (upstream) => typed(`\n\n ${JSON.stringify(upstream.whole(SAID), null, 2)}\n`, "application/json"),
  ],
];

/** Forms that no provider should send: read or refused, but never an answer that looks whole and is not. */
const ODD_STREAMS: readonly (readonly [string, (upstream: Wire) => Script])[] = [
  ["with lone carriage returns", (upstream) => stream(eventsOf(upstream).replaceAll("\n", "\r"))],
  ["with lone carriage returns, a byte at a time", (upstream) => stream(eventsOf(upstream).replaceAll("\n", "\r"), 1)],
  ["with a byte-order mark", (upstream) => stream(`\ufeff${eventsOf(upstream)}`)],
  [
    "with its line ends mixed",
    (upstream) => stream(eventsOf(upstream).replace(/\n/g, (end, at: number) => (at % 3 === 0 ? "\r\n" : end))),
  ],
  [
    "with garbage before it",
    (upstream) => stream(Buffer.concat([Buffer.from([0xff, 0, 0xfe, 10, 10]), Buffer.from(eventsOf(upstream))])),
  ],
  ["without spaces after its colons", (upstream) => stream(eventsOf(upstream).replace(/^(data|event): /gm, "$1:"))],
  ["with each event over several lines", (upstream) => stream(eventsOf(upstream).replaceAll(',"', ',\ndata: "'))],
];

/** What nobody can answer from, not streamed and streamed alike, and what the client may hear of it. */
const SERVER_FAULTS: readonly (readonly [string, readonly number[], (upstream: Wire) => Script])[] = [
  ["a 500", [500], (upstream) => json(upstream.error(500, "it broke"), 500)],
  ["a 502", [502], (upstream) => json(upstream.error(502, "it broke"), 502)],
  ["a 503", [503], (upstream) => json(upstream.error(503, "too busy"), 503)],
  ["a 529", [529], (upstream) => json(upstream.error(529, "Overloaded"), 529)],
  ["an HTML page with 502", [502], () => html(502)],
  ["an HTML page with 503", [503], () => html(503)],
  ["an empty 500", [500], () => (outgoing) => void outgoing.writeHead(500).end()],
  ["a reset connection", [502], () => (outgoing) => void outgoing.socket?.resetAndDestroy()],
  ["a closed connection", [502], () => (outgoing) => void outgoing.destroy()],
  ["an answer that is no HTTP", [502], () => (outgoing) => void outgoing.socket?.end("hello\r\n\r\n")],
  ["a redirect", [502], () => (outgoing) => void outgoing.writeHead(302, { location: "http://127.0.0.1:9/" }).end()],
  ["silence", [504], () => () => undefined],
  ["an empty 200", [502], () => (outgoing) => void outgoing.end()],
  ["an HTML page with 200", [502], () => html(200)],
  ["half of a JSON answer", [502], (upstream) => typed(wholeOf(upstream).slice(0, -20), "application/json")],
  ["JSON that is no answer", [502], () => typed('{"ok":true}', "application/json")],
  ["JSON that is null", [502], () => typed("null", "application/json")],
  ["a body longer than it was said to be", [502], (upstream) => lengthened(wholeOf(upstream), -30)],
  ["a body shorter than it was said to be", [502], (upstream) => lengthened(wholeOf(upstream), 30)],
  ["bytes that are no text", [502], () => typed(Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x0a, 0x0a]), "application/json")],
  ["damaged compression", [502], () => typed("not gzip at all", "application/json", { "content-encoding": "gzip" })],
];

describe.each(lanes)("$name", ({ client, upstream, isSame }) => {
  test.each(SOUND_STREAMS)("a stream %s is one complete answer", async (_form, script) => {
    const { answer, rows, sent } = await serve(client, upstream, true, script(upstream));
    expect(answer).toMatchObject({ status: 200, isBroken: false });
    expect(answer.headers["content-type"]).toMatch(/^text\/event-stream/);
    expect(client.textOfStream(`${answer.text.replaceAll("\r\n", "\n")}\n\n`)).toBe(TEXT);
    expect(sent).toBe(1);
    expect(rows).toMatchObject([{ outcome: "complete", status: 200, cost_pico_usd: String(SAID_PICO_USD) }]);
  });

  test.each(ODD_STREAMS)("a stream %s is read whole or refused", async (_form, script) => {
    const { answer, rows, sent } = await serve(client, upstream, true, script(upstream));
    expect(rows).toHaveLength(sent);
    const isRead = answer.status === 200 && !answer.isBroken;
    expect(rows.at(-1)?.outcome).toBe(isRead ? "complete" : "failed");
    if (isRead) {
      const text = isSame ? normalized(answer.text) : answer.text;
      expect(client.textOfStream(text)).toBe(TEXT);
      expect(rows.at(-1)?.cost_pico_usd).toBe(String(SAID_PICO_USD));
    }
  });

  test.each(SOUND_WHOLES)("an answer %s is one complete answer", async (_form, script) => {
    const { answer, rows, sent } = await serve(client, upstream, false, script(upstream));
    expect(answer).toMatchObject({ status: 200, isBroken: false });
    expect(client.textOfWhole(answer.text)).toBe(TEXT);
    expect(sent).toBe(1);
    expect(rows).toMatchObject([{ outcome: "complete", status: 200, cost_pico_usd: String(SAID_PICO_USD) }]);
  });

  describe.each([false, true])("stream: %s", (isStream) => {
    test.each([400, 403, 404, 413])("a %i is the client's to read, after one try", async (status) => {
      const script = json(upstream.error(status, "there is no such field"), status);
      const { answer, rows, sent } = await serve(client, upstream, isStream, script);
      expect(answer).toMatchObject({ status, isBroken: false });
      expect(client.errorIn(answer.text).message).toBe("there is no such field");
      expect(sent).toBe(1);
      expect(rows).toMatchObject([{ outcome: "failed", status, cost_usd: 0, cost_basis: "not-billed" }]);
    });

    test("a 401 is about our credential: a 502 that quotes nothing", async () => {
      const quoted = `Incorrect API key provided: ${providerKey(upstream.kind)}`;
      const { answer, sent } = await serve(client, upstream, isStream, json(upstream.error(401, quoted), 401));
      expect(answer.status).toBe(502);
      expect(client.errorIn(answer.text).message).toMatch(/credential/);
      expect(sent).toBeLessThanOrEqual(2);
    });

    test.each(SERVER_FAULTS)(
      "%s is an error in the client's dialect, after few tries",
      async (_fault, statuses, script) => {
        const { answer, rows, sent } = await serve(client, upstream, isStream, script(upstream));
        expect(statuses).toContain(answer.status);
        expect(answer.headers["content-type"]).toMatch(/^application\/json/);
        expect(client.errorIn(answer.text).message).not.toMatch(/127\.0\.0\.1|ECONN|nginx|undici|<html|socket/i);
        expect(sent).toBeLessThanOrEqual(3);
        expect(rows).toHaveLength(sent);
        for (const row of rows) expect(row).toMatchObject({ outcome: "failed" });
      },
    );

    test("a 429 without a time is tried again, and then says when to come back", async () => {
      const { answer, sent } = await serve(client, upstream, isStream, json(upstream.error(429, "slow down"), 429));
      expect(answer.status).toBe(429);
      expect(Number(answer.headers["retry-after"])).toBeGreaterThanOrEqual(1);
      expect(client.errorIn(answer.text).message).toBe("slow down");
      expect(sent).toBeLessThanOrEqual(3);
    });

    test("a 429 that asks for a minute is passed on at once, with its minute", async () => {
      const script = json(upstream.error(429, "slow down"), 429, { "retry-after": "60" });
      const { answer, sent } = await serve(client, upstream, isStream, script);
      expect(answer.status).toBe(429);
      expect(answer.headers["retry-after"]).toBe("60");
      expect(sent).toBe(1);
    });
  });

  /** What may go wrong once the answer has begun. */
  const cutAfter = (count: number, how: (outgoing: ServerResponse) => void): Script => {
    return (outgoing) => {
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      outgoing.write(upstream.events(SAID).slice(0, count).join(""), () => how(outgoing));
    };
  };
  const BREAKS: readonly (readonly [string, Script])[] = [
    [
      "is reset after its first event",
      cutAfter(upstream.opening + 1, (outgoing) => void outgoing.socket?.resetAndDestroy()),
    ],
    ["is reset after four events", cutAfter(4, (outgoing) => void outgoing.socket?.resetAndDestroy())],
    ["is closed after four events", cutAfter(4, (outgoing) => void outgoing.destroy())],
    ["is closed within an event", cutAfter(3, (outgoing) => void outgoing.write("data: {", () => outgoing.destroy()))],
    ["ends well before its finish", cutAfter(4, (outgoing) => void outgoing.end())],
    ["ends well within an event", cutAfter(3, (outgoing) => void outgoing.end(upstream.events(SAID)[3]?.slice(0, -9)))],
    ["says that it failed", cutAfter(4, (outgoing) => void outgoing.end(upstream.errorEvent(529, "Overloaded")))],
    [
      "says that it failed, and stays open",
      cutAfter(4, (outgoing) => void outgoing.write(upstream.errorEvent(529, "x"))),
    ],
    ["has an event that is no JSON", cutAfter(4, (outgoing) => void outgoing.write("data: {broken\n\n"))],
    ["stalls", cutAfter(4, () => undefined)],
  ];

  test.each(BREAKS)("a stream that %s never looks complete", async (_fault, script) => {
    const { answer, rows, sent } = await serve(client, upstream, true, script);
    expect(answer).toMatchObject({ status: 200, isBroken: true });
    expect(client.isComplete(answer.text)).toBe(false);
    const said = client.errorInStream(answer.text);
    expect(said?.message).toEqual(expect.any(String));
    expect(said?.message).not.toMatch(/127\.0\.0\.1|ECONN|undici|socket/i);
    expect(sent).toBe(1);
    expect(rows).toMatchObject([{ outcome: "failed", cost_basis: "estimated" }]);
    expect(rows[0]?.cost_usd).toBeGreaterThan(0);
    expect(rows[0]?.lane).toBe(isSame ? "same" : "translated");
  });

  test("a stream whose first event says that it failed is an error answer with that status", async () => {
    const script = typed(upstream.errorEvent(529, "Overloaded"), "text/event-stream");
    const { answer, sent } = await serve(client, upstream, true, script);
    expect([500, 503, 529]).toContain(answer.status);
    expect(client.errorIn(answer.text).message).toBe("Overloaded");
    expect(sent).toBe(3);
  });
});

/** A stream in odd form as a client that takes any of them would read it. */
function normalized(text: string): string {
  return text
    .replace(/^\ufeff/, "")
    .replace(/\r\n?/g, "\n")
    .replaceAll(',\ndata: "', ',"')
    .replace(/^(data|event):(?! )/gm, "$1: ");
}

function eventsOf(upstream: Wire): string {
  return upstream.events(SAID).join("");
}

function wholeOf(upstream: Wire): string {
  return JSON.stringify(upstream.whole(SAID));
}

/** In the place of the second event, so that the stream has begun and goes on. */
function withUnknown(upstream: Wire): string {
  return upstream
    .events(SAID)
    .toSpliced(1, 0, 'event: vendor.heartbeat\ndata: {"type":"vendor.heartbeat","n":1}\n\n')
    .join("");
}

function typed(bytes: string | Buffer, type: string | undefined, headers: Record<string, string> = {}): Script {
  return (outgoing) => {
    outgoing.writeHead(200, { ...(type === undefined ? {} : { "content-type": type }), ...headers });
    outgoing.end(bytes);
  };
}

function html(status: number): Script {
  return (outgoing) => {
    outgoing.writeHead(status, { "content-type": "text/html" });
    outgoing.end("<html><body><h1>nginx at 10.0.0.7</h1></body></html>");
  };
}

/** `by`: how much longer the head says the body is than it is. */
function lengthened(text: string, by: number): Script {
  return (outgoing) => {
    const length = Buffer.byteLength(text) + by;
    outgoing.socket?.end(
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n${text}`,
    );
  };
}

function afterEarlyHints(script: Script): Script {
  return (outgoing, arrived, number) => {
    outgoing.writeEarlyHints({ link: "</style.css>; rel=preload" });
    return script(outgoing, arrived, number);
  };
}
