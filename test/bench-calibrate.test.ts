/** `bench calibrate`: on simulated servers whose speed is known it comes out, and what comes of it is a price that others read. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { readCalibration, type Calibration } from "../bench/calibrate/calibration.ts";
import { calibrateCommand } from "../bench/calibrate/command.ts";
import { hardwareOf } from "../bench/calibrate/hardware.ts";
import { writeRow } from "../bench/calibrate/price.ts";
import type { Probe } from "../bench/calibrate/probe.ts";
import { rateOf, readRate, writtenRate } from "../bench/calibrate/rate.ts";
import { chooseTargets } from "../bench/compare/targets.ts";
import { startGateway } from "./running.ts";
import { startSandbox, type RunningSandbox, type SandboxOptions } from "../bench/sandbox/index.ts";
import { providerKinds } from "../providers/index.ts";
import { loadConfig } from "../src/config.ts";

const VLLM = "vllm/mistralai/Mistral-Small-4-119B-2603";
const WORDS = "one two three four five six seven eight nine ten ".repeat(200);
const SHORT = ["--prompt-tokens", "400", "--output-tokens", "48", "--seconds", "0.4"];

const sandboxes: RunningSandbox[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const sandbox of sandboxes.splice(0)) await sandbox.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function server(options: SandboxOptions = {}): Promise<RunningSandbox> {
  const sandbox = await startSandbox({ model: () => ({ text: WORDS, calls: [] }), ...options });
  sandboxes.push(sandbox);
  return sandbox;
}

function folderOf(files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-calibrate-"));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

interface Calibrated {
  readonly code: number;
  readonly printed: string;
  readonly told: string;
  readonly folder: string;
}

async function calibrate(
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
  given: { readonly folder?: string; readonly onTold?: (text: string) => void } = {},
): Promise<Calibrated> {
  const folder = given.folder ?? folderOf();
  let [printed, told] = ["", ""];
  const code = await calibrateCommand(words, {
    environment,
    folder,
    print: (text) => void (printed += text),
    tell(text) {
      told += text;
      given.onTold?.(text);
    },
    stopped: new AbortController().signal,
  });
  return { code, printed, told, folder };
}

function calibrationIn(folder: string): Calibration {
  const read = readCalibration(readFileSync(join(folder, "calibration.json"), "utf8"), "calibration.json");
  if (typeof read === "string") throw new Error(read);
  return read;
}

/** So near, as a share; the machine's timers and the gateway are in it. */
function near(value: number | undefined, truth: number, share: number): void {
  expect(value).toBeGreaterThan(truth * (1 - share));
  expect(value).toBeLessThan(truth * (1 + share));
}

