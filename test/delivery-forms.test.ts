/** What each kind of channel is sent. */
import { OpenAI } from "openai";
import { expect, test } from "vitest";
import type { AlertEvent } from "../src/alerts/alert.ts";
import type { BudgetNotice } from "../src/budgets/budget.ts";
import { alertMessage, CAUSE_PARTS_MAX } from "../src/delivery/alert-message.ts";
import { budgetMessage } from "../src/delivery/budget-message.ts";
import { forms } from "../src/delivery/form.ts";
import { idempotencyKey } from "../src/delivery/message.ts";
import { alert, channel, DAY_MS, DAY_START_MS, fired, FIRED_AT_MS, notice, resolved, USD } from "./delivery-made.ts";

const unnamed = () => undefined;
const alertMessageOf = (event: AlertEvent) => alertMessage(event, unnamed);
const budgetMessageOf = (told: BudgetNotice) => budgetMessage(told, unnamed);
const WHSEC = `whsec_${Buffer.from("a secret of thirty-two bytes, 32").toString("base64")}`;

test.each([
  ["base64", WHSEC],
  ["text", "a secret of plain text"],
])("a webhook's signature is one that others' libraries accept, its secret being %s", async (_name, secret) => {
  const { headers, body } = forms.webhook.outgoing(channel({ secret }), alertMessageOf(fired()), Date.now());
  const others = new OpenAI({ apiKey: "none" }).webhooks;
  await others.verifySignature(body, headers, secret);
  await expect(others.verifySignature(body.replace("batch", "other"), headers, secret)).rejects.toThrow();
  await expect(others.verifySignature(body, { ...headers, "webhook-id": "other" }, secret)).rejects.toThrow();
  await expect(others.verifySignature(body, headers, `${secret.slice(0, 10)}XX${secret.slice(12)}`)).rejects.toThrow();
  // Of ten minutes ago: somebody may have kept it.
  const late = forms.webhook.outgoing(channel({ secret }), alertMessageOf(fired()), Date.now() - 600_000);
  await expect(others.verifySignature(late.body, late.headers, secret)).rejects.toThrow();
});

test("each try of a webhook has the same body and key, and a signature of its own time", () => {
  const [first, second] = [1_000, 61_000].map((nowMs) =>
    forms.webhook.outgoing(channel({ secret: WHSEC }), alertMessageOf(fired()), nowMs),
  );
  expect(second?.body).toBe(first?.body);
  expect(second?.headers["idempotency-key"]).toBe("spend-day|batch|2026-11-25|1.5/fired");
  expect(second?.headers["webhook-id"]).toBe(first?.headers["webhook-id"]);
  expect(second?.headers["webhook-signature"]).not.toBe(first?.headers["webhook-signature"]);
});

test("a webhook has an alert's figures and cause", () => {
  const { body } = forms.webhook.outgoing(channel(), alertMessageOf(fired()), FIRED_AT_MS);
  expect(JSON.parse(body)).toEqual({
    type: "alert.fired",
    timestamp: "2026-11-25T14:00:00.000Z",
    id: "spend-day|batch|2026-11-25|1.5/fired",
    severity: "critical",
    title: "Spend is over 1.5× its baseline: key `batch` (spend-day)",
    text: "Spend of key `batch` today is 1.8 times its baseline ($90 of $50).",
    data: {
      alert: "spend-day|batch|2026-11-25|1.5",
      rule: "spend-day",
      scope: "key",
      tag: null,
      value: "batch",
      value_name: null,
      level: 1.5,
      basis: "actual",
      window_start: "2026-11-25T00:00:00.000Z",
      window_end: "2026-11-26T00:00:00.000Z",
      spent_usd: 90,
      baseline_usd: 50,
      baseline_kind: "learned",
      ratio: 1.8,
      projected_usd: 140,
      confidence: 0.9,
      unpriced_calls: 0,
      fired_at: "2026-11-25T14:00:00.000Z",
      resolved_at: null,
      cause: {
        text: "71 % of the excess is class triage-ticket: cache reads fell from 88 % to 3 % at 14:05",
        excess_usd: 40,
        windows: 28,
        since: "2026-11-25T13:00:00.000Z",
        parts: [
          {
            class: "triage-ticket",
            target: "anthropic/claude-haiku-5-5",
            kind: "cache",
            amount_usd: 28,
            before: 0.88,
            now: 0.03,
          },
        ],
      },
    },
  });
});

test("what cannot be said as a number is null, and a cause of many parts is cut", () => {
  const { cause } = alert();
  const [part] = cause?.parts ?? [];
  if (cause === undefined || part === undefined) throw new Error("the alert has a cause");
  const parts = Array.from({ length: 100 }, () => ({ ...part, before: Number.NaN, now: Number.POSITIVE_INFINITY }));
  const message = alertMessageOf(fired({ baseline: 0n, projected: undefined, cause: { ...cause, parts } }));
  const { data } = JSON.parse(forms.webhook.outgoing(channel(), message, 0).body) as {
    data: { ratio: unknown; projected_usd: unknown; cause: { parts: readonly unknown[] } };
  };
  expect(data).toMatchObject({ ratio: null, projected_usd: null, baseline_usd: 0 });
  expect(data.cause.parts).toHaveLength(CAUSE_PARTS_MAX);
  expect(data.cause.parts[0]).toMatchObject({ before: null, now: null });
  expect(alertMessageOf(fired({ cause: undefined })).facts["cause"]).toBeNull();
});

