/** From a call that costs too much to the people who hear of it: through the whole gateway. */
import { OpenAI } from "openai";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startReceiver, type Receiver } from "./delivery-made.ts";
import { until } from "./running.ts";
import { HOUR_MS, startSpending, type Spending } from "./spending.ts";

const SECRET = "a secret of sixteen or more";
/** The gateway's clock is a test's own. */
const SIMULATED_SECONDS = 1e10;
let receiver: Receiver;
let spending: Spending;
beforeEach(async () => {
  receiver = await startReceiver();
  spending = await startSpending(
    `
  - { name: hook, kind: webhook, url: "${receiver.url}/hook", secretEnv: HOOK_SECRET }
  - { name: team, kind: slack, urlEnv: SLACK_URL, tells: [alerts] }
  - { name: am, kind: alertmanager, url: "${receiver.url}/am" }
`,
    { HOOK_SECRET: SECRET, SLACK_URL: `${receiver.url}/slack/s3cret` },
  );
});
afterEach(async () => {
  await spending.close();
  await receiver.close();
});

const at = (path: string) => receiver.received.filter((one) => one.path === path);

test("spend of 150 % of its baseline is told on each channel, once, and so is that it is over", async () => {
  const { gateway } = spending;
  await spending.spend(12);
  await gateway.sluice.ledger.flush();
  await gateway.sluice.alerts.evaluate();
  expect(spending.spent()).toBeLessThan(15);
  await spending.spend(15.01);
  await gateway.sluice.alerts.evaluate();
  await until(() => receiver.received.length === 3);

  const [hook] = at("/hook");
  if (hook === undefined) throw new Error("the webhook was told");
  const headers = Object.fromEntries(Object.entries(hook.headers).map(([name, value]) => [name, String(value)]));
  await new OpenAI({ apiKey: "none" }).webhooks.verifySignature(hook.body, headers, SECRET, SIMULATED_SECONDS);
  const told = JSON.parse(hook.body) as { id: string; text: string; data: Record<string, unknown> };
  expect(told).toMatchObject({
    type: "alert.fired",
    severity: "critical",
    data: { rule: "hour", scope: "global", value: "", level: 1.5, basis: "actual", baseline_usd: 10 },
  });
  expect(told.data["spent_usd"]).toBeCloseTo(spending.spent(), 6);
  expect(hook.headers["idempotency-key"]).toBe(told.id);
  const slack = JSON.parse(at("/slack/s3cret")[0]?.body ?? "") as {
    text: string;
    attachments: readonly { text: string }[];
  };
  expect(slack.text).toBe(":rotating_light: Spend is over 1.5× its baseline: everything (hour)");
  expect(slack.attachments[0]?.text).toBe(told.text.replaceAll(">", "&gt;"));
  const [alert] = JSON.parse(at("/am/api/v2/alerts")[0]?.body ?? "") as [{ labels: object }];
  expect(alert.labels).toMatchObject({ alertname: "SluiceSpendOverBaseline", rule: "hour", level: "1.5" });

  // More of it is no news.
  await spending.spend(20);
  await gateway.sluice.alerts.evaluate();
  // An hour of calm in the next hour, and it is over.
  for (const ms of [HOUR_MS, HOUR_MS + 60_000]) {
    spending.pass(ms);
    await gateway.sluice.alerts.evaluate();
  }
  await until(() => at("/hook").length === 2 && at("/slack/s3cret").length === 2);
  const over = JSON.parse(at("/hook")[1]?.body ?? "") as object;
  expect(over).toMatchObject({ type: "alert.resolved", data: { alert: told.data["alert"], rule: "hour" } });
  const logged = gateway.logged.join("");
  expect(logged).toContain('"event":"notified"');
  expect(logged).not.toMatch(/s3cret|a secret of|127\.0\.0\.1:\d+\/(?:hook|slack|am)/);
  expect(await gateway.metric('sluice_notifications_total{channel="hook",result="told"}')).toBe(2);
});
