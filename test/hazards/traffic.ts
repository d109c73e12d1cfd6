/** Calls and results that do not fit each other, or their provider; and reasoning that is somebody else's. */
import { expect } from "vitest";
import { call, expectPairs, type Hazard, loop, NAMES_TRAFFIC, talk, user } from "./hazard.ts";
import { tool } from "./talk.ts";

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

export const traffic: readonly Hazard[] = [
  {
    name: "a call without a result",
    say: talk((marker) => ({
      turns: [user(marker), { assistant: "", calls: [call("orphanOn1", "look")] }, user("Never mind.")],
      tools: [tool("look")],
    })),
    names: NAMES_TRAFFIC,
  },
  {
    name: "one of two calls without a result",
    say: talk((marker) =>
      loop(marker, [call("halfOne01", "look"), call("halfTwo02", "hear")], [["halfOne01", "look", "Fine."]]),
    ),
    right: ({ arrived }) => expect(arrived.results.map(({ text }) => text)).toContain("Fine."),
    names: NAMES_TRAFFIC,
  },
  {
    name: "a result without a call",
    say: talk((marker) => ({
      turns: [user(marker), { assistant: "Yes." }, { results: [{ id: "neverOne1", name: "look", content: "Fine." }] }],
      tools: [tool("look")],
    })),
    right: ({ arrived }) => expect(arrived.raw).toContain("Fine."),
    names: NAMES_TRAFFIC,
  },
  {
    name: "a result given twice",
    say: talk((marker) =>
      loop(
        marker,
        [call("twiceOne1", "look")],
        [
          ["twiceOne1", "look", "One."],
          ["twiceOne1", "look", "Two."],
        ],
      ),
    ),
    right({ arrived }) {
      expect(arrived.raw).toContain("One.");
      expect(arrived.raw).toContain("Two.");
    },
    names: NAMES_TRAFFIC,
  },
  {
    name: "two calls of one id",
    say: talk((marker) =>
      loop(
        marker,
        [call("sameOne01", "look"), call("sameOne01", "hear")],
        [
          ["sameOne01", "look", "One."],
          ["sameOne01", "hear", "Two."],
        ],
      ),
    ),
    right({ arrived }) {
      expect(arrived.calls.map(({ name }) => name)).toEqual(["look", "hear"]);
      expect(arrived.raw).toContain("One.");
      expect(arrived.raw).toContain("Two.");
    },
    names: NAMES_TRAFFIC,
  },
  {
    name: "ids of 450 characters, results in another order",
    say: talk((marker) =>
      loop(
        marker,
        [call(`${LONG}1`, "look"), call(`${LONG}2`, "hear")],
        [
          [`${LONG}2`, "hear", "by hear"],
          [`${LONG}1`, "look", "by look"],
        ],
      ),
    ),
    right({ arrived }) {
      expect(arrived.results.map(({ text }) => text).toSorted()).toEqual(["by hear", "by look"]);
      expectPairs(arrived, (name) => `by ${name}`);
    },
    names: NAMES_TRAFFIC,
  },
  {
    name: "an id of no characters",
    say: talk((marker) => loop(marker, [call("", "look")], [["", "look", "Fine."]])),
    right({ arrived }) {
      expect(arrived.results.map(({ text }) => text)).toEqual(["Fine."]);
      expectPairs(arrived, () => "Fine.");
    },
    names: NAMES_TRAFFIC,
  },
  {
    name: "two tools of one name",
    say: talk((marker) => ({
      turns: [user(marker)],
      tools: [tool("look"), tool("look", '{"type":"object","properties":{}}')],
    })),
    right: ({ arrived }) => expect(arrived.tools).toEqual(["look", "look"]),
    names: /tool|look/,
  },
  {
    name: "a picture in a tool result",
    say: talk((marker) => ({
      turns: [
        user(marker),
        { assistant: "", calls: [call("imageOne1", "look")] },
        { results: [{ id: "imageOne1", name: "look", content: [{ text: "This:" }, { png: PNG }] }] },
      ],
      tools: [tool("look")],
    })),
    right({ arrived, losses }) {
      expect(arrived.raw).toContain("This:");
      if (arrived.pictures.length === 0) expect(losses.join()).toMatch(/image|picture|tool-result/);
      else expect(arrived.pictures).toEqual([PNG]);
    },
    names: /image|picture|content|type/,
  },
];

const LONG = `call|${"x/+=".repeat(111)}`;

/** Reasoning of somebody else, by the place that this client keeps a seal in. */
function foreign(seal: string): Hazard["say"] {
  return talk((marker) => ({
    turns: [user(marker), { assistant: "Four.", thought: { text: "Two and two.", seal } }, user("Go on.")],
  }));
}

const NAMES_SEAL = /signature|encrypted|reasoning|thinking|seal/i;

/** Seals in the form in which the gateway gives them to the clients of other dialects, and in none. */
export const reasoning: readonly Hazard[] = [
  ...["anthropic-messages", "openai-responses", "mistral-chat", "openai-chat"].map((issuer): Hazard => ({
    name: `reasoning sealed by ${issuer}, as a client of another dialect holds it`,
    say: foreign(`sluice:${issuer}:signature:rs_of0123456789:RXJVQkNrWUlBQUk=`),
    right({ arrived, isNative }) {
      // A server of the client's own dialect that looks at no seal is sent the client's bytes.
      if (!isNative) expect(arrived.raw).not.toContain("sluice:");
    },
    names: NAMES_SEAL,
  })),
  {
    name: "reasoning under a seal that nobody knows",
    say: foreign("RXJVQkNrWUlBQUk="),
    names: NAMES_SEAL,
  },
  {
    name: "reasoning under an empty seal",
    say: foreign(""),
    names: NAMES_SEAL,
  },
];
