/** One message sent once, over real sockets: who hangs, redirects, refuses, or is where nobody should be sent. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hostKind, isPrivateAddress } from "../src/delivery/address.ts";
import type { Channel } from "../src/delivery/message.ts";
import { createPoster, type Poster, type PosterOptions, type Sent } from "../src/delivery/post.ts";
import { channel, startReceiver, type Receiver } from "./delivery-made.ts";

let receiver: Receiver;
const posters: Poster[] = [];
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(async () => {
  for (const poster of posters.splice(0)) await poster.close();
  await receiver.close();
});

function post(url: string, change: Partial<Channel> = {}, options: PosterOptions = {}): Promise<Sent> {
  const poster = createPoster(options);
  posters.push(poster);
  const outgoing = { url, headers: { "idempotency-key": "one" }, body: '{"a":1}' };
  return poster.post(channel({ url, ...change }), outgoing, new AbortController().signal);
}

test("a receiver that takes it has been told, with the token that it wants", async () => {
  expect(await post(`${receiver.url}/hook?x=1`, { token: "of-mine" })).toEqual({ isTold: true });
  const [got] = receiver.received;
  expect(got).toMatchObject({
    path: "/hook?x=1",
    body: '{"a":1}',
    headers: { authorization: "Bearer of-mine", "content-type": "application/json", "idempotency-key": "one" },
  });
});

test("a receiver that hangs is given up in time", async () => {
  receiver.answer(() => undefined);
  expect(await post(receiver.url, { timeoutMs: 150 })).toEqual({
    isTold: false,
    reason: "it did not answer within 150 ms",
  });
});

test("errors and what is to be waited for are told", async () => {
  receiver.answer((response) => response.writeHead(503, { "retry-after": "120" }).end("the secret is x"));
  expect(await post(receiver.url)).toEqual({ isTold: false, reason: "it answered 503", retryAfterMs: 120_000 });
  receiver.answer((response) => response.socket?.destroy());
  expect(await post(receiver.url)).toEqual({ isTold: false, reason: "its connection broke before it answered" });
  await receiver.close();
  expect(await post(receiver.url)).toEqual({ isTold: false, reason: "it could not be reached" });
});

test("no redirect is followed, wherever it leads", async () => {
  const other = await startReceiver();
  try {
    for (const status of [301, 302, 303, 307, 308]) {
      receiver.answer((response) => response.writeHead(status, { location: other.url }).end());
      expect(await post(receiver.url)).toMatchObject({
        isTold: false,
        reason: `it answered ${status}: redirects are not followed`,
      });
    }
    expect(other.received).toEqual([]);
  } finally {
    await other.close();
  }
});

describe("a name that means a private address", () => {
  const port = () => new URL(receiver.url).port;
  const here: PosterOptions = {
    resolve: (_name, _options, callback) =>
      callback(null, [
        { address: "93.184.216.34", family: 4 },
        { address: "127.0.0.1", family: 4 },
      ]),
  };

  test("is refused before anything is sent, and the reason says what allows it", async () => {
    expect(await post(`http://hooks.example:${port()}/`, {}, here)).toEqual({
      isTold: false,
      reason: "its address is of a private network; `allowPrivate: true` allows that",
    });
    expect(receiver.received).toEqual([]);
  });

  test("is allowed where the config does", async () => {
    // The name `localhost` is what its owner means by it; with leave, a name is not looked at.
    expect(await post(`http://localhost:${port()}/`, { allowPrivate: true }, here)).toEqual({ isTold: true });
    expect(await post(`http://localhost:${port()}/`)).toEqual({ isTold: true });
  });

  test("a link's address is refused even where the config names it", async () => {
    for (const host of ["169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "0xA9FEA9FE", "[::ffff:169.254.169.254]"])
      expect(await post(`http://${host}/latest`)).toMatchObject({
        isTold: false,
        reason: expect.stringContaining("private"),
      });
  });
});

test.each([
  "10.1.2.3",
  "100.64.0.1",
  "127.0.0.1",
  "169.254.169.254",
  "172.31.255.255",
  "192.168.0.1",
  "0.0.0.0",
  "::1",
  "::",
  "fc00::1",
  "fd12:3456::1",
  "fe80::1%eth0",
  "::ffff:10.0.0.1",
  "64:ff9b::a00:1",
  "2002:a00:1::",
  "224.0.0.1",
  "255.255.255.255",
])("%s is private", (address) => expect(isPrivateAddress(address)).toBe(true));

test.each(["93.184.216.34", "172.32.0.1", "100.63.0.1", "11.0.0.1", "2606:2800:220:1::1", "::ffff:8.8.8.8"])(
  "%s is not",
  (address) => expect(isPrivateAddress(address)).toBe(false),
);

test("what the config names by itself is told from what a zone says", () => {
  const kind = (host: string) => hostKind(new URL(`http://${host}/`));
  expect(["10.0.0.1", "2130706433", "localhost", "a.localhost", "[::1]"].map(kind)).toEqual(Array(5).fill("address"));
  expect(["hooks.example", "localhost.example", "10.0.0.1.nip.io"].map(kind)).toEqual(Array(3).fill("name"));
});
