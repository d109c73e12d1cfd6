/** `npm start` ends when it is told to: npm itself tells only the shell between. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");

test("who ends npm start by a signal ends the gateway", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-npm-"));
  const npm = spawn("npm", ["start"], {
    cwd: ROOT,
    env: { ...process.env, PORT: "0", SLUICE_DATA: join(folder, "data"), LOG_LEVEL: "warn" },
    stdio: ["ignore", "pipe", "ignore"],
  });
  try {
    const url = await new Promise<string>((resolve, reject) => {
      let out = "";
      npm.stdout.on("data", (chunk: Buffer) => {
        out += chunk.toString("utf8");
        const found = /Sluice listens on (\S+)/.exec(out)?.[1];
        if (found !== undefined) resolve(found);
      });
      npm.once("exit", () => reject(new Error(`npm start ended: ${out}`)));
    });
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    npm.kill("SIGTERM");
    await expect.poll(() => isUp(url), { timeout: 10_000, interval: 100 }).toBe(false);
  } finally {
    npm.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
});

async function isUp(url: string): Promise<boolean> {
  try {
    await fetch(`${url}/healthz`);
    return true;
  } catch {
    return false;
  }
}
