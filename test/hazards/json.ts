/** JSON that goes deep, and JSON whose very text matters. */
import { expect } from "vitest";
import { call, type Hazard, loop, NAMES_TRAFFIC, talk, user } from "./hazard.ts";
import { SCHEMA, tool, Verbatim } from "./talk.ts";

const DEPTHS = [100, 1_000, 100_000] as const;
const NAMES_DEPTH = /nested|deep|depth|recursion|context|too long/i;

function nested(depth: number): string {
  return `{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
}

function nestedSchema(depth: number): string {
  const open = '{"type":"object","properties":{"a":';
  return `${open.repeat(depth)}${SCHEMA}${"}}".repeat(depth)}`;
}

/** Twice the depth, in a third of the text. */
const SCHEMA_DEPTHS = DEPTHS.map((depth) => depth / 4);

export const deep: readonly Hazard[] = [
  ...DEPTHS.map((depth): Hazard => ({
    name: `arguments ${depth} levels deep`,
    say: talk((marker) => loop(marker, [call("deepOne01", "look", nested(depth))], [["deepOne01", "look", "Fine."]])),
    right({ arrived, losses }) {
      // A dialect whose arguments are no text keeps what is too deep as text inside of them.
      const kept = losses.includes("tool-arguments") ? JSON.stringify(nested(depth)).slice(1, -1) : nested(depth);
      expect(arrived.calls[0]?.arguments).toContain(kept);
    },
    names: NAMES_DEPTH,
    isHeavy: depth === 100_000,
  })),
  ...SCHEMA_DEPTHS.map((depth): Hazard => ({
    name: `a schema ${depth * 2} levels deep`,
    say: talk((marker) => ({ turns: [user(marker)], tools: [tool("look", nestedSchema(depth))] })),
    right: ({ arrived }) => expect(arrived.raw).toContain(nestedSchema(depth)),
    names: /nested|deep|depth|recursion|schema|context|too long|exceed/i,
  })),
  ...DEPTHS.map((depth): Hazard => ({
    name: `a member that nobody knows, ${depth} levels deep`,
    say: (client, marker) => ({
      ...client.request({ turns: [user(marker)] }),
      metadata_of_mine: new Verbatim(nested(depth)),
    }),
    names: /nested|deep|depth|metadata_of_mine|extra|unknown/i,
  })),
];

/** What reading and writing as JSON would change. */
const EXACT = '{"b":9007199254740993,"2":1.0,"b":"again"}';

/** Whose calls have their arguments as text. */
const TEXT_CLIENTS: readonly string[] = ["openai-chat", "openai-responses", "mistral-chat"];

export const exact: readonly Hazard[] = [
  {
    name: "arguments with large numbers, number-like and repeated keys",
    say: talk((marker) => loop(marker, [call("exactOne1", "look", EXACT)], [["exactOne1", "look", "Fine."]])),
    right({ client, arrived, isNative, losses }) {
      const given = arrived.calls[0]?.arguments ?? "";
      const isTextHere = TEXT_CLIENTS.includes(client);
      const isText = isTextHere && !/"(?:input|arguments)":\{/.test(arrived.raw);
      // To a dialect whose arguments are an object goes what a parser makes of them, and it is said; from one nothing else comes.
      if (isTextHere && !isText) expect(losses).toContain("tool-arguments");
      if (isNative)
        expect([EXACT, JSON.stringify(EXACT).slice(1, -1)].some((text) => arrived.raw.includes(text))).toBe(true);
      else if (isText) expect(given).toBe(EXACT);
      else expect(JSON.parse(given)).toEqual(JSON.parse(EXACT));
    },
    names: NAMES_TRAFFIC,
  },
  ...['{"city":', "", "[1]", '"Oslo"', "null"].map((given): Hazard => ({
    name: `arguments that are no object: ${given === "" ? "nothing" : given}`,
    say: (client, marker) => {
      const talk = loop(marker, [call("wrongOne1", "look", given)], [["wrongOne1", "look", "Fine."]]);
      // Where arguments are no text, half a text cannot be said.
      const isText = TEXT_CLIENTS.includes(client.name);
      const isSaid = isText || (client.name !== "ollama-generate" && given !== "" && given !== '{"city":');
      return isSaid ? client.request(talk) : undefined;
    },
    names: /arguments|input|json/i,
  })),
];
