/** How far it is: one line that is written over where somebody looks, and now and then a line of its own where it goes to a file. */

export interface Progress {
  /** @param done Runs of this session. */
  tell(done: number, spentPicoUsd: bigint): void;
  end(): void;
}

export interface ProgressOptions {
  readonly isTerminal: boolean;
  readonly columns: number;
  /** Runs of this session, and of all. */
  readonly toDo: number;
  readonly doneBefore: number;
  readonly maxUsd: number | undefined;
  readonly now: () => number;
  readonly write: (text: string) => void;
}

const TERMINAL_EVERY_MS = 100;
const LINE_EVERY_MS = 5_000;
const BAR_CELLS_MAX = 30;

export function createProgress(options: ProgressOptions): Progress {
  const { isTerminal, write, now } = options;
  const startedMs = now();
  let toldMs = Number.NEGATIVE_INFINITY;
  return {
    tell(done, spent) {
      const at = now();
      const isLast = done >= options.toDo;
      if (!isLast && at - toldMs < (isTerminal ? TERMINAL_EVERY_MS : LINE_EVERY_MS)) return;
      toldMs = at;
      const text = lineOf(options, done, spent, at - startedMs);
      write(isTerminal ? `\r\u001B[K${text}` : `${text}\n`);
    },
    end() {
      if (isTerminal) write("\r\u001B[K");
    },
  };
}

function lineOf(
  { toDo, doneBefore, maxUsd, isTerminal, columns }: ProgressOptions,
  done: number,
  spent: bigint,
  elapsedMs: number,
): string {
  const [all, made] = [toDo + doneBefore, done + doneBefore];
  const share = all === 0 ? 1 : made / all;
  const usd = `$${(Number(spent) / 1e12).toFixed(4)}${maxUsd === undefined ? "" : ` of $${maxUsd}`}`;
  const left = done === 0 ? "" : `, ${timeText((elapsedMs / done) * (toDo - done))} left`;
  const text = `${made} of ${all} runs, ${usd}${left}`;
  if (!isTerminal) return text;
  const cells = Math.min(BAR_CELLS_MAX, columns - text.length - 4);
  if (cells < 5) return text.slice(0, Math.max(0, columns - 1));
  const full = Math.round(share * cells);
  return `[${"#".repeat(full)}${".".repeat(cells - full)}] ${text}`;
}

function timeText(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1_000));
  if (seconds < 60) return `${seconds} s`;
  return seconds < 3_600 ? `${Math.floor(seconds / 60)} min ${seconds % 60} s` : `${(seconds / 3_600).toFixed(1)} h`;
}
