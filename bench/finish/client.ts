/** An application that does tasks turn by turn with OpenAI's client, and tells the gateway how each of them went. */
import type OpenAI from "openai";
import type { Arrangement } from "./arrangement.ts";
import { drawsOf, TARGETS, textOf, type TargetName, type TaskClass } from "./truth.ts";

export interface DoneTask {
  readonly className: string;
  readonly index: number;
  /** Who answered the first turn, and the last one. */
  readonly first: TargetName;
  readonly last: TargetName;
  readonly turns: number;
  readonly isSuccess: boolean;
  /** What the simulator charged for it. */
  readonly cost: bigint;
}

type Messages = OpenAI.Chat.ChatCompletionMessageParam[];

/**
 * Whoever does a turn brings the task as far as its own number of turns says; how it goes is decided by who did which part.
 *
 * @param model As the client names it: a target, or `auto`.
 */
export async function doTask(
  { openai, url, sandbox }: Arrangement,
  { seed, ofClass, index, model }: { seed: number; ofClass: TaskClass; index: number; model: string },
): Promise<DoneTask> {
  const task = `${ofClass.name}-${index}`;
  const headers = { "x-sluice-task": task, "x-sluice-task-class": ofClass.name };
  const { luck, size } = drawsOf(seed, ofClass.name, index);
  const messages: Messages = [{ role: "system", content: textOf(ofClass.name, ofClass.systemWords) }];
  const before = sandbox.invoice.costPicoUsd;
  const answeredBy: TargetName[] = [];
  let isDone = 0;
  let chance = 0;
  while (isDone < 1 - 1e-9) {
    const turn = answeredBy.length;
    messages.push({ role: "user", content: said(task, turn, ofClass) });
    const call = openai.chat.completions.create({ model, messages, max_tokens: 1_000 }, { headers });
    const { data, response } = await call.withResponse();
    const target = targetOf(response.headers.get("x-sluice-target"));
    answeredBy.push(target);
    messages.push({ role: "assistant", content: data.choices[0]?.message.content ?? "" });
    const { turns, success } = ofClass.behaviours[target];
    const part = Math.min(1 - isDone, 1 / Math.max(1, Math.round(turns * size)));
    isDone += part;
    chance += part * success;
  }
  const isSuccess = luck < chance;
  const told = await fetch(`${url}/sluice/v1/tasks/${task}/outcome`, {
    method: "POST",
    body: JSON.stringify({ outcome: isSuccess ? "success" : "failure" }),
  });
  if (told.status !== 200) throw new Error(`the outcome of ${task} was refused: ${await told.text()}`);
  await told.text();
  const cost = sandbox.invoice.costPicoUsd - before;
  const [first = TARGETS[0]] = answeredBy;
  const { name: className } = ofClass;
  return { className, index, first, last: answeredBy.at(-1) ?? first, turns: answeredBy.length, isSuccess, cost };
}

function said(task: string, turn: number, { turnWords, outputTokens }: TaskClass): string {
  return `${textOf(`${task} ${turn}`, turnWords)} [[sandbox: tokens=${outputTokens}]]`;
}

function targetOf(name: string | null): TargetName {
  const found = TARGETS.find((target) => target === name);
  if (found === undefined) throw new Error(`the answer is from ${name ?? "nobody"}`);
  return found;
}
