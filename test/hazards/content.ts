/** Too little, too much, and text that is none. */
import { expect } from "vitest";
import { resultsOf } from "../sdk/simulated.ts";
import { call, expectPairs, type Hazard, loop, NAMES_TRAFFIC, talk, user } from "./hazard.ts";
import { tool } from "./talk.ts";

export const empty: readonly Hazard[] = [
  {
    name: "a question of no text",
    say: talk((marker) => ({ turns: [user(marker), { assistant: "Yes." }, user("")] })),
    names: /messages|content|input|text/,
  },
  {
    name: "an answer of no text in the history",
    say: talk((marker) => ({ turns: [user(marker), { assistant: "" }, user("Go on.")] })),
    names: /messages|content|input|text/i,
  },
  {
    name: "a question of no parts",
    say: (client, marker) =>
      client.name.startsWith("ollama")
        ? undefined
        : client.request({ turns: [user(marker), { assistant: "Yes." }, { user: [] }] }),
    names: /messages|content|input/,
  },
  {
    name: "a conversation of no turns",
    say: (client, marker) => ({
      ...client.request({ turns: [] }),
      [client.list]: client.name === "ollama-generate" ? "" : [],
      // Where a body without a word is a request to load the model, it is found by this.
      ...(client.name.startsWith("ollama") ? { keep_alive: "5m", system: marker } : {}),
    }),
    names: /messages|input|prompt|conversation/i,
  },
  {
    name: "a tool result of no text",
    say: talk((marker) => loop(marker, [call("emptyOne1", "look")], [["emptyOne1", "look", ""]])),
    right: ({ arrived }) => expect(arrived.results.map(({ text }) => text)).toEqual([""]),
    names: NAMES_TRAFFIC,
  },
];

export const large: readonly Hazard[] = [
  {
    name: "a prompt that no window holds",
    say: talk((marker) => ({ turns: [user(`${marker} ${"word ".repeat(6_000)}`)] })),
    names: /prompt|context|too long/,
    isNarrow: true,
  },
  {
    name: "a tool result of a megabyte",
    say: talk((marker) => loop(marker, [call("largeOne1", "look")], [["largeOne1", "look", MEGABYTE]])),
    right: ({ arrived }) => expect(arrived.results.map(({ text }) => text === MEGABYTE)).toEqual([true]),
    names: /prompt|context|too long|exceed/i,
    isHeavy: true,
  },
  {
    name: "128 parallel calls and their results",
    say: talk((marker) =>
      loop(
        marker,
        MANY,
        MANY.map(({ id, name }) => [id, name, `result of ${name}`]),
      ),
    ),
    right({ answer, arrived }) {
      const expected = MANY.map(({ name }) => `result of ${name}`);
      expect(answer.text).toBe(resultsOf(...expected));
      expect(arrived.results.map(({ text }) => text)).toEqual(expected);
      expect(arrived.calls.map(({ name }) => name)).toEqual(MANY.map(({ name }) => name));
      expectPairs(arrived, (name) => `result of ${name}`);
    },
    names: NAMES_TRAFFIC,
  },
  {
    name: "128 calls in one answer",
    say: talk((marker) => ({
      turns: [user(`${marker} ${MANY.map(({ name }) => name).join(" ")}`)],
      tools: MANY.map(({ name }) => tool(name)),
    })),
    right({ answer }) {
      expect(answer.calls.map(({ name }) => name)).toEqual(MANY.map(({ name }) => name));
      const ids = answer.calls.map(({ id }) => id);
      // Servers of Ollama's API that give none are passed on as they are.
      if (ids.some((id) => id !== "")) expect(new Set(ids).size).toBe(MANY.length);
      for (const { arguments: given } of answer.calls) expect(JSON.parse(given)).toEqual({ city: expect.any(String) });
    },
    names: NAMES_TRAFFIC,
  },
];

/** A million bytes of words that are all others, in few tokens. */
const MEGABYTE = Array.from({ length: 111_112 }, (_, index) => ` ${wordOf(index)}`).join("");

/** Eight letters. */
function wordOf(index: number): string {
  return String(index)
    .padStart(8, "0")
    .replaceAll(/\d/g, (digit) => "abcdefghij".charAt(Number(digit)));
}

const MANY = Array.from({ length: 128 }, (_, index) => {
  const number = String(index).padStart(3, "0");
  return call(`manyMa${number}`, `tool_${number}`);
});

const HALF = "a\ud800b";
const LONE: readonly string[] = [HALF, "a\ufffdb"];
const includesLone = (text: string) => expect(LONE.some((one) => text.includes(one))).toBe(true);

export const surrogates: readonly Hazard[] = [
  {
    name: "half a surrogate pair in a question",
    say: talk((marker) => ({ turns: [user(`${marker} ${HALF}`)] })),
    right({ arrived, answer }) {
      includesLone(arrived.text);
      includesLone(answer.text);
    },
    names: /surrogate|unicode|utf/i,
  },
  {
    name: "half a surrogate pair in a tool result",
    say: talk((marker) => loop(marker, [call("halfOne01", "look")], [["halfOne01", "look", HALF]])),
    right: ({ arrived }) => includesLone(arrived.results[0]?.text ?? ""),
    names: /surrogate|unicode|utf/i,
  },
  {
    name: "half a surrogate pair in a call's arguments",
    say: talk((marker) =>
      loop(marker, [call("halfTwo02", "look", '{"city":"a\\ud800b"}')], [["halfTwo02", "look", "Fine."]]),
    ),
    right: ({ arrived }) => includesLone((JSON.parse(arrived.calls[0]?.arguments ?? "") as { city: string }).city),
    names: /surrogate|unicode|utf/i,
  },
];
