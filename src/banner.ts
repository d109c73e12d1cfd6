/**
 * What `npm start` says: where it listens, what it found, and one command to paste.
 */
import type { Config } from "./config.ts";
import type { Setup } from "./gateway.ts";

export function banner(config: Config, setup: Setup, url: string): string {
  const targets = setup.targets.describe();
  const isSandbox = config.providers.length === 0;
  const model = tryable(config, setup);
  const lines = [
    `Sluice listens on ${url}`,
    "",
    ...(isSandbox ? SANDBOX_LINES : []),
    "Targets:",
    ...targets.map((target) => `  ${target}`),
    "",
    "Try it:",
    `  curl -s ${url}/v1/chat/completions -H 'content-type: application/json'${keyText(config)} \\`,
    `    -d '{"model":"${model}","messages":[{"role":"user","content":"Hello"}]}'`,
    "",
  ];
  return `${lines.join("\n")}\n`;
}

/** `auto`, unless there is nothing yet that it could choose from: then the user's own model has to be named. */
function tryable(config: Config, setup: Setup): string {
  try {
    setup.targets.resolve("auto");
    return "auto";
  } catch {
    return `${config.providers[0]?.name ?? "provider"}/<model>`;
  }
}

const SANDBOX_LINES: readonly string[] = [
  "No provider key was found, so the SANDBOX answers: a simulator on this machine. Nothing leaves it and nothing is billed;",
  "answers are made up, prices and cache rules are real. Set OPENAI_API_KEY, ANTHROPIC_API_KEY, MISTRAL_API_KEY, OLLAMA_HOST or",
  "VLLM_BASE_URL (or write a sluice.yaml) to reach the real ones.",
  "",
];

function keyText(config: Config): string {
  return config.keys.length === 0 ? "" : " -H 'authorization: Bearer <one of your SLUICE_API_KEYS>'";
}
