/**
 * What the one pass over a prompt costs that hashes and counts it at every place where it may be cached.
 *
 *     node bench/prefixes/main.ts [--captures ../shared/conformance/captures] [--rounds N]
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BOUNDARY_LINE } from "../../src/cache/modes.ts";
import { readPrefixes } from "../../src/cache/prefixes.ts";
import type { ChatRequest, JsonObject } from "../../src/chat.ts";
import { anthropicMessages } from "../../src/dialects/anthropic-messages.ts";
import { openaiChat } from "../../src/dialects/openai-chat.ts";
import { openaiResponses } from "../../src/dialects/openai-responses.ts";
import { estimatePromptTokens } from "../../src/tokens.ts";

interface Sample {
  readonly name: string;
  readonly bytes: number;
  readonly request: ChatRequest;
}

const AGENT_BYTES = 40 * 1024;
const WORDS =
  "the parser reads a line and gives back what stood there before anyone asked for it while other threads wait".split(
    " ",
  );

function main(): void {
  const { values } = parseArgs({
    options: {
      captures: { type: "string", default: join(import.meta.dirname, "../../../shared/conformance/captures") },
      rounds: { type: "string", default: "2000" },
    },
  });
  const rounds = Number(values.rounds);
  const rows = [...made(), ...captured(values.captures)].map((sample) => row(sample, rounds));
  process.stdout.write(
    "| prompt | bytes | places | µs, least | µs, median | of which counting |\n|---|--:|--:|--:|--:|--:|\n",
  );
  process.stdout.write(`${rows.join("\n")}\n`);
}

function row({ name, bytes, request }: Sample, rounds: number): string {
  // A prompt of ten thousand messages is read often enough in as much time as others.
  const times = Math.max(20, Math.ceil(rounds / Math.max(1, request.messages.length / 50)));
  const whole = microseconds(() => readPrefixes(request, "tenant", BOUNDARY_LINE), times);
  const counting = microseconds(() => estimatePromptTokens(request), times);
  const { spots } = readPrefixes(request, "tenant", BOUNDARY_LINE);
  const cells = [whole.least, whole.median, counting.least].map((time) => time.toFixed(time < 1_000 ? 1 : 0));
  return `| ${[name, bytes, spots.length, ...cells].join(" | ")} |`;
}

/** The least of many is what a machine takes that has nothing else to do. */
function microseconds(work: () => unknown, times: number): { readonly least: number; readonly median: number } {
  const taken: number[] = [];
  // The first half is not measured: it is not compiled yet.
  for (let round = 0; round < 2 * times; round += 1) {
    const startedAt = performance.now();
    work();
    if (round >= times) taken.push((performance.now() - startedAt) * 1_000);
  }
  taken.sort((one, other) => one - other);
  return { least: taken[0] ?? Number.NaN, median: taken[taken.length >> 1] ?? Number.NaN };
}

function made(): readonly Sample[] {
  const say = speaker();
  const tools = Array.from({ length: 10 }, (_, index) => ({
    type: "function",
    function: {
      name: `tool_${index}`,
      description: say(400),
      parameters: {
        type: "object",
        properties: { path: { type: "string", description: say(80) } },
        required: ["path"],
      },
    },
  }));
  const turns = Array.from({ length: 40 }, (_, index) => ({
    role: index % 2 === 0 ? "user" : "assistant",
    content: say(500),
  }));
  const agent = { model: "m", tools, messages: [{ role: "system", content: say(12_000) }, ...turns] };
  const short = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ role: "user", content: `message number ${index}` }));
  return [
    sampleOf("made: tools, instructions, 40 turns", agent),
    sampleOf("made: one text", { model: "m", messages: [{ role: "user", content: say(AGENT_BYTES) }] }),
    ...[5_000, 20_000, 50_000].map((count) =>
      sampleOf(`made: ${count.toLocaleString("en")} messages`, { model: "m", messages: short(count) }),
    ),
  ];
}

/** The same words at every run. */
function speaker(): (characters: number) => string {
  let state = 1;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return (characters) => {
    let text = "";
    while (text.length < characters)
      text += `${WORDS[Math.floor(next() * WORDS.length)] ?? ""}${next() < 0.1 ? ".\n" : " "}`;
    return text;
  };
}

function sampleOf(name: string, body: JsonObject): Sample {
  return { name, bytes: JSON.stringify(body).length, request: openaiChat.readRequest(body) };
}

/** What agents were seen to send, where it lies beside this checkout. */
function captured(folder: string): readonly Sample[] {
  if (!existsSync(folder)) return [];
  const bodyOf = (file: string, index: number): JsonObject => {
    const { requests } = JSON.parse(readFileSync(join(folder, file), "utf8")) as {
      requests: readonly { readonly method: string; readonly body: JsonObject }[];
    };
    const sent = requests.filter(({ method }) => method === "POST")[index];
    if (sent === undefined) throw new Error(`${file} has no call number ${index}`);
    return sent.body;
  };
  const claude = withoutTools(bodyOf("claude-code--tools-loop.json", 4), AGENT_BYTES);
  const codex = bodyOf("codex--tools-loop.json", 2);
  const opencode = bodyOf("opencode--chat-tools-loop.json", 4);
  return [
    {
      name: "Claude Code, without its last tools",
      request: anthropicMessages.readRequest(claude),
      bytes: sizeOf(claude),
    },
    { name: "Codex", request: openaiResponses.readRequest(codex), bytes: sizeOf(codex) },
    { name: "opencode", request: openaiChat.readRequest(opencode), bytes: sizeOf(opencode) },
  ];
}

function withoutTools(body: JsonObject, bytesMax: number): JsonObject {
  const tools = body["tools"] as readonly JsonObject[];
  const kept = tools.findLastIndex((_, index) => sizeOf({ ...body, tools: tools.slice(0, index + 1) }) <= bytesMax);
  return { ...body, tools: tools.slice(0, kept + 1) };
}

function sizeOf(body: JsonObject): number {
  return Buffer.byteLength(JSON.stringify(body));
}

main();
