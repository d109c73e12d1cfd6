/**
 * Alertmanager's v2 API. It keeps what fires in memory only, and takes for resolved what is not told again: so what fires is told again
 * until it does not, each time with an end so far off that a few may get lost, as Prometheus does it.
 */
import type { Form } from "./form.ts";

export const alertmanager: Form = {
  forgets: true,
  outgoing(channel, message, nowMs) {
    const { labels, severity, title, text, isResolved, startsAtMs, endsAtMs } = message;
    const endsMs = isResolved ? endsAtMs : nowMs + RESENDS * channel.resendMs;
    const alert = {
      labels: { ...labels, severity, service: "sluice" },
      annotations: { summary: title, description: text },
      startsAt: new Date(startsAtMs).toISOString(),
      // An end before the start is refused.
      endsAt: new Date(Math.max(endsMs, startsAtMs)).toISOString(),
    };
    const url = new URL(channel.url);
    url.pathname = `${url.pathname.replace(/\/+$/, "")}/api/v2/alerts`;
    return { url: url.href, headers: {}, body: JSON.stringify([alert]) };
  },
};

const RESENDS = 4;
