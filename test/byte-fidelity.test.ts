import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Script } from "./fake-upstream.ts";
import { anyDocument, render } from "./json-tree.ts";
import { call } from "./line-client.ts";
import { answers, startLine, type Line } from "./line-setup.ts";
import { SAID, wires, type Wire } from "./line-wires.ts";

/** The provider that is called, by its dialect: one that changes nothing of its own. */
let line: Line;
beforeAll(async () => {
  line = await startLine({
    upstreams: Object.fromEntries(wires.map((wire) => [nameOf(wire), { ...wire, kind: wire.plainKind }])),
    yaml: `models: { ${wires.map((wire) => `plain-${nameOf(wire)}: { provider: ${wire.plainKind} }`).join(", ")} }`,
  });
});
afterAll(() => line.close());

/** The model's own id, which is no name of a target, goes to the one whose row says so: the client's bytes need no edit then. */
const modelOf = (wire: Wire) => `plain-${nameOf(wire)}`;
const RUNS = 60;

const space = fc.constantFrom("", "", " ", "\n", "\t ", "\r\n  ");
/** Any JSON, as text: odd numbers, escapes, keys that stand twice, integer-like keys, white space anywhere. */
const document = anyDocument().map(render);
const unknownMember = fc
  .tuple(fc.constantFrom('"x_new"', '"10"', '"9"', '"x\\u005fnew"', '"é"'), space, document, space)
  .map(([key, before, value, after]) => `${key}${before}:${value}${after}`);

