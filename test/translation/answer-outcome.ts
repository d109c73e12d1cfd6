/** What becomes of a thing that an answer says, on its way into another dialect: asked of the decoder and the encoder themselves. */
import type { JsonObject, Loss } from "../../src/chat.ts";
import type { Dialect } from "../../src/dialects/dialect.ts";
import { differences, newWords, type Outcome } from "./outcome.ts";
import type { Said } from "./said.ts";

export function answerOutcomeOf(said: Said, upstream: Dialect, client: Dialect): Outcome {
  const before = told(said.without, upstream, client);
  const after = told(said.with, upstream, client);
  const words = newWords(before.losses, after.losses);
  const places = differences(before.body, after.body);
  const text = JSON.stringify(after.body);
  const isWhole = said.marks.every((one) => text.includes(one));
  if (words.length > 0) return { kind: places.length > 0 ? "changed" : "lost", words, places };
  return { kind: places.length > 0 && isWhole ? "kept" : "unsaid", words, places };
}

function told(answer: JsonObject, upstream: Dialect, client: Dialect): { body: JsonObject; losses: Loss[] } {
  const losses: Loss[] = [];
  const decoder = upstream.decoder(false);
  const options = {
    stream: false,
    model: "auto",
    includeUsage: true,
    wantsReasoning: true,
    id: "x1",
    createdSeconds: 1,
  };
  const encoder = client.encoder(options, losses);
  const events = [...decoder.push(Buffer.from(JSON.stringify(answer))), ...decoder.end()];
  const pieces = events.map((event) => encoder.push(event));
  return { body: JSON.parse([...pieces, encoder.end()].join("")) as JsonObject, losses };
}
