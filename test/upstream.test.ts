import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, expect, test } from "vitest";
import { createUpstream, UpstreamFailure, type Upstream, type UpstreamAnswer } from "../src/upstream.ts";

const DEADLINES = { connectMs: 2_000, headMs: 5_000, idleMs: 5_000, totalMs: 10_000 };

let closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers) await close();
  closers = [];
});

async function serve(listener: RequestListener): Promise<{ url: URL; server: Server }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(
    () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  );
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`), server };
}

function upstream(): Upstream {
  return createUpstream({ connectMs: 2_000 });
}

function whole(answer: UpstreamAnswer): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    answer.body.read({
      data: (chunk) => chunks.push(chunk),
      end: () => resolve(Buffer.concat(chunks).toString("utf8")),
      error: reject,
    });
  });
}

const request = (url: URL, signal: AbortSignal = new AbortController().signal, deadlines = DEADLINES) => ({
  url,
  headers: { "content-type": "application/json" },
  body: Buffer.from("{}"),
  deadlines,
  signal,
});

test("an answer's bytes arrive as they were sent", async () => {
  const { url } = await serve((_incoming, outgoing) => outgoing.end("hällo"));
  const answer = await upstream().send(request(url));
  expect(answer.status).toBe(200);
  expect(await whole(answer)).toBe("hällo");
});

test("a compressed answer is read although none was asked for", async () => {
  let asked: string | undefined;
  const { url } = await serve((incoming, outgoing) => {
    asked = String(incoming.headers["accept-encoding"]);
    outgoing.setHeader("content-encoding", "gzip");
    outgoing.end(gzipSync("plain text"));
  });
  expect(await whole(await upstream().send(request(url)))).toBe("plain text");
  expect(asked).toBe("identity");
});

test("a connection that breaks before the answer is a failure that may have been billed", async () => {
  const { url } = await serve((incoming) => incoming.socket.destroy());
  const failure = await upstream()
    .send(request(url))
    .catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(UpstreamFailure);
  expect(failure).toMatchObject({ kind: "upstream-failed", sent: true });
});

test("a provider that cannot be reached was not sent anything, and its address is not in the message", async () => {
  const { url, server } = await serve(() => {});
  await new Promise((resolve) => server.close(resolve));
  const failure = (await upstream()
    .send(request(url))
    .catch((error: unknown) => error)) as UpstreamFailure;
  expect(failure).toMatchObject({ kind: "upstream-failed", sent: false });
  expect(failure.message).not.toContain("127.0.0.1");
});

test("an answer that breaks in its middle is an error and not an end", async () => {
  const { url } = await serve((_incoming, outgoing) => {
    outgoing.write("half");
    setImmediate(() => outgoing.destroy());
  });
  const answer = await upstream().send(request(url));
  await expect(whole(answer)).rejects.toMatchObject({ kind: "upstream-failed" });
});

test("a provider that never answers meets the head deadline", async () => {
  const { url } = await serve(() => {});
  const failure = await upstream()
    .send(request(url, undefined, { ...DEADLINES, headMs: 40 }))
    .catch((error: unknown) => error);
  expect(failure).toMatchObject({ kind: "upstream-timeout", sent: true });
});

test("an answer that stalls meets the idle deadline", async () => {
  const { url } = await serve((_incoming, outgoing) => void outgoing.write("a"));
  const answer = await upstream().send(request(url, undefined, { ...DEADLINES, idleMs: 40 }));
  await expect(whole(answer)).rejects.toMatchObject({ kind: "upstream-timeout" });
});

test("a body that the reader paused does not count as stalled", async () => {
  const { url } = await serve((_incoming, outgoing) => {
    outgoing.write("a");
    setTimeout(() => outgoing.end("b"), 150);
  });
  const answer = await upstream().send(request(url, undefined, { ...DEADLINES, idleMs: 60 }));
  const text = new Promise<string>((resolve, reject) => {
    let seen = "";
    answer.body.read({
      data: (chunk) => {
        seen += Buffer.from(chunk).toString();
        answer.body.pause();
        setTimeout(() => answer.body.resume(), 140);
      },
      end: () => resolve(seen),
      error: reject,
    });
  });
  expect(await text).toBe("ab");
});

test("a client that leaves closes the upstream's connection", async () => {
  const closed = Promise.withResolvers<void>();
  const { url } = await serve((incoming: IncomingMessage, outgoing: ServerResponse) => {
    incoming.resume();
    outgoing.write("first");
    outgoing.on("close", () => closed.resolve());
  });
  const leave = new AbortController();
  const answer = await upstream().send(request(url, leave.signal));
  const read = whole(answer);
  leave.abort();
  await expect(read).rejects.toMatchObject({ kind: "canceled" });
  await closed.promise;
});

test("a request that is aborted before it got a connection is never sent", async () => {
  let requests = 0;
  const { url } = await serve((_incoming, outgoing) => {
    requests += 1;
    outgoing.end("ok");
  });
  const sender = upstream();
  const leave = new AbortController();
  // Dispatched and aborted in one turn: the socket is still being opened, so there is no controller to abort.
  const failed = sender.send(request(url, leave.signal)).catch((error: unknown) => error);
  leave.abort();
  expect(await failed).toMatchObject({ kind: "canceled", sent: false });
  expect(await whole(await sender.send(request(url)))).toBe("ok");
  expect(requests).toBe(1);
});
