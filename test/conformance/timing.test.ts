/**
 * Recorded streams as time passes: what came is passed on before more comes, a client that leaves takes the upstream's work with
 * it, one that leaves when all is said is billed for all, and streams that run side by side stay apart.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Script } from "../fake-upstream.ts";
import { open, type OpenCall } from "../line-client.ts";
import { until } from "../running.ts";
import { object, readAnswer, type Api } from "./answer.ts";
import { describeMaterial, recordings, type Recording } from "./material.ts";
import { CLIENT_KEY, startStage, type Stage } from "./stage.ts";

const streams = recordings().filter(({ kind, status, request }) => {
  const asked = object(request.body["stream_options"])["include_usage"] === true;
  return kind === "sse" && status === 200 && (asked || request.body["max_tokens"] !== undefined);
});
/** One of each surface, long enough to be cut anywhere. */
const samples = (["openai", "anthropic"] as const).flatMap((provider) => {
  const own = streams.filter((recording) => recording.provider === provider && framesOf(recording).length > 12);
  return own.filter(({ api, response }) => readAnswer(api, true, response.bytes).text.length > 100).slice(0, 1);
});

describeMaterial("a recorded stream, as time passes,", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await startStage();
  });
  afterAll(() => stage.close());

  for (const recording of samples) {
    for (const client of ["chat", "messages"] as const) {
      describe(`from ${recording.provider} to a ${client} client`, () => {
        test("is passed on while it comes", async () => {
          const [first, rest] = [framesOf(recording).slice(0, 6), framesOf(recording).slice(6)];
          let goOn = (): void => undefined;
          const released = new Promise<void>((resolve) => (goOn = resolve));
          stage.upstream.answer(
            frames(recording, async (outgoing) => {
              for (const frame of first) outgoing.write(frame);
              await released;
              for (const frame of rest) outgoing.write(frame);
              outgoing.end();
            }),
          );
          const call = begin(stage, recording, client);
          await until(() => call.received.includes("\n\n"));
          goOn();
          const answer = await call.answer;
          expect(answer.isBroken).toBe(false);
          expect(readAnswer(client, true, answer.body).text).toBe(
            readAnswer(recording.api, true, recording.response.bytes).text,
          );
        });

        test("ends for the client when all is said, though the provider holds the connection", async () => {
          stage.upstream.answer(frames(recording, (outgoing) => void outgoing.write(recording.response.bytes)));
          const call = begin(stage, recording, client);
          let isOver = false;
          void call.answer.then(() => (isOver = true));
          await until(() => isOver).finally(() => call.leave());
          const answer = await call.answer;
          expect(answer.isBroken).toBe(false);
          await isBilledWhole(stage, recording, answer.headers["x-sluice-exchange"]);
          await until(() => stage.upstream.open === 0);
        });

        test("is stopped at the provider when the client leaves in the middle", async () => {
          stage.upstream.answer(
            frames(recording, (outgoing) => {
              for (const frame of framesOf(recording).slice(0, 6)) outgoing.write(frame);
            }),
          );
          const call = begin(stage, recording, client);
          await until(() => call.received.includes("\n\n"));
          const leftAt = performance.now();
          call.leave();
          await until(() => stage.upstream.open === 0);
          expect(performance.now() - leftAt).toBeLessThan(3_000);
          const row = (await stage.gateway(recording.provider).allAttempts()).at(-1);
          expect(row).toMatchObject({ outcome: "canceled", usage_basis: "estimated" });
          expect(row?.usage.input_uncached).toBeGreaterThan(0);
        });

        test("is billed whole when the client leaves with the last event", async () => {
          stage.upstream.answer(frames(recording, (outgoing) => void outgoing.write(recording.response.bytes)));
          const call = begin(stage, recording, client);
          await until(() => call.received.includes(LAST[client]));
          call.leave();
          await isBilledWhole(stage, recording, undefined);
          await until(() => stage.upstream.open === 0);
        });
      });
    }
  }

  test("stays itself beside the others", async () => {
    const some = streams
      .filter(({ provider }) => ["openai", "anthropic", "mistral", "groq"].includes(provider))
      .slice(0, 40);
    stage.upstream.answer(async (outgoing, { body }) => {
      const place = Number(/stream-(\d+)/.exec(body.toString("utf8"))?.[1]);
      const recording = some[place];
      if (recording === undefined) throw new Error("nobody asked for that");
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      for (const frame of framesOf(recording)) {
        outgoing.write(frame);
        await new Promise((resolve) => void setImmediate(resolve));
      }
      outgoing.end();
    });
    const answers = await Promise.all(
      some.map(({ provider, api, request }, at) =>
        stage.send(provider, { api, body: JSON.stringify({ ...request.body, model: `${provider}/stream-${at}` }) }),
      ),
    );
    for (const [at, answer] of answers.entries()) {
      expect(answer.bytes.toString("utf8")).toBe(some[at]?.response.bytes.toString("utf8"));
    }
  });
});

/** What a client has when it has everything. */
const LAST = { chat: "data: [DONE]\n\n", messages: '"type":"message_stop"' } as const;

function begin(stage: Stage, { provider, request }: Recording, client: Api): OpenCall {
  const model = `${provider}/${String(request.body["model"])}`;
  const messages = [{ role: "user", content: "Go on." }];
  return client === "chat"
    ? open(stage.gateway(provider).url, "/v1/chat/completions", {
        headers: { authorization: `Bearer ${CLIENT_KEY}` },
        body: { model, messages, stream: true, stream_options: { include_usage: true } },
      })
    : open(stage.gateway(provider).url, "/v1/messages", {
        headers: { "x-api-key": CLIENT_KEY },
        body: { model, messages, max_tokens: 1_024, stream: true },
      });
}

function frames(recording: Recording, write: Script): Script {
  return (outgoing, arrived, number) => {
    outgoing.writeHead(200, { "content-type": "text/event-stream", ...recording.response.headers });
    return write(outgoing, arrived, number);
  };
}

function framesOf({ response }: Recording): readonly string[] {
  return response.bytes.toString("utf8").split(/(?<=\n\n)/);
}

async function isBilledWhole(stage: Stage, recording: Recording, exchange: unknown): Promise<void> {
  const gateway = stage.gateway(recording.provider);
  const rows = exchange === undefined ? await gateway.allAttempts() : await gateway.attempts(String(exchange));
  const row = rows.at(-1);
  const usage = readAnswer(recording.api, true, recording.response.bytes).usage;
  expect(row).toMatchObject({ outcome: "complete", usage_basis: "reported" });
  expect(row?.usage.output).toBe(usage?.output);
}
