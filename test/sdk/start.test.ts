/** `npm start` on a machine with nothing set up: the command that it prints is answered. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { echoOf } from "./simulated.ts";

const ROOT = join(import.meta.dirname, "../..");

let folder: string;
let gateway: ChildProcess;
let banner: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-start-"));
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: { start: string } };
  const [command, script = ""] = scripts.start.split(" ");
  expect(command).toBe("node");
  // Elsewhere, so that no sluice.yaml of this checkout is read.
  gateway = spawn(process.execPath, [join(ROOT, script)], {
    cwd: folder,
    env: { PORT: "0", SLUICE_DATA: join(folder, "data") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  banner = await printed(gateway);
});
afterAll(async () => {
  gateway.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

test("it says that the sandbox answers, and what there is to choose from", () => {
  expect(banner).toMatch(/^Sluice listens on http:\/\/127\.0\.0\.1:\d+$/m);
  expect(banner).toMatch(/SANDBOX/);
  expect(banner).toMatch(/sandbox\/gpt-5\.4-nano \(\$0\.2 in, \$1\.25 out per million tokens\)/);
});

test("the curl that it prints is answered by the sandbox, with the model and the cost of it", async () => {
  const command = curlIn(banner);
  const { stdout } = await promisify(execFile)("/bin/sh", ["-c", `${command} -D -`], { timeout: 15_000 });
  const [head = "", body = ""] = stdout.split("\r\n\r\n");
  expect(head).toMatch(/^HTTP\/1\.1 200/);
  expect(head).toMatch(/^x-sluice-target: sandbox\//im);
  expect(head).toMatch(/^x-sluice-cost-usd: 0\.0*[1-9]/im);
  const answer = JSON.parse(body) as { choices: { message: { content: string } }[] };
  expect(answer.choices[0]?.message.content).toBe(echoOf("Hello"));
});

test("SIGTERM ends it by itself, with the ledger written", async () => {
  const ended = new Promise<number | null>((resolve) => void gateway.once("exit", resolve));
  gateway.kill("SIGTERM");
  expect(await ended).toBe(0);
  expect(existsSync(join(folder, "data", "ledger.sqlite"))).toBe(true);
});

/** Standard output up to the end of the banner. @throws with what it said when it ends instead. */
function printed(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let out = "";
    let errors = "";
    child.stderr?.on("data", (bytes: Buffer) => (errors += bytes.toString("utf8")));
    child.stdout?.on("data", (bytes: Buffer) => {
      out += bytes.toString("utf8");
      if (/\n {4}-d .*\n/.test(out)) resolve(out);
    });
    child.once("exit", (code) => reject(new Error(`it ended with ${code}: ${out}${errors}`)));
  });
}

/** The command as it is printed, over its lines. */
function curlIn(text: string): string {
  const lines = text.split("\n").map((line) => line.trim());
  const start = lines.findIndex((line) => line.startsWith("curl "));
  let end = start;
  while (lines[end]?.endsWith("\\") === true) end += 1;
  return lines.slice(start, end + 1).join("\n");
}
