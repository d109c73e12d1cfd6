/** What the load measurement reads and concludes: a figure that is wrong here would be believed. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AnswerReader, type Answer } from "../bench/load/connection.ts";
import type { Goal, Sample } from "../bench/load/scenario.ts";
import { median, summaryOf, verdictOf } from "../bench/load/statistics.ts";
import { burstEvents, BURST_EVENTS, LINE_FEEDS_PER_EVENT, NUMBER_PLACE, requestBody } from "../bench/load/traffic.ts";

describe("an answer, however its bytes are cut", () => {
  const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
  const whole = 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"é":1}\n';
  const empty = "HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\n\r\n";
  const stream = `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${burstEvents().map(chunk).join("")}0\r\nx-trailer: 1\r\n\r\n`;

  test.each([
    ["with a length", whole, { status: 200, bytes: 9, lineFeeds: 1 }],
    ["without a body", empty, { status: 411, bytes: 0, lineFeeds: 0 }],
    ["in chunks, with a trailer", stream, { status: 200, lineFeeds: BURST_EVENTS * LINE_FEEDS_PER_EVENT }],
  ])("%s", (_what, text, expected) => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 400 }), { maxLength: 60 }), (sizes) => {
        const reader = new AnswerReader();
        // Twice: what one answer leaves must not spoil the next.
        for (let time = 0; time < 2; time += 1) {
          expect(read(reader, Buffer.from(text), sizes)).toMatchObject(expected);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("more than was asked for is no answer", () => {
    expect(() => new AnswerReader().push(Buffer.from(whole + "H"))).toThrow();
  });
});

/** Pushes the pieces; only the last one may complete the answer. */
function read(reader: AnswerReader, bytes: Buffer, sizes: readonly number[]): Answer | undefined {
  let at = 0;
  for (const size of sizes) {
    if (at + size >= bytes.length) break;
    expect(reader.push(bytes.subarray(at, at + size))).toBeUndefined();
    at += size;
  }
  return reader.push(bytes.subarray(at));
}

test.each([2_048, 40_960])("a request body of %d bytes has that many, and one place for its number", (bytes) => {
  const body = requestBody({ model: "openai/gpt-5.4-nano", behaviour: "burst", bytes });
  expect(Buffer.byteLength(body)).toBe(bytes);
  expect(body.split(NUMBER_PLACE)).toHaveLength(2);
});

describe("a goal", () => {
  const round = (value: number, errors = 0): Sample => ({ value, others: {}, errors, problem: undefined });
  const goal = (compare: Goal["compare"], must: number, aim: number, peer?: string): Goal => ({
    text: "",
    peer,
    compare,
    must,
    aim,
  });
  const ours = summaryOf("sluice", [round(20), round(10), round(90)]);

  test("is judged by medians, in the direction that it says", () => {
    const theirs = summaryOf("portkey", [round(150)]);
    expect(verdictOf(goal("peer / own", 7, 10, "portkey"), "sluice", [ours, theirs])).toMatchObject({
      measured: 7.5,
      meetsMust: true,
      meetsAim: false,
    });
    expect(verdictOf(goal("own / peer", 0.4, 0.1, "portkey"), "sluice", [ours, theirs])).toMatchObject({
      meetsMust: true,
      meetsAim: false,
    });
    expect(verdictOf(goal("own", 19, 10), "sluice", [ours])).toMatchObject({ measured: 20, meetsMust: false });
  });

  test.each([
    ["had errors", summaryOf("portkey", [round(1_000), round(1_000, 1)])],
    ["was not measured", summaryOf("portkey", [])],
    ["is not there", summaryOf("nginx", [round(1)])],
  ])("is not reached against a peer that %s", (_what, peer) => {
    const verdict = verdictOf(goal("peer / own", 7, 10, "portkey"), "sluice", [ours, peer]);
    expect(verdict).toMatchObject({ measured: undefined, meetsMust: false, meetsAim: false });
    expect(verdict.why).toContain("portkey");
  });

  test("is not reached by a value that never came", () => {
    const never = summaryOf("sluice", [round(Number.POSITIVE_INFINITY)]);
    expect(verdictOf(goal("own", 2_000, 300), "sluice", [never])).toMatchObject({ meetsMust: false });
  });
});

test("a median is the middle, or between the two in the middle", () => {
  expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([])]).toEqual([2, 2.5, Number.NaN]);
});
