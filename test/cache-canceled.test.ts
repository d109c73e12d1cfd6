/** A stream that its client leaves has told at its start what of the prompt was read and written, and that is believed. */
import { afterEach, expect, test } from "vitest";
import { open } from "./line-client.ts";
import { startLine, type Line } from "./line-setup.ts";
import { wires } from "./line-wires.ts";
import { until } from "./running.ts";

const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ".repeat(200);

let line: Line | undefined;
afterEach(async () => {
  await line?.close();
  line = undefined;
});

test.each([
  { told: "nothing was written", input: 3000, written: 0, isWarm: false },
  { told: "all was written", input: 0, written: 3000, isWarm: true },
])("where it tells that $told", async ({ input, written, isWarm }) => {
  const wire = wires.find(({ kind }) => kind === "anthropic");
  if (wire === undefined) throw new Error("there is one");
  line = await startLine({ yaml: "cache: { mode: improve }" });
  const { gateway, url } = line;
  const usage = {
    input_tokens: input,
    cache_creation_input_tokens: written,
    cache_read_input_tokens: 0,
    output_tokens: 1,
  };
  const events = wire.events({ texts: ["Hello"], input: 1, cacheRead: 0, output: 1 });
  line.upstream("anthropic").answer((outgoing) => {
    outgoing.writeHead(200, { "content-type": "text/event-stream" });
    // Up to its first word, and then nothing: the body stays open.
    const said = events.slice(0, 3).join("");
    outgoing.write(said.replace(/"usage":\{[^}]*\}/, `"usage":${JSON.stringify(usage)}`));
  });
  const leave = async () => {
    const body = { ...wire.request({ model: wire.model, stream: true, text: WORDS }) };
    const leaver = open(url, wire.path, { body });
    await until(() => wire.textOfStream(leaver.received).includes("Hello"));
    leaver.leave();
    await until(() => line?.upstream("anthropic").open === 0);
  };
  await leave();
  await leave();
  await until(async () => (await gateway.allAttempts()).length === 2);
  const rows = await gateway.allAttempts();
  expect(rows.map(({ outcome, cost_basis }) => [outcome, cost_basis])).toEqual(
    Array.from({ length: 2 }, () => ["canceled", "estimated"]),
  );
  const predicted = rows.map(({ predicted_read }) => predicted_read ?? 0);
  expect(Math.max(...predicted) > 0).toBe(isWarm);
});
