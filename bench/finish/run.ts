/** Tasks of every class in turn, done by one target or by whom the policy chooses, and the two bills for them. */
import { arrange, type Arrangement } from "./arrangement.ts";
import { doTask, type DoneTask } from "./client.ts";
import { CLASSES, TARGETS, type TargetName, type TaskClass } from "./truth.ts";

export interface RunOptions {
  readonly seed: number;
  readonly tasksPerClass: number;
  readonly trialsUsd: number;
  /** Absent: all of them. */
  readonly classes?: readonly TaskClass[];
}

/** Sums of one target: by the gateway's ledger, and by the simulator's invoice. */
export interface Bills {
  readonly target: TargetName;
  readonly attempts: number;
  readonly requests: number;
  readonly ledgerPicoUsd: bigint;
  readonly invoicePicoUsd: bigint;
}

export interface Run {
  /** As the client named it. */
  readonly model: string;
  readonly tasks: readonly DoneTask[];
  readonly bills: readonly Bills[];
}

/** Each in an arrangement of its own, of which nothing was learned. */
export async function runAll(options: RunOptions, tell: (text: string) => void = () => {}): Promise<readonly Run[]> {
  const runs: Run[] = [];
  for (const model of [...TARGETS, "auto"]) {
    tell(model);
    runs.push(await run(model, options));
  }
  return runs;
}

export async function run(model: string, options: RunOptions): Promise<Run> {
  const { seed, tasksPerClass, trialsUsd, classes = CLASSES } = options;
  const arrangement = await arrange(trialsUsd);
  try {
    const tasks: DoneTask[] = [];
    for (let index = 0; index < tasksPerClass; index += 1) {
      for (const ofClass of classes) tasks.push(await doTask(arrangement, { seed, ofClass, index, model }));
    }
    return { model, tasks, bills: await billsOf(arrangement) };
  } finally {
    await arrangement.close();
  }
}

async function billsOf({ sluice, sandbox }: Arrangement): Promise<readonly Bills[]> {
  const { data } = await sluice.ledger.spend({ groupBy: ["provider", "model"] });
  return TARGETS.map((target) => {
    const row = data.find(({ provider, model }) => `${provider}/${model}` === target);
    const total = sandbox.invoice.totals.find(({ provider, model }) => `${provider}/${model}` === target);
    return {
      target,
      attempts: row?.attempts ?? 0,
      requests: total?.requests ?? 0,
      ledgerPicoUsd: BigInt(row?.cost_pico_usd ?? 0),
      invoicePicoUsd: total?.costPicoUsd ?? 0n,
    };
  });
}