describe.each(wires)("$dialect, to a provider of the same dialect", (wire) => {
  /** Members of a valid request in any order, with unknown ones everywhere. */
  const bodyWith = (model: string, more: readonly string[]) =>
    fc
      .tuple(
        fc.array(unknownMember, { maxLength: 4 }),
        document,
        fc.array(unknownMember, { maxLength: 2 }),
        space,
        space,
      )
      .chain(([unknown, schema, inMessage, before, after]) => {
        const message = ['"role" : "user"', '"content":"h\\u0069 \\u00e9 9007199254740993"', ...inMessage].join(
          `,${before}`,
        );
        const { max_tokens: cap } = wire.request({ model });
        const members = [
          model,
          `"${"input" in wire.request({ model }) ? "input" : "messages"}":[{${message}}]`,
          `"x_schema":${schema}`,
          ...(cap === undefined ? [] : [`"max_tokens" :${JSON.stringify(cap)}`]),
          ...more,
          ...unknown,
        ];
        return fc
          .shuffledSubarray(members, { minLength: members.length })
          .map((shuffled) => `${before}{${after}${shuffled.join(`${after},${before}`)}}${after}`);
      });

  const arrived = async (body: string): Promise<string> => {
    const fake = line.upstream(nameOf(wire));
    fake.answer(answers(wire));
    const before = fake.requests.length;
    const { status, text } = await call(line.url, wire.path, { body });
    expect({ status, text }).toMatchObject({ status: 200 });
    return fake.requests[before]?.body.toString("utf8") ?? "";
  };

  test("a request that needs no edit arrives as the very bytes that were sent", async () => {
    const bodies = bodyWith(`"model":"${modelOf(wire)}"`, []);
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        expect(await arrived(body)).toBe(body);
      }),
      { numRuns: RUNS },
    );
  });

  test("a request for another model differs in that one name", async () => {
    const bodies = bodyWith(`"mod\\u0065l" : "${nameOf(wire)}/some-model"`, []);
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        expect(await arrived(body)).toBe(body.replace(`"${nameOf(wire)}/some-model"`, '"some-model"'));
      }),
      { numRuns: RUNS },
    );
  });

  test("a streamed request differs at most in the one wish that a client left out: usage", async () => {
    const bodies = bodyWith(`"model":"${modelOf(wire)}"`, ['"stream" :true']);
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        const sent = await arrived(body);
        expect(sent.replace(/,"stream_options":\{"include_usage":true\}/, "")).toBe(body);
      }),
      { numRuns: RUNS },
    );
  });

  test("a whole answer arrives as the very bytes that the provider sent", async () => {
    const bodies = fc
      .tuple(fc.array(unknownMember, { minLength: 1, maxLength: 5 }), space, fc.boolean())
      .map(([unknown, around, isLast]) => {
        const known = JSON.stringify(wire.whole(SAID)).slice(1, -1);
        return `${around}{${isLast ? [...unknown, known].join(`,${around}`) : [known, ...unknown].join(",")}}${around}`;
      });
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        line.upstream(nameOf(wire)).answer(bytes(Buffer.from(body), "application/json; charset=utf-8"));
        const answer = await call(line.url, wire.path, { body: wire.request({ model: modelOf(wire) }) });
        expect(answer.headers["content-type"]).toBe("application/json; charset=utf-8");
        expect(answer.text).toBe(body);
      }),
      { numRuns: RUNS },
    );
  });

  /** Events that nobody knows, comments, and bytes that are no text, with any line ends, at any place. */
  const lineEnd = fc.constantFrom("\n", "\r\n");
  const anyBytes = fc
    .uint8Array({ maxLength: 30 })
    .map((raw) => Buffer.from(raw.filter((byte) => byte !== 10 && byte !== 13)));
  const oddEvent = fc
    .tuple(fc.constantFrom(": ", "event: vendor.new", "id: ", "retry: ", ""), anyBytes, document, lineEnd)
    .map(([field, raw, json, end]) => {
      const data = field === "event: vendor.new" ? `${end}data: ${JSON.stringify({ type: "vendor.new", json })}` : "";
      const comment = field === ": " ? raw : Buffer.alloc(0);
      return Buffer.concat([Buffer.from(field), comment, Buffer.from(`${data}${end}${end}`)]);
    });
  /** Text that a provider cut in the middle of a letter, or sends in another encoding. */
  const anyText = fc
    .uint8Array({ maxLength: 20 })
    .map((raw) => Buffer.from(raw.filter((byte) => byte >= 0x20 && byte !== 0x22 && byte !== 0x5c)).toString("latin1"));
  const streams = fc
    .tuple(
      fc.array(fc.tuple(fc.nat({ max: 5 }), oddEvent), { maxLength: 6 }),
      anyText,
      lineEnd,
      fc.boolean(),
      fc.boolean(),
    )
    .map(([odd, text, end, hasLastLine, spaced]) => {
      const events = wire.events({ ...SAID, texts: ["<text>", "é"] }).map((event) => {
        const written = spaced ? event.replaceAll('":', '" : ').replace('event" : ', "event:") : event;
        const latin = Buffer.from(written.replaceAll("\n", end)).toString("latin1");
        return Buffer.from(
          latin.replace("<text>", () => text),
          "latin1",
        );
      });
      for (const [place, event] of odd) events.splice(place + 1, 0, event);
      const all = Buffer.concat(events);
      return hasLastLine ? all : all.subarray(0, all.length - 2 * end.length);
    });

  test("a stream arrives as the very bytes that the provider sent", async () => {
    await fc.assert(
      fc.asyncProperty(streams, async (sent) => {
        line.upstream(nameOf(wire)).answer(bytes(sent, "text/event-stream"));
        const answer = await call(line.url, wire.path, { body: wire.request({ model: modelOf(wire), stream: true }) });
        expect(answer).toMatchObject({ status: 200, isBroken: false });
        expect(answer.body.equals(sent)).toBe(true);
      }),
      { numRuns: RUNS },
    );
  });

  test("a cost comment comes after the stream's own bytes, and only for who asks", async () => {
    const sent = Buffer.from(wire.events(SAID).join(""));
    line.upstream(nameOf(wire)).answer(bytes(sent, "text/event-stream"));
    const body = wire.request({ model: modelOf(wire), stream: true });
    const asked = await call(line.url, wire.path, { body, headers: { "x-sluice-cost-comment": "true" } });
    const comment = asked.body.subarray(sent.length).toString();
    expect(asked.body.subarray(0, sent.length).equals(sent)).toBe(true);
    expect(comment).toBe(`: sluice exchange=${String(asked.headers["x-sluice-exchange"])} cost_usd=unknown\n\n`);
    expect((await call(line.url, wire.path, { body })).body.equals(sent)).toBe(true);
  });
});

test("usage that only the gateway asked for is kept from the client, and every other byte arrives", async () => {
  // In the one dialect in which it has to be asked for.
  for (const wire of wires.filter((one) => "stream_options" in one.request({ model: "m", stream: true }))) {
    const events = wire.events(SAID);
    const usage = events.filter((event) => event.includes('"choices":[]'));
    expect(usage).toHaveLength(1);
    const sent = `: hi\r\n\r\n${events.join("")}`;
    line.upstream(nameOf(wire)).answer(bytes(Buffer.from(sent), "text/event-stream"));
    const { stream_options: _, ...body } = wire.request({ model: modelOf(wire), stream: true });
    const answer = await call(line.url, wire.path, { body });
    expect(answer.text).toBe(sent.replace(usage[0] ?? "", ""));
    expect(await line.gateway.attempts(answer.headers["x-sluice-exchange"] as string)).toMatchObject([
      { outcome: "complete", usage_basis: "reported", usage: { output: SAID.output, cache_read: SAID.cacheRead } },
    ]);
  }
});

function bytes(body: Buffer, type: string): Script {
  return (outgoing) => {
    outgoing.writeHead(200, { "content-type": type });
    outgoing.end(body);
  };
}

function nameOf(wire: Wire): string {
  return wire.dialect.replaceAll("-", "_");
}
