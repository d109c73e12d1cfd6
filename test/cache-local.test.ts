/** What is predicted of a local server's own memory, which nobody says the size of: the gateway before a simulated Ollama. */
import { expect, test } from "vitest";
import { manualClock, startSandbox } from "../bench/sandbox/index.ts";
import { startGateway } from "./running.ts";

const MODEL = "ollama/llama3.1:latest";
const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ";

interface Row {
  readonly predicted: number;
  readonly read: number;
  readonly heldMs: number;
}

/** @param parallel Slots of the server. */
async function withOllama(
  parallel: number,
  use: (send: (texts: readonly string[]) => Promise<readonly Row[]>) => Promise<void>,
): Promise<void> {
  const clock = manualClock();
  const pace = { firstTokenMs: 20, prefillTokensPerSecond: 100_000, tokensPerSecond: 500 };
  const sandbox = await startSandbox({
    host: "127.0.0.1",
    port: 0,
    ...(parallel === 1 ? { clock } : { pace }),
    ollama: { contextTokens: 16_384, parallel },
  });
  const gateway = await startGateway({ environment: { OLLAMA_HOST: `${sandbox.url}/ollama` } });
  let asked = 0;
  const ask = async (text: string): Promise<void> => {
    asked += 1;
    const messages = [
      { role: "system", content: text },
      { role: "user", content: `Question ${asked}` },
    ];
    const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer any" },
      body: JSON.stringify({ model: MODEL, max_tokens: 20, stream: true, messages }),
    });
    await answer.text();
  };
  try {
    await use(async (texts) => {
      await Promise.all(texts.map(ask));
      const rows = await gateway.allAttempts();
      return rows.slice(-texts.length).map((row) => ({
        predicted: row.predicted_read ?? 0,
        read: row.usage.cache_read ?? 0,
        heldMs: row.held_ms ?? 0,
      }));
    });
  } finally {
    await gateway.close();
    await sandbox.close();
  }
}

test("two conversations that take turns in one slot are promised to be read once, and no more", async () => {
  await withOllama(1, async (send) => {
    const texts = [`A. ${WORDS.repeat(100)}`, `B. ${WORDS.repeat(100)}`];
    const rows: Row[] = [];
    for (let index = 0; index < 8; index += 1) rows.push(...(await send([texts[index % 2] as string])));
    for (const { read } of rows) expect(read).toBeLessThan(100);
    expect(rows.filter(({ predicted }) => predicted > 1_000)).toHaveLength(1);
    // One of them alone has the slot for itself.
    await send([texts[0] as string]);
    const [again] = await send([texts[0] as string]);
    expect(again?.predicted).toBeGreaterThan(1_000);
    expect(again?.read).toBeGreaterThan(1_000);
  });
});

test("where each call has a slot of its own, siblings wait for one in vain once, and no more", async () => {
  await withOllama(8, async (send) => {
    const siblings = (name: string) => Array.from({ length: 8 }, () => `${name}. ${WORDS.repeat(150)}`);
    const first = await send(siblings("first"));
    expect(first.some(({ heldMs }) => heldMs > 0)).toBe(true);
    const second = await send(siblings("second"));
    for (const { predicted, read, heldMs } of second) {
      expect(heldMs).toBe(0);
      expect(predicted).toBe(0);
      expect(read).toBeLessThan(100);
    }
  });
});