describe("on a server of known speed", () => {
  test("a vLLM's rates come out at each level, and its price is the hour's over them", async () => {
    const sandbox = await server({ pace: { prefillTokensPerSecond: 2_000, tokensPerSecond: 100 } });
    const { code, printed, told, folder } = await calibrate(
      [VLLM, "--gpu-hour", "$3.6", "--utilization", "0.5", "--concurrency", "1,4", ...SHORT],
      { VLLM_BASE_URL: `${sandbox.url}/vllm/v1` },
    );
    expect([code, told.split("\n").length]).toEqual([0, 3]);
    const calibration = calibrationIn(folder);
    expect(calibration).toMatchObject({ target: VLLM, state: "whole", is_simulated: false, notices: [] });
    for (const { concurrency, prefill, decode, prompt_tokens: read, output_tokens: written } of calibration.levels) {
      near(prefill.mean, 2_000 * concurrency, 0.2);
      near(decode.mean, 100 * concurrency, 0.2);
      near(read, 400, 0.1);
      expect(written).toBe(48);
    }
    // The simulator's server reads as fast in each call: the most at once is the cheapest.
    expect(calibration.chosen.concurrency).toBe(4);
    const { prefill_tokens_per_second: prefill, decode_tokens_per_second: decode } = calibration.chosen;
    expect(calibration.usd_per_million?.input).toBeCloseTo((0.001 / prefill / 0.5) * 1e6, 9);
    expect(calibration.usd_per_million?.output).toBeCloseTo((0.001 / decode / 0.5) * 1e6, 9);
    // What the simulator has read before takes it no time.
    expect(calibration.levels[0]?.cached?.mean).toBeGreaterThan(4_000);

    // As it is to be pasted, it is a config, and rows are priced by it.
    const yaml = printed.slice(printed.indexOf("# vllm/"), printed.indexOf("\ncalibration.json"));
    const { config } = loadConfig({
      arguments: ["check"],
      environment: { VLLM_BASE_URL: "http://127.0.0.1:1/v1" },
      folder: "/nowhere",
      kinds: providerKinds,
      readFile: () => yaml,
    });
    expect(config.warnings).toEqual([]);
    expect(config.models["mistralai/Mistral-Small-4-119B-2603"]).toMatchObject({ gpuHourUsd: 3.6, utilization: 0.5 });

    // And for the others it is hardware.
    const file = join(folder, "calibration.json");
    expect(hardwareOf(`${file},busy=0.6`)).toMatchObject({
      target: VLLM,
      usdPerHour: 3.6,
      busyMost: 0.6,
      utilization: 0.5,
      isCalibrated: true,
    });
    near(hardwareOf(`${file},utilization=1`).prefill, prefill, 1e-6);
    expect(hardwareOf(`${file},utilization=1`).utilization).toBe(1);
    const chosen = chooseTargets(
      [`own=${VLLM}`, "mistral/mistral-small-2603"],
      [file],
      sandboxed(sandbox.url),
      new Map(),
      false,
    );
    expect(chosen.targets[0]?.hardware).toMatchObject({ source: "calibrated", usd_per_hour: 3.6 });
    const [target] = chosen.targets;
    expect(target?.target.price?.rates.inputUncached).toBeGreaterThan(0n);
  });

  test("an Ollama with one slot writes no faster for being asked four times at once, and who waits is no writer", async () => {
    const sandbox = await server({
      pace: { prefillTokensPerSecond: 4_000, tokensPerSecond: 200 },
      ollama: { parallel: 1 },
    });
    const { code, folder } = await calibrate(
      [`ollama/${OLLAMA_MODEL}`, "--concurrency", "1,4", "--at", "1", ...SHORT],
      { OLLAMA_HOST: `${sandbox.url}/ollama` },
    );
    expect(code).toBe(0);
    const calibration = calibrationIn(folder);
    expect(calibration.usd_per_million).toBeNull();
    expect(calibration.chosen.concurrency).toBe(1);
    for (const { decode } of calibration.levels) near(decode.mean, 200, 0.25);
  });
});

test("through a gateway that runs it needs no configuration of its own, and --write puts the price where it is said", async () => {
  const sandbox = await server({ pace: { prefillTokensPerSecond: 4_000, tokensPerSecond: 400 } });
  const gateway = await startGateway({ environment: { VLLM_BASE_URL: `${sandbox.url}/vllm/v1` } });
  try {
    const { code, folder } = await calibrate(
      [VLLM, "--url", gateway.url, "--concurrency", "2", "--gpu-hour", "2", "--write", "my.yaml", ...SHORT],
      {},
    );
    expect(code).toBe(0);
    const calibration = calibrationIn(folder);
    expect(calibration.gateway_url).toBe(gateway.url);
    near(calibration.chosen.decode_tokens_per_second, 800, 0.25);
    expect(readFileSync(join(folder, "my.yaml"), "utf8")).toContain("mistralai/Mistral-Small-4-119B-2603:");
    expect((await gateway.allAttempts()).length).toBeGreaterThan(4);
  } finally {
    await gateway.close();
  }
});

