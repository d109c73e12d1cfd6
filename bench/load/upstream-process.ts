/** Starts the upstream and asks it what it sees. */
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { startProcess } from "./process.ts";
import type { UpstreamCommand, UpstreamStats } from "./upstream.ts";

export interface RunningUpstream {
  readonly port: number;
  readonly pid: number;
  stats(): Promise<UpstreamStats>;
  /** Breaks off what is still open: whoever left it running must not disturb the next. */
  release(): Promise<UpstreamStats>;
  stop(): Promise<void>;
}

const ANSWER_MS_MAX = 10_000;

/** @param backlog Connections that may wait to be accepted. */
export async function startUpstream(core: number | undefined, backlog?: number): Promise<RunningUpstream> {
  const started = startProcess({
    command: process.execPath,
    arguments: [
      fileURLToPath(new URL("./upstream.ts", import.meta.url)),
      ...(backlog === undefined ? [] : [String(backlog)]),
    ],
    core,
    talks: true,
  });
  const { child, pid } = started;
  const said = async (): Promise<UpstreamStats> => {
    const [stats] = (await once(child, "message", { signal: AbortSignal.timeout(ANSWER_MS_MAX) })) as [UpstreamStats];
    return stats;
  };
  const told = (command: UpstreamCommand) => {
    const answer = said();
    child.send(command);
    return answer;
  };
  const { port } = await said();
  return { port, pid, stats: () => told("stats"), release: () => told("release"), stop: () => started.stop() };
}
