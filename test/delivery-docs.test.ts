/** What docs/delivery.md shows works: the config loads, the snippet verifies. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { providerKinds } from "../providers/index.ts";
import { loadConfig } from "../src/config.ts";
import { alertMessage } from "../src/delivery/alert-message.ts";
import { forms } from "../src/delivery/form.ts";
import { createMetrics } from "../src/metrics.ts";
import { channel, fired } from "./delivery-made.ts";

const docs = readFileSync(new URL("../docs/delivery.md", import.meta.url), "utf8");
const block = (language: string) => new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "m").exec(docs)?.[1] ?? "";

test("the example of a config loads", () => {
  const { config } = loadConfig({
    arguments: [],
    environment: {
      SLUICE_HOOK_SECRET: "a secret of sixteen or more",
      SLACK_WEBHOOK_URL: "https://hooks.slack.example/x",
    },
    folder: "/nowhere",
    kinds: providerKinds,
    readFile: () => block("yaml"),
  });
  expect(config.notify.map(({ kind }) => kind)).toEqual(["webhook", "slack", "alertmanager"]);
  expect(config.warnings).toEqual([]);
});

test.each(["a secret of sixteen or more", `whsec_${Buffer.alloc(32, 7).toString("base64")}`])(
  "the snippet for receivers takes what is ours and refuses the rest (%s)",
  async (secret) => {
    const source = `data:text/javascript,${encodeURIComponent(block("js"))}`;
    const { isFromSluice } = (await import(/* @vite-ignore */ source)) as {
      isFromSluice: (headers: object, body: string, secret: string, nowMs?: number) => boolean;
    };
    const nowMs = 1_700_000_000_000;
    const { headers, body } = forms.webhook.outgoing(
      channel({ secret }),
      alertMessage(fired(), () => undefined),
      nowMs,
    );
    expect(isFromSluice(headers, body, secret, nowMs + 60_000)).toBe(true);
    expect(isFromSluice(headers, `${body} `, secret, nowMs)).toBe(false);
    expect(isFromSluice(headers, body, `${secret.slice(0, 12)}QQ${secret.slice(14)}`, nowMs)).toBe(false);
    expect(isFromSluice(headers, body, secret, nowMs + 301_000)).toBe(false);
    expect(isFromSluice({}, body, secret, nowMs)).toBe(false);
    expect(isFromSluice({ ...headers, "webhook-signature": "v1,AAAA" }, body, secret, nowMs)).toBe(false);
    const two = { ...headers, "webhook-signature": `v1,${"A".repeat(43)}= ${headers["webhook-signature"]}` };
    expect(isFromSluice(two, body, secret, nowMs)).toBe(true);
  },
);

test("each series of its table is one of the gateway's", async () => {
  const text = await createMetrics({ process: false }).render();
  const table = docs.slice(docs.indexOf("## Prometheus"), docs.indexOf("# What each alert means"));
  const named = [...table.matchAll(/`(sluice_\w+)`/g)].map(([, name]) => name);
  expect(named.length).toBeGreaterThan(8);
  for (const name of named) expect(text).toContain(`# TYPE ${name} `);
});
