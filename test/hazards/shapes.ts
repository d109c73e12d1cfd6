/** Things of kinds that nobody knows, and `null` where a list is expected. */
import type { Body, ClientName } from "./clients.ts";
import { call, type Hazard, loop, user } from "./hazard.ts";
import { withMember } from "./member.ts";
import type { Talk } from "./talk.ts";

const PLAIN: (marker: string) => Talk = (marker) => ({ turns: [user(marker), { assistant: "Yes." }, user("Go on.")] });

/** The plain talk with something in its list that is not there by right. */
function among(item: Body): Hazard["say"] {
  return (client, marker) => {
    if (client.name === "ollama-generate") return undefined;
    const body = client.request(PLAIN(marker));
    return { ...body, [client.list]: (body[client.list] as readonly unknown[]).toSpliced(1, 0, item) };
  };
}

export const unknown: readonly Hazard[] = [
  { name: "a role that nobody knows", say: among({ role: "narrator", content: "Meanwhile." }), names: /role|narrator/ },
  { name: "a role that is a number", say: among({ role: 7, content: "Meanwhile." }), names: /role|message|input|item/ },
  { name: "a message without a role", say: among({ content: "Meanwhile." }), names: /role|message|input|item/ },
  { name: "a message that is text", say: among("Meanwhile." as unknown as Body), names: /messages|input|item/ },
  {
    name: "a part that nobody knows in a question",
    say: (client, marker) => {
      const part = { type: "hologram", hologram: "x" };
      if (client.name === "ollama-generate") return { prompt: [part] };
      return withMember(
        client.request({ turns: [user(marker), { assistant: "Yes." }, user("Go on.")] }),
        [client.list, 2, "content"],
        [{ type: client.name === "openai-responses" ? "input_text" : "text", text: "Look:" }, part],
      );
    },
    names: /hologram|content|type|prompt/,
  },
  {
    name: "a part that nobody knows in a tool result",
    say: (client, marker) => {
      const path = PLACES.result[client.name];
      if (path === undefined) return undefined;
      const body = client.request(loop(marker, [call("hologram1", "look")], [["hologram1", "look", "x"]]));
      return withMember(body, path, [{ type: "hologram", hologram: "x" }]);
    },
    names: /hologram|content|output|type/,
  },
  {
    name: "a part that is a number",
    say: (client, marker) =>
      client.name === "ollama-generate"
        ? { prompt: 7 }
        : withMember(client.request({ turns: [user(marker)] }), [client.list, 0, "content"], [7]),
    names: /content|prompt|messages|input/,
  },
  {
    name: "a tool of a kind that nobody knows",
    say: (client, marker) =>
      client.name === "ollama-generate"
        ? undefined
        : { ...client.request({ turns: [user(marker)] }), tools: [{ type: "teleport_20990101", name: "teleport" }] },
    names: /tool|teleport/,
  },
];

type Path = readonly (string | number)[];
type Places = Readonly<
  Record<"talk" | "question" | "calls" | "result" | "tools" | "stop", Partial<Record<ClientName, Path>>>
>;

/** Where each dialect has a list that may be `null`. */
const PLACES: Places = {
  talk: {
    "openai-chat": ["messages"],
    "openai-responses": ["input"],
    "anthropic-messages": ["messages"],
    "mistral-chat": ["messages"],
    "ollama-chat": ["messages"],
    "ollama-generate": ["prompt"],
  },
  question: {
    "openai-chat": ["messages", 2, "content"],
    "openai-responses": ["input", 2, "content"],
    "anthropic-messages": ["messages", 2, "content"],
    "mistral-chat": ["messages", 2, "content"],
    "ollama-chat": ["messages", 2, "content"],
    "ollama-generate": ["images"],
  },
  calls: {
    "openai-chat": ["messages", 1, "tool_calls"],
    "mistral-chat": ["messages", 1, "tool_calls"],
    "ollama-chat": ["messages", 1, "tool_calls"],
  },
  result: {
    "openai-chat": ["messages", 2, "content"],
    "openai-responses": ["input", 2, "output"],
    "anthropic-messages": ["messages", 2, "content", 0, "content"],
    "mistral-chat": ["messages", 2, "content"],
    "ollama-chat": ["messages", 2, "content"],
  },
  tools: {
    "openai-chat": ["tools"],
    "openai-responses": ["tools"],
    "anthropic-messages": ["tools"],
    "mistral-chat": ["tools"],
    "ollama-chat": ["tools"],
  },
  stop: {
    "openai-chat": ["stop"],
    "anthropic-messages": ["stop_sequences"],
    "mistral-chat": ["stop"],
    "ollama-chat": ["options"],
    "ollama-generate": ["options"],
  },
};

function nullAt(places: Places[keyof Places], make: (marker: string) => Talk): Hazard["say"] {
  return (client, marker) => {
    const path = places[client.name];
    const made = client.name === "ollama-generate" ? { turns: [user(marker)] } : make(marker);
    return path === undefined ? undefined : withMember(client.request(made), path, null);
  };
}

const looped = (marker: string) => loop(marker, [call("nullOne01", "look")], [["nullOne01", "look", "Fine."]]);

export const nulls: readonly Hazard[] = [
  { name: "a conversation that is null", say: nullAt(PLACES.talk, PLAIN), names: /messages|input|prompt/ },
  { name: "a question's content that is null", say: nullAt(PLACES.question, PLAIN), names: /content|input/ },
  { name: "calls that are null", say: nullAt(PLACES.calls, PLAIN), names: /tool_calls/ },
  { name: "a result's content that is null", say: nullAt(PLACES.result, looped), names: /content|output/ },
  { name: "tools that are null", say: nullAt(PLACES.tools, PLAIN), names: /tools/ },
  { name: "stop sequences that are null", say: nullAt(PLACES.stop, PLAIN), names: /stop/ },
];
