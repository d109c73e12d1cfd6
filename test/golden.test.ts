/**
 * The translation matrix as files: one rich conversation in each client's words, as each upstream is sent it, quirks included.
 *
 * A difference is read before it is accepted (`npx vitest run --dir test golden -u`).
 */
import { describe, expect, test } from "vitest";
import { providerKinds } from "../providers/index.ts";
import { dialects } from "../src/dialects/index.ts";
import type { JsonObject } from "../src/chat.ts";
import { outgoing } from "../src/lane.ts";
import { createModelTable } from "../src/models.ts";
import { richRequest } from "./conformance/rich.ts";
import { NO_FACTS } from "./made-target.ts";

const TABLE = createModelTable();
const CLIENTS = { "openai-chat": "chat", "anthropic-messages": "messages" } as const;
/** A model of each provider; `undefined` in the table is one that nobody knows. */
const UPSTREAMS: readonly (readonly [provider: string, model: string])[] = [
  ["openai", "gpt-5.4-nano"],
  ["openai", "gpt-6-luna"],
  ["anthropic", "claude-haiku-4-5"],
  ["anthropic", "claude-haiku-5-5"],
  ["mistral", "mistral-small-2603"],
  ["vllm", "mistralai/Mistral-Small-4-119B-2603"],
  ["ollama", "qwen3:4b"],
];

describe.each(Object.entries(CLIENTS))("%s", (client, api) => {
  test.each(UPSTREAMS)("as %s's %s is sent it", async (kind, model) => {
    const written = writtenFor(client, richRequest(api, "plain", model) as JsonObject, kind, model);
    const name = `${client}--${kind}--${model.replaceAll(/[^A-Za-z0-9.-]+/g, "_")}.json`;
    await expect(`${JSON.stringify(written, null, 2)}\n`).toMatchFileSnapshot(`golden/${name}`);
  });
});

function writtenFor(client: string, body: JsonObject, kind: string, model: string): object {
  const provider = providerKinds.find((known) => known.kind === kind);
  if (provider === undefined) throw new Error(`there is no kind ${kind}`);
  const record = TABLE.find(model);
  const spoken = provider.dialects(model, record);
  const upstream = dialectOf(spoken.includes(client) ? client : spoken[0]);
  const dialect = dialectOf(client);
  const raw = Buffer.from(JSON.stringify(body));
  const { lane, losses, bytes } = outgoing(
    {
      id: "exchange",
      dialect,
      caller: { name: undefined, tenant: "" },
      headers: new Headers(),
      search: "",
      raw,
      body,
      request: dialect.readRequest(body),
      receivedAtMs: 0,
      startedAt: 0,
    },
    {
      target: {
        name: `${kind}/${model}`,
        instance: { name: kind, provider, settings: { baseUrls: [] } },
        model,
        record,
        price: undefined,
      },
      named: true,
    },
    upstream,
    { strict: false, call: NO_FACTS },
  );
  return { lane, dialect: upstream.name, losses, body: JSON.parse(Buffer.from(bytes).toString("utf8")) as unknown };
}

function dialectOf(name: string): (typeof dialects)[number] {
  const found = dialects.find((dialect) => dialect.name === name);
  if (found === undefined) throw new Error(`there is no dialect ${name}`);
  return found;
}
