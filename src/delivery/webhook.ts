/** A receiver of one's own: JSON with an idempotency key, signed. */
import type { Form } from "./form.ts";
import { idempotencyKey } from "./message.ts";
import { signatureOf } from "./signature.ts";

export const webhook: Form = {
  forgets: false,
  outgoing(channel, message, nowMs) {
    const id = idempotencyKey(message.id);
    // The same for each try: who keeps a hash of it sees that nothing is new.
    const body = JSON.stringify({
      type: message.type,
      timestamp: new Date(message.atMs).toISOString(),
      id,
      severity: message.severity,
      title: message.title,
      text: message.text,
      data: message.facts,
    });
    const seconds = Math.floor(nowMs / 1000);
    return {
      url: channel.url,
      headers: {
        "idempotency-key": id,
        "webhook-id": id,
        "webhook-timestamp": String(seconds),
        ...(channel.secret === undefined
          ? {}
          : { "webhook-signature": signatureOf(channel.secret, id, seconds, body) }),
      },
      body,
    };
  },
};