test("a budget's notice says what is spent, of how much, and what may come", () => {
  const message = budgetMessageOf(notice());
  expect(message).toMatchObject({
    type: "budget.level",
    severity: "warning",
    title: "80 % of its limit is spent: budget `key-day`, key `batch`",
    text: "$8.01 of $10.00 is spent, and calls under way may cost $0.20 more.",
    endsAtMs: DAY_START_MS + DAY_MS,
    facts: { spent_usd: 8.01, reserved_usd: 0.2, limit_usd: 10, level: 0.8 },
  });
  expect(budgetMessageOf(notice({ kind: "level", level: 1 })).severity).toBe("critical");
  expect(budgetMessageOf(notice({ kind: "refused" }))).toMatchObject({ type: "budget.refused", severity: "critical" });
  expect(budgetMessageOf(notice({ kind: "unpriced", limit: undefined })).facts["limit_usd"]).toBeNull();
});

test("a class that is derived from its prompts is called by its name", () => {
  const named = (id: string) => (id === "c-3f9a1c" ? "triage" : undefined);
  const ofClass = { scope: "class", value: "c-3f9a1c" } as const;
  const alerted = alertMessage(fired(ofClass), named);
  expect(alerted.title).toContain("class `triage`");
  expect(alerted.facts).toMatchObject({ value: "c-3f9a1c", value_name: "triage" });
  expect(alerted.labels["value"]).toBe("c-3f9a1c");
  expect(budgetMessage(notice(ofClass), named).title).toContain("class `triage`");
  expect(budgetMessage(notice({ value: "c-3f9a1c" }), named).facts["value_name"]).toBeNull();
});

test("a rolling window's notice stands for the window's length", () => {
  const window = { startMs: FIRED_AT_MS - 3_600_000, endMs: FIRED_AT_MS };
  expect(budgetMessageOf(notice({ window })).endsAtMs).toBe(FIRED_AT_MS + 3_600_000);
});

test("Slack gets a text and an attachment whose colour says how bad it is", () => {
  const body = JSON.parse(forms.slack.outgoing(channel({ kind: "slack" }), alertMessageOf(fired()), 0).body) as object;
  expect(body).toEqual({
    text: ":rotating_light: Spend is over 1.5× its baseline: key `batch` (spend-day)",
    unfurl_links: false,
    unfurl_media: false,
    attachments: [
      {
        color: "danger",
        fallback: "Spend is over 1.5× its baseline: key `batch` (spend-day)",
        text: "Spend of key `batch` today is 1.8 times its baseline ($90 of $50).",
        fields: [
          { title: "Spent", value: "$90.00 (1.8×)", short: true },
          { title: "Baseline", value: "$50.00 (learned)", short: true },
          { title: "Projected", value: "at least $140.00 (90 % sure)", short: true },
        ],
        footer: "Sluice",
        ts: FIRED_AT_MS / 1000,
        mrkdwn_in: ["text"],
      },
    ],
  });
  expect(forms.slack.outgoing(channel({ kind: "slack" }), alertMessageOf(resolved()), 0).body).toContain('"good"');
});

test("a name that somebody made up calls nobody in Slack, and ends no line", () => {
  const value = "x<!channel>&`\n*now*`";
  const message = alertMessageOf(fired({ scope: "tag", tag: "department", value }));
  const { body } = forms.slack.outgoing(channel({ kind: "slack" }), message, 0);
  expect(body).not.toContain("<!");
  expect(message.title).toBe("Spend is over 1.5× its baseline: department `x<!channel>&*now*` (spend-day)");
  expect(body).toContain("x&lt;!channel&gt;&amp;*now*");
});

test("Alertmanager is told an end some resends off while it fires, and the true one when it is resolved", () => {
  const url = "https://alerts.example/prefix/";
  const to = channel({ kind: "alertmanager", url });
  const firing = forms.alertmanager.outgoing(to, alertMessageOf(fired()), FIRED_AT_MS + 1_000);
  expect(firing.url).toBe("https://alerts.example/prefix/api/v2/alerts");
  const labels = {
    alertname: "SluiceSpendOverBaseline",
    rule: "spend-day",
    scope: "key",
    value: "batch",
    level: "1.5",
    severity: "critical",
    service: "sluice",
  };
  expect(JSON.parse(firing.body)).toMatchObject([
    { labels, startsAt: "2026-11-25T14:00:00.000Z", endsAt: "2026-11-25T14:04:01.000Z" },
  ]);
  const ended = forms.alertmanager.outgoing(to, alertMessageOf(resolved()), FIRED_AT_MS + DAY_MS);
  expect(JSON.parse(ended.body)).toMatchObject([{ labels, endsAt: "2026-11-25T16:00:00.000Z" }]);
});

test("an id that no header can carry is its hash there, always the same", () => {
  const message = budgetMessageOf(notice({ id: "tag|größe 1\r\nx: y|2026-11-25|level:1", spent: USD }));
  const { headers } = forms.webhook.outgoing(channel(), message, 0);
  expect(headers["webhook-id"]).toMatch(/^sha256-[0-9a-f]{64}$/);
  expect(headers["webhook-id"]).toBe(idempotencyKey(message.id));
  expect(idempotencyKey("x".repeat(256))).toMatch(/^sha256-/);
  expect(idempotencyKey("x".repeat(255))).toBe("x".repeat(255));
});
