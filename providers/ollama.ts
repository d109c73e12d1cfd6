/**
 * Ollama, through its OpenAI-compatible endpoint until its native dialect is spoken. That endpoint ignores what it does not know,
 * silently; what would change the answer is put into words it does know.
 */
import type { JsonObject, JsonValue } from "../src/chat.ts";
import type { Edit } from "../src/edit.ts";
import type { Provider } from "../src/provider.ts";
import { CHAT, openaiCompatible, withVersion } from "./openai-compatible.ts";
import { isObject, messagesOf, objectsOf, systemForDeveloper } from "./openai-chat.edits.ts";

const PORT = "11434";

export const ollama: Provider = openaiCompatible({
  kind: "ollama",
  environment: { baseUrl: "OLLAMA_HOST" },
  baseUrl: hostUrl,
  needsKey: false,
  modelsPath: "/models",
  modelDefaults: { cache: { kind: "local", stepTokens: 1 } },
  quirks: (dialect, body) => (dialect === CHAT ? quirks(body) : []),
});

/** `OLLAMA_HOST` is what the server listens on: a scheme, the port, or a host one could call may be missing. */
function hostUrl(given: string): string {
  const hasScheme = /^https?:\/\//i.test(given);
  const named = isBareIPv6(given) ? `[${given}]` : given.startsWith(":") ? `0.0.0.0${given}` : given;
  const text = hasScheme ? given : `http://${named}`;
  if (!URL.canParse(text)) return given;
  const url = new URL(text);
  if (url.hostname === "0.0.0.0") url.hostname = "127.0.0.1";
  if (url.hostname === "[::]") url.hostname = "[::1]";
  const isBare = !hasScheme && url.port === "" && !/:\d+\/?$/.test(named);
  if (isBare) url.port = PORT;
  return withVersion(url.href);
}

function isBareIPv6(given: string): boolean {
  return /^[0-9a-f:.]+$/i.test(given) && given.split(":").length > 2;
}

function quirks(body: JsonObject): readonly Edit[] {
  const edits: Edit[] = [...systemForDeveloper(body)];
  // Ignored, the answer would have no bound at all.
  if (body["max_completion_tokens"] !== undefined) {
    edits.push(
      body["max_tokens"] === undefined
        ? { op: "rename", path: ["max_completion_tokens"], to: "max_tokens" }
        : { op: "delete", path: ["max_completion_tokens"] },
    );
  }
  for (const [name, isUsual] of Object.entries(IGNORED)) {
    const said = body[name];
    if (said !== undefined && said !== null && !isUsual(said)) edits.push({ op: "delete", path: [name], loss: name });
  }
  const choice = body["tool_choice"];
  if (choice === "none") {
    edits.push({ op: "delete", path: ["tools"] }, { op: "delete", path: ["tool_choice"] });
  } else if (choice !== undefined && choice !== null && choice !== "auto") {
    edits.push({ op: "delete", path: ["tool_choice"], loss: "tool_choice" });
  }
  return [...edits, ...messagesOf(body).flatMap(([index, message]) => joined(index, message))];
}

/** What it ignores although the answer would be another one, and the values that say nothing. */
const IGNORED: Readonly<Record<string, (said: JsonValue) => boolean>> = {
  n: (said) => said === 1,
  logit_bias: (said) => isObject(said) && Object.keys(said).length === 0,
  parallel_tool_calls: (said) => said !== false,
  functions: (said) => Array.isArray(said) && said.length === 0,
  function_call: (said) => said === "auto",
  web_search_options: () => false,
  modalities: (said) => Array.isArray(said) && said.every((kind) => kind === "text"),
  audio: () => false,
  verbosity: (said) => said === "medium",
};

/** Each part would become a message of its own. */
function joined(index: number, message: JsonObject): readonly Edit[] {
  const content = message["content"];
  const parts = objectsOf(content);
  if (!Array.isArray(content) || parts.length !== content.length || parts.length < 2) return [];
  const texts = parts.map(([, part]) => (part["type"] === "text" ? part["text"] : undefined));
  if (!texts.every((text) => typeof text === "string")) return [];
  return [{ op: "set", path: ["messages", index, "content"], value: texts.join("\n\n") }];
}
