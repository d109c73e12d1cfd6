/** Tells estimates of tasks when they have ended: what has not ended yet at a time is not known at that time. */
import type { EndedTask } from "../../src/tasks/ended-task.ts";
import type { Estimates } from "../../src/tasks/estimates.ts";

/** Holds what runs: its size is that of the tasks that are open at one time. */
export class Learning {
  readonly #estimates: Estimates;
  /** A heap: the one that ends first is on top. */
  readonly #running: EndedTask[] = [];

  constructor(estimates: Estimates) {
    this.#estimates = estimates;
  }

  /** To be told in the order in which tasks begin. */
  add(task: EndedTask): void {
    const heap = this.#running;
    let at = heap.push(task) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if ((heap[above] as EndedTask).endedAtMs <= task.endedAtMs) break;
      heap[at] = heap[above] as EndedTask;
      at = above;
    }
    heap[at] = task;
  }

  /** Learns of all that were over by then. */
  until(atMs: number): void {
    while ((this.#running[0]?.endedAtMs ?? Number.POSITIVE_INFINITY) <= atMs) this.#estimates.observe(this.#taken());
  }

  all(): void {
    while (this.#running.length > 0) this.#estimates.observe(this.#taken());
  }

  #taken(): EndedTask {
    const heap = this.#running;
    const [first] = heap as [EndedTask];
    const last = heap.pop() as EndedTask;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      let next = left;
      if (right < heap.length && (heap[right] as EndedTask).endedAtMs < (heap[left] as EndedTask).endedAtMs)
        next = right;
      if (next >= heap.length || (heap[next] as EndedTask).endedAtMs >= last.endedAtMs) break;
      heap[at] = heap[next] as EndedTask;
      at = next;
    }
    heap[at] = last;
    return first;
  }
}