describe("a target that does not do", () => {
  const asked = [VLLM, "--concurrency", "1", ...SHORT];

  test("is told of in one line: down, slow, refusing, unknown, or nobody", async () => {
    const gone = await startSandbox();
    const address = `${gone.url}/vllm/v1`;
    await gone.close();
    const down = await calibrate(asked, { VLLM_BASE_URL: address });
    expect([down.code, down.told.split("\n").length]).toEqual([2, 2]);
    expect(down.told).toMatch(/^vllm\/mistralai\/\S+: 502 .*\n$/);

    const sandbox = await server();
    const environment = { VLLM_BASE_URL: `${sandbox.url}/vllm/v1` };
    sandbox.faults.next({ name: "hang" });
    const slow = await calibrate([...asked, "--timeout", "0.3"], environment);
    expect([slow.code, slow.told]).toEqual([2, expect.stringMatching(/^vllm\/\S+: .*(0\.3 s|time).*\n$/)]);
    sandbox.faults.next({ name: "429" });
    const busy = await calibrate(asked, environment);
    expect([busy.code, busy.told]).toEqual([2, expect.stringMatching(/^vllm\/\S+: 429 .*\n$/)]);
    const unknown = await calibrate(["vlm/x", ...asked.slice(1)], environment);
    expect([unknown.code, unknown.told.split("\n").length]).toEqual([2, 2]);
    const nobody = await calibrate(asked, {});
    expect(nobody.told).toMatch(/^no provider is configured: .*--sandbox\n$/);
  });

  test("at some level leaves what there is by then, and says so", async () => {
    const sandbox = await server();
    const { code, printed, folder } = await calibrate(
      [VLLM, "--concurrency", "1,2", "--gpu-hour", "2", ...SHORT],
      { VLLM_BASE_URL: `${sandbox.url}/vllm/v1` },
      { onTold: () => sandbox.faults.next({ name: "503" }) },
    );
    expect(code).toBe(1);
    const calibration = calibrationIn(folder);
    expect(calibration.levels.map(({ concurrency }) => concurrency)).toEqual([1]);
    expect(calibration).toMatchObject({ state: "partial", chosen: { concurrency: 1 } });
    expect(printed).toMatch(/^Not all of it was measured: at 2 parallel calls: 503 /);
  });

  test("ends where the money does", async () => {
    const sandbox = await server({ pace: { prefillTokensPerSecond: 4_000 } });
    const environment = { VLLM_BASE_URL: `${sandbox.url}/vllm/v1` };
    const { code, told } = await calibrate([...asked, "--gpu-hour", "36", "--max-usd", "0.001"], environment);
    // A tenth of a second of it: the first prompt of 100 ms, and nothing after it.
    expect([code, told]).toEqual([2, `${VLLM}: --max-usd is spent\n`]);
    expect(sandbox.requests.filter(({ method }) => method === "POST").length).toBeLessThanOrEqual(2);
  });
});

test.each([
  [[], "name one target"],
  [["a/b", "c/d"], "name one target"],
  [["a/b", "--concurrency", "0"], "--concurrency must be a whole number from 1 to 256"],
  [["a/b", "--at", "3"], "--at 3: it is not measured; --concurrency is 1,2,4,8,16"],
  [["a/b", "--utilization", "1.5"], "--utilization must be above 0, and at most 1"],
  [["a/b", "--write"], "--write needs --gpu-hour"],
  [["a/b", "--sandbox", "--write", "--gpu-hour", "1"], "--write: the simulator's speed is no price"],
  [["a/b", "--fast"], "Unknown option '--fast'"],
] as const)("as %j it says in a line what is wrong", async (words, problem) => {
  const { code, told } = await calibrate(words, {});
  expect([code, told.split("\n").length]).toEqual([2, 2]);
  expect(told.startsWith(problem)).toBe(true);
});

