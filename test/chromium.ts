/** Debian's Chromium without a window, asked over its own protocol: what a page looks like, and what it complains of. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const hasChromium: boolean = isInstalled();

function isInstalled(): boolean {
  try {
    execFileSync("chromium", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

export interface Viewport {
  readonly width: number;
  readonly height: number;
  readonly scheme: "light" | "dark";
  readonly media?: "screen" | "print";
}

export interface OpenPage {
  /** Of an expression; its value must be JSON. */
  evaluate<Value>(expression: string): Promise<Value>;
  /** PNG of the page from there down to there. */
  screenshot(top: number, bottom: number): Promise<Buffer>;
  readonly complaints: readonly string[];
  /** Every address that it asked for. */
  readonly asked: readonly string[];
}

export interface Chromium {
  open(url: string, viewport: Viewport): Promise<OpenPage>;
  close(): Promise<void>;
}

const WAIT_MS = 20_000;

export async function startChromium(): Promise<Chromium> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-chromium-"));
  const child = spawn(
    "chromium",
    [
      "--headless",
      // Chromium refuses to run as root within its own sandbox, and CI often is root; it opens nothing but our page.
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--disable-background-networking",
      "--disable-component-update",
      "--no-first-run",
      "--host-resolver-rules=MAP * ~NOTFOUND",
      "--remote-debugging-port=0",
      `--user-data-dir=${folder}`,
      "about:blank",
    ],
    { stdio: ["ignore", "ignore", "pipe"], detached: true },
  );
  const ended = once(child, "exit");
  const end = async (): Promise<void> => {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  let protocol: Protocol;
  try {
    protocol = await connect(await addressOf(child));
  } catch (error) {
    await end();
    throw error;
  }
  return {
    open: (url, viewport) => open(protocol, url, viewport),
    async close() {
      protocol.close();
      await end();
    },
  };
}

async function addressOf(child: ChildProcess): Promise<string> {
  const stderr = child.stderr;
  if (stderr === null) throw new Error("Chromium has no stderr");
  for await (const line of createInterface({ input: stderr, signal: AbortSignal.timeout(WAIT_MS) })) {
    const [, address] = /^DevTools listening on (ws:\S+)/.exec(line) ?? [];
    if (address === undefined) continue;
    // Whatever else it says must not fill the pipe.
    stderr.resume();
    return address;
  }
  throw new Error("Chromium ended before it said where it listens");
}

type Json = Readonly<Record<string, unknown>>;

interface Protocol {
  send(method: string, parameters?: Json, sessionId?: string): Promise<Json>;
  /** Of one page. */
  onEvent(sessionId: string, heard: (method: string, parameters: Json) => void): void;
  close(): void;
}

async function connect(address: string): Promise<Protocol> {
  const socket = new WebSocket(address);
  await once(socket, "open", { signal: AbortSignal.timeout(WAIT_MS) });
  const waiting = new Map<number, { resolve: (result: Json) => void; reject: (error: Error) => void }>();
  const listeners = new Map<string, (method: string, parameters: Json) => void>();
  let last = 0;
  socket.addEventListener("message", ({ data }) => {
    const { id, result, error, method, params, sessionId } = JSON.parse(String(data)) as {
      id?: number;
      result?: Json;
      error?: { message: string };
      method?: string;
      params?: Json;
      sessionId?: string;
    };
    if (id === undefined) return listeners.get(sessionId ?? "")?.(method ?? "", params ?? {});
    if (error === undefined) waiting.get(id)?.resolve(result ?? {});
    else waiting.get(id)?.reject(new Error(error.message));
    waiting.delete(id);
  });
  return {
    send(method, parameters = {}, sessionId) {
      last += 1;
      const { promise, resolve, reject } = Promise.withResolvers<Json>();
      waiting.set(last, { resolve, reject });
      socket.send(
        JSON.stringify({ id: last, method, params: parameters, ...(sessionId === undefined ? {} : { sessionId }) }),
      );
      return promise;
    },
    onEvent: (sessionId, heard) => void listeners.set(sessionId, heard),
    close: () => socket.close(),
  };
}

async function open(
  protocol: Protocol,
  url: string,
  { width, height, scheme, media = "screen" }: Viewport,
): Promise<OpenPage> {
  const { targetId } = await protocol.send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = (await protocol.send("Target.attachToTarget", { targetId, flatten: true })) as {
    sessionId: string;
  };
  const send = (method: string, parameters?: Json): Promise<Json> => protocol.send(method, parameters, sessionId);
  const complaints: string[] = [];
  const asked: string[] = [];
  const loaded = Promise.withResolvers<void>();
  protocol.onEvent(sessionId, (method, parameters) => {
    if (method === "Page.loadEventFired") loaded.resolve();
    if (method === "Network.requestWillBeSent") asked.push((parameters["request"] as { url: string }).url);
    if (COMPLAINTS.has(method)) complaints.push(JSON.stringify(parameters));
  });
  for (const domain of ["Page", "Runtime", "Log", "Network", "Audits"]) await send(`${domain}.enable`);
  await send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 700 });
  await send("Emulation.setEmulatedMedia", { media, features: [{ name: "prefers-color-scheme", value: scheme }] });
  await send("Page.navigate", { url });
  await loaded.promise;
  return {
    complaints,
    asked,
    async evaluate<Value>(expression: string) {
      const { result, exceptionDetails } = (await send("Runtime.evaluate", { expression, returnByValue: true })) as {
        result: { value: Value };
        exceptionDetails?: { text: string };
      };
      if (exceptionDetails !== undefined) throw new Error(`${exceptionDetails.text}: ${JSON.stringify(result)}`);
      return result.value;
    },
    async screenshot(top, bottom) {
      const clip = { x: 0, y: top, width, height: bottom - top, scale: 1 };
      const { data } = await send("Page.captureScreenshot", { format: "png", captureBeyondViewport: true, clip });
      return Buffer.from(String(data), "base64");
    },
  };
}

const COMPLAINTS: ReadonlySet<string> = new Set([
  "Runtime.exceptionThrown",
  "Runtime.consoleAPICalled",
  "Log.entryAdded",
  "Audits.issueAdded",
  "Network.loadingFailed",
]);
