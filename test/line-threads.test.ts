import { afterAll, beforeAll, expect, test } from "vitest";
import { json } from "./fake-upstream.ts";
import { call } from "./line-client.ts";
import { answers, startLine, type Line } from "./line-setup.ts";
import { wires, type Wire } from "./line-wires.ts";

/** The one dialect that has message threads, and one that has not. */
const threaded = wires.find((wire) => wire.dialect === "anthropic-messages") as Wire;
const other = wires.find((wire) => wire.dialect === "openai-chat") as Wire;
const THREADS = [{ type: "create" }, { type: "continue", previous_message_id: "msg_1" }];

let line: Line;
beforeAll(async () => {
  line = await startLine({ yaml: "retries: { attemptsMax: 1 }" });
});
afterAll(() => line.close());

const serve = (model: string, thread: object, stream = false) =>
  call(line.url, threaded.path, {
    headers: { "anthropic-beta": "message-threads-2026-08-12" },
    body: { ...threaded.request({ model, stream }), thread },
  });

test.each(THREADS)("thread %j goes to its own provider as it is, with the beta that it needs", async (thread) => {
  line.upstream(threaded.kind).answer(answers(threaded));
  const answer = await serve(threaded.model, thread);
  expect(answer.status).toBe(200);
  const arrived = line.upstream(threaded.kind).requests.at(-1);
  expect(JSON.parse(arrived?.body.toString() ?? "")).toMatchObject({ thread });
  expect(arrived?.headers["anthropic-beta"]).toBe("message-threads-2026-08-12");
});

test.each(THREADS)(
  "thread %j to a provider without threads is refused in the words that clients know",
  async (thread) => {
    for (const stream of [false, true]) {
      const answer = await serve(other.model, thread, stream);
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.text)).toMatchObject({
        type: "error",
        error: {
          type: "invalid_request_error",
          details: { error_code: "thread_unsupported_request", unsupported: ["thread"] },
        },
      });
    }
    expect(line.upstream(other.kind).requests).toHaveLength(0);
  },
);

test("a thread that is null is no thread", async () => {
  line.upstream(other.kind).answer(answers(other));
  const answer = await call(line.url, threaded.path, {
    body: { ...threaded.request({ model: other.model }), thread: null },
  });
  expect(answer.status).toBe(200);
});

test("a thread that the provider does not know is told with its details", async () => {
  const details = { error_code: "thread_not_found" };
  const body = threaded.error(404, "thread not found") as { error: object };
  line.upstream(threaded.kind).answer(json({ ...body, error: { ...body.error, details } }, 404));
  const answer = await serve(threaded.model, { type: "continue", previous_message_id: "msg_1" });
  expect(answer.status).toBe(404);
  expect(JSON.parse(answer.text)).toMatchObject({ error: { details } });
});