describe("a rate", () => {
  const probe = (sentMs: number, firstMs: number, lastMs: number): Probe => ({
    sentMs,
    firstMs,
    lastMs,
    promptTokens: 1_000,
    cachedTokens: 200,
    outputTokens: 101,
  });

  test("is of the time in which any call was read or written, once", () => {
    // Side by side: twice as fast as one behind the other.
    expect(readRate([probe(0, 1_000, 2_000), probe(0, 1_000, 2_000)])).toBe(1_600);
    expect(writtenRate([probe(0, 1_000, 2_000), probe(0, 1_000, 2_000)])).toBe(200);
    expect(writtenRate([probe(0, 1_000, 2_000), probe(0, 2_500, 3_500)])).toBe(100);
    expect(writtenRate([probe(0, 1_000, 3_000), probe(0, 1_500, 2_000)])).toBe(100);
    expect(writtenRate([probe(0, 1_000, 1_000)])).toBe(0);
  });

  test("of one round has no interval, and of none there is none", () => {
    expect(rateOf([5])).toEqual({ mean: 5, interval: null, rounds: 1 });
    expect(rateOf([])).toBeUndefined();
    expect(rateOf([10, 12, 14])?.interval?.[0]).toBeCloseTo(12 - 4.303 * (2 / Math.sqrt(3)), 3);
  });
});

describe("the price in a file", () => {
  const calibration: Calibration = {
    kind: "sluice-calibration",
    version: 1,
    target: "gpu/small",
    at: "2026-11-25T00:00:00.000Z",
    gateway_url: null,
    is_simulated: false,
    state: "whole",
    levels: [],
    chosen: { concurrency: 8, prefill_tokens_per_second: 9_000.4, decode_tokens_per_second: 1_000 },
    usd_per_hour: 3.6,
    utilization: 0.5,
    usd_per_million: null,
    notices: [],
  };

  test("takes the place of the one that was there, and leaves comments and the rest", () => {
    const folder = folderOf({
      "sluice.yaml":
        '# mine\nproviders:\n  gpu: { kind: vllm, baseUrl: "${GPU}" } # the box\nmodels:\n  small:\n    contextTokens: 8192 # enough\n    price: { input: 1, output: 2 }\n',
    });
    const file = join(folder, "sluice.yaml");
    expect(writeRow(file, calibration, "vllm", {})).toEqual([`${file}: \`models.small.price\` was replaced`]);
    const text = readFileSync(file, "utf8");
    expect(text).toContain("# mine\n");
    expect(text).toContain("# the box");
    expect(text).toContain("contextTokens: 8192 # enough");
    const { config } = loadConfig({
      arguments: ["check"],
      environment: { GPU: "http://127.0.0.1:1/v1" },
      folder,
      kinds: providerKinds,
    });
    expect(config.models["small"]).toMatchObject({
      gpuHourUsd: 3.6,
      tokensPerSecond: { prefill: 9_000, decode: 1_000 },
    });
    expect(writeRow(join(folder, "new.yaml"), calibration, "vllm", {})).toEqual([]);
    expect(readFileSync(join(folder, "new.yaml"), "utf8")).toContain("gpuHourUsd: 3.6");
  });

  test("is not put into a file that would be wrong with it", () => {
    const folder = folderOf({ "broken.yaml": "models: [\n", "odd.yaml": "models: { small: text }\n" });
    for (const name of ["broken.yaml", "odd.yaml"]) {
      const before = readFileSync(join(folder, name), "utf8");
      expect(() => writeRow(join(folder, name), calibration, undefined, {})).toThrow(/left as it is/);
      expect(readFileSync(join(folder, name), "utf8")).toBe(before);
    }
  });
});

const OLLAMA_MODEL = "mistral-small4";

function sandboxed(url: string): ReturnType<typeof loadConfig>["config"] {
  return loadConfig({
    arguments: ["check"],
    environment: { VLLM_BASE_URL: `${url}/vllm/v1`, MISTRAL_API_KEY: "any", MISTRAL_BASE_URL: `${url}/mistral/v1` },
    folder: "/nowhere",
    kinds: providerKinds,
    readFile: () => "",
  }).config;
}
