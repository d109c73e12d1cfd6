/** Tool calls as streams of OpenAI's form bring them: piece by piece, by index. */
import type { ToolCall } from "./client.ts";

export class CallPieces {
  readonly #calls = new Map<number, { id: string; name: string; text: string }>();

  add(index: number, id: string | null | undefined, name: string | undefined, text: string | undefined): void {
    let call = this.#calls.get(index);
    if (call === undefined) this.#calls.set(index, (call = { id: "", name: "", text: "" }));
    if (call.id === "") call.id = id ?? "";
    if (call.name === "") call.name = name ?? "";
    call.text += text ?? "";
  }

  all(): readonly ToolCall[] {
    return [...this.#calls.values()].map(({ id, name, text }) => ({ id, name, argumentsText: text }));
  }
}
