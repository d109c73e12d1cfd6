/** Starts the upstream and asks it what it sees. */
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { startProcess } from "./process.ts";
import type { UpstreamStats } from "./upstream.ts";

export interface RunningUpstream {
  readonly port: number;
  readonly pid: number;
  stats(): Promise<UpstreamStats>;
  stop(): Promise<void>;
}

const ANSWER_MS_MAX = 10_000;

/** @param backlog Connections that may wait to be accepted. */
export async function startUpstream(core: number | undefined, backlog?: number): Promise<RunningUpstream> {
  const { child, pid, stop } = startProcess({
    command: process.execPath,
    arguments: [
      fileURLToPath(new URL("./upstream.ts", import.meta.url)),
      ...(backlog === undefined ? [] : [String(backlog)]),
    ],
    core,
    talks: true,
  });
  const said = async (): Promise<UpstreamStats> => {
    const [stats] = (await once(child, "message", { signal: AbortSignal.timeout(ANSWER_MS_MAX) })) as [UpstreamStats];
    return stats;
  };
  const { port } = await said();
  return {
    port,
    pid,
    stats() {
      const answer = said();
      child.send("stats");
      return answer;
    },
    stop,
  };
}
