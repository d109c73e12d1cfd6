/**
 * The contenders. Adding one: a `Kind`, and its place in the list.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CLIENT_KEY, type CallShape, type Contender, type Kind, type Setting } from "./contender.ts";
import { freePort, listening, startProcess, type StartOptions } from "./process.ts";
import { HOLE_PATH } from "./traffic.ts";

const CHAT_PATH = "/v1/chat/completions";
const MODEL = "gpt-5.4-nano";
/** By path: for contenders that only pass bytes on. */
const BY_PATH = {
  usual: { path: CHAT_PATH, model: MODEL, headers: {} },
  hole: { path: HOLE_PATH + CHAT_PATH, model: MODEL, headers: {} },
};

/** The real process with everything on: client key, priced model, ledger in a file, metrics. */
const sluice: Kind = {
  name: "sluice",
  warmsUp: true,
  find: () => ({ about: `${versionIn(fileURLToPath(new URL("../../", import.meta.url)))}, full work` }),
  async start(setting) {
    const port = await freePort();
    const profile =
      setting.profile === undefined
        ? []
        : ["--cpu-prof", `--cpu-prof-dir=${setting.profile}`, "--cpu-prof-interval=200"];
    const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
    return running(sluice, setting, port, {
      command: process.execPath,
      arguments: [...profile, main, "--port", String(port)],
      environment: {
        LOG_LEVEL: "warn",
        SLUICE_DATA: join(setting.folder, "data"),
        SLUICE_API_KEYS: CLIENT_KEY,
        OPENAI_API_KEY: "bench-upstream-key-0123456789",
        OPENAI_BASE_URL: `http://127.0.0.1:${setting.upstreamPort}/v1`,
        VLLM_BASE_URL: `http://127.0.0.1:${setting.holePort}/v1`,
      },
      // The provider is named, so that the model's name has to be edited in every body.
      usual: { path: CHAT_PATH, model: `openai/${MODEL}`, headers: {} },
      hole: { path: CHAT_PATH, model: `vllm/${MODEL}`, headers: {} },
    });
  },
};

const floor: Kind = {
  name: "floor",
  warmsUp: true,
  find: () => ({ about: "node:http + undici, bytes only" }),
  async start(setting) {
    const port = await freePort();
    const file = fileURLToPath(new URL("./floor.ts", import.meta.url));
    const ports = [port, setting.upstreamPort, setting.holePort];
    return running(floor, setting, port, {
      command: process.execPath,
      arguments: [file, ...ports.map(String)],
      ...BY_PATH,
    });
  },
};

const NGINX = "/usr/sbin/nginx";
const nginx: Kind = {
  name: "nginx",
  warmsUp: false,
  find() {
    if (!existsSync(NGINX)) return { missing: `there is no ${NGINX}` };
    const version = /nginx\/([\d.]+)/.exec(spawnSync(NGINX, ["-v"], { encoding: "utf8" }).stderr)?.[1];
    return { about: `${version ?? "?"}, one worker` };
  },
  async start(setting) {
    const port = await freePort();
    const file = join(setting.folder, "nginx.conf");
    writeFileSync(file, nginxConfig(setting, port));
    return running(nginx, setting, port, {
      command: NGINX,
      arguments: ["-p", setting.folder, "-c", file, "-e", "stderr"],
      ...BY_PATH,
    });
  },
};

/** Without a master, the one process is the one worker. Buffering off, or no event would pass before the last. */
function nginxConfig(setting: Setting, port: number): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${join(setting.folder, name)};`,
  );
  const upstream = (name: string, to: number) =>
    `upstream ${name} { server 127.0.0.1:${to}; keepalive 1024; keepalive_requests 100000000; }`;
  return `
daemon off; master_process off; worker_processes 1; pid ${join(setting.folder, "nginx.pid")}; error_log stderr crit;
events { worker_connections 8192; }
http {
  ${temporary.join(" ")}
  access_log off;
  client_body_buffer_size 256k; client_max_body_size 8m; keepalive_requests 100000000;
  ${upstream("usual", setting.upstreamPort)}
  ${upstream("hole", setting.holePort)}
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_read_timeout 300s;
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location / { proxy_pass http://usual; }
    location ${HOLE_PATH}/ { proxy_pass http://hole/; }
  }
}
`;
}

const PORTKEY_PACKAGE = "@portkey-ai/gateway";
const portkey: Kind = {
  name: "portkey",
  warmsUp: true,
  find() {
    const folder = portkeyFolder();
    if (folder === undefined) return { missing: `PORTKEY_DIR names no folder with ${PORTKEY_PACKAGE} installed` };
    const server = versionIn(join(folder, "../../@hono/node-server"));
    return { about: `${versionIn(folder)}, @hono/node-server ${server}` };
  },
  async start(setting) {
    const port = await freePort();
    const to = (upstreamPort: number): CallShape => ({
      path: CHAT_PATH,
      model: MODEL,
      headers: {
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": `http://127.0.0.1:${upstreamPort}/v1`,
      },
    });
    return running(portkey, setting, port, {
      command: process.execPath,
      arguments: [join(portkeyFolder() ?? "", "build/start-server.js"), `--port=${port}`, "--headless"],
      environment: { NODE_ENV: "production" },
      usual: to(setting.upstreamPort),
      hole: to(setting.holePort),
    });
  },
};

function portkeyFolder(): string | undefined {
  const folder = process.env["PORTKEY_DIR"];
  if (folder === undefined || folder === "") return undefined;
  const inside = join(folder, "node_modules", PORTKEY_PACKAGE);
  return existsSync(join(inside, "package.json")) ? inside : undefined;
}

function versionIn(folder: string): string {
  try {
    return (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string }).version;
  } catch {
    return "?";
  }
}

interface Running extends Omit<StartOptions, "core" | "folder"> {
  readonly usual: CallShape;
  readonly hole: CallShape;
}

async function running(kind: Kind, setting: Setting, port: number, how: Running): Promise<Contender> {
  const started = startProcess({ ...how, core: setting.cores.gateway, folder: setting.folder });
  try {
    await listening(started, port);
  } catch (error) {
    await started.stop();
    throw error;
  }
  const { usual, hole } = how;
  return { name: kind.name, pid: started.pid, port, asked: 0, usual, hole, stop: () => started.stop() };
}

/** In the order of the report. */
export const kinds: readonly Kind[] = [sluice, floor, nginx, portkey];
