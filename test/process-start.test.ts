import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { call } from "./line-client.ts";
import { wires } from "./line-wires.ts";
import { processFolder, type ProcessFolder } from "./process-gateway.ts";

let folder: ProcessFolder;
let other: ProcessFolder;
beforeEach(() => {
  folder = processFolder();
  other = processFolder();
});
afterEach(async () => {
  await folder.remove();
  await other.remove();
});

describe("starting", { timeout: 60_000 }, () => {
  test("with nothing configured it serves both dialects from the sandbox", async () => {
    const gateway = await folder.start();
    for (const wire of wires) {
      const answer = await call(gateway.url, wire.path, { body: wire.request({ model: "auto" }) });
      expect(answer.status).toBe(200);
      expect(wire.textOfWhole(answer.text).length).toBeGreaterThan(0);
    }
  });

  test("a second one on the same data is refused in a sentence, and the first goes on", async () => {
    const first = await folder.start();
    const second = await folder.start();
    expect(await second.ended).toBe(1);
    expect(second.said()).toMatch(/^Sluice cannot start: .*in use by another gateway.*\n$/);
    expect((await call(first.url, "/readyz", { method: "GET" })).status).toBe(200);
    // The lock is its holder's, and dies with it.
    first.process.kill("SIGKILL");
    await first.ended;
    const third = await folder.start();
    expect((await call(third.url, "/readyz", { method: "GET" })).status).toBe(200);
  });

  test("a port that is taken is said in a sentence, and leaves nothing behind", async () => {
    const first = await folder.start();
    const second = await other.start({ PORT: new URL(first.url).port });
    expect(await second.ended).toBe(1);
    expect(second.said()).toContain("the port is in use");
    expect(second.said()).not.toMatch(/\n\s+at /);
    expect((await other.start()).url).not.toBe("");
  });

  test("a config that is wrong is told whole, without a stack", async () => {
    folder.configure("lissten: { port: 1 }\nretries: { attemptsMax: 0 }");
    const gateway = await folder.start();
    expect(await gateway.ended).toBe(2);
    expect(gateway.said()).toContain("lissten");
    expect(gateway.said()).toContain("attemptsMax");
    expect(gateway.said()).not.toMatch(/\n\s+at /);
  });

  test("an address that others can reach is refused without keys", async () => {
    const open = await folder.start({ HOST: "0.0.0.0" });
    expect(await open.ended).toBe(2);
    expect(open.said()).toContain("SLUICE_API_KEYS");
  });
});
