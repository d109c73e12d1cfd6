/**
 * Writes answers as Ollama does: whole, or as lines that end with one that is done and counts.
 */
import type { AnswerError, ChatEvent, Loss } from "../chat.ts";
import { laterUsage, UNKNOWN_USAGE, type Usage } from "../usage.ts";
import type { EncodeOptions, Encoder } from "./dialect.ts";
import { errorBody, errorLine } from "./ollama-chat.errors.ts";
import { SAYS_NOTHING, type LineForm, type Said } from "./ollama-chat.line.ts";
import { countsOf } from "./ollama-chat.usage.ts";
import { madeId, parsed, RAW_ARGUMENTS, REASON_OF_FINISH } from "./ollama-chat.words.ts";

export function ollamaEncoder(form: LineForm, options: EncodeOptions, losses: Loss[]): Encoder {
  return options.stream ? new StreamEncoder(form, options, losses) : new WholeEncoder(form, options, losses);
}

class StreamEncoder implements Encoder {
  readonly #form: LineForm;
  readonly #answer: Answer;
  #over = false;

  constructor(form: LineForm, options: EncodeOptions, losses: Loss[]) {
    this.#form = form;
    this.#answer = new Answer(options, losses);
  }

  push(event: ChatEvent): string {
    if (this.#over) return "";
    if (event.type === "error") {
      this.#over = true;
      return errorLine(event.error.message);
    }
    const said = this.#lines(this.#answer.take(event));
    return event.type === "done" ? said + this.#finish() : said;
  }

  end(): string {
    if (this.#over) return "";
    if (this.#answer.finished) return this.#finish();
    this.#over = true;
    return errorLine("the answer ended before it was complete");
  }

  #lines(said: readonly Said[]): string {
    return said.map((one) => `{${this.#answer.head()},${this.#form.write(one)},"done":false}\n`).join("");
  }

  #finish(): string {
    this.#over = true;
    const rest = this.#lines(this.#answer.close());
    return `${rest}{${this.#answer.head()},${this.#form.write(SAYS_NOTHING)},${this.#answer.ending()}}\n`;
  }
}

/** The whole form: nothing is said before the end. */
class WholeEncoder implements Encoder {
  readonly #form: LineForm;
  readonly #answer: Answer;
  readonly #said: Said[] = [];
  #error: AnswerError | undefined;

  constructor(form: LineForm, options: EncodeOptions, losses: Loss[]) {
    this.#form = form;
    this.#answer = new Answer(options, losses);
  }

  push(event: ChatEvent): string {
    if (event.type === "error") this.#error ??= event.error;
    else this.#said.push(...this.#answer.take(event));
    return "";
  }

  end(): string {
    if (this.#error !== undefined) return JSON.stringify(errorBody(this.#error.message));
    const said = [...this.#said, ...this.#answer.close()];
    const whole: Said = {
      text: said.map((one) => one.text).join(""),
      thinking: said.map((one) => one.thinking).join(""),
      calls: said.flatMap((one) => one.calls),
    };
    return `{${this.#answer.head()},${this.#form.write(whole)},${this.#answer.ending()}}`;
  }
}

interface Call {
  readonly id: string;
  readonly name: string;
  readonly arguments: string[];
  isOver: boolean;
}

/** What has been said so far. */
class Answer {
  readonly #options: EncodeOptions;
  readonly #losses: Loss[];
  readonly #lost = new Set<string>();
  readonly #calls = new Map<number, Call>();
  readonly #callIds = new Set<string>();
  /** Calls that wait to be written: each is said whole, in the order in which they began. */
  #waiting: Call[] = [];
  /** How many are written. */
  #written = 0;
  #usage: Usage = UNKNOWN_USAGE;
  #firstNs: number | undefined;
  /** The model's name as JSON text. */
  #model: string | undefined;
  /** The second in which the latest line was written. */
  #clock: { readonly second: number; readonly text: string } | undefined;
  #start: Extract<ChatEvent, { type: "start" }> | undefined;
  #finish: Extract<ChatEvent, { type: "finish" }> | undefined;

  constructor(options: EncodeOptions, losses: Loss[]) {
    this.#options = options;
    this.#losses = losses;
  }

  get finished(): boolean {
    return this.#finish !== undefined;
  }

  /** @returns what can be said of it at once, each for a line of its own. */
  take(event: Exclude<ChatEvent, { type: "error" }>): Said[] {
    switch (event.type) {
      case "start":
        this.#start ??= event;
        return [];
      case "refusal-delta":
        this.#lose("refusal", "refusal");
        return this.#say({ ...SAYS_NOTHING, text: event.text });
      case "text-delta":
        return this.#say({ ...SAYS_NOTHING, text: event.text });
      case "reasoning-delta":
        return this.#say({ ...SAYS_NOTHING, thinking: event.text });
      case "reasoning-end":
        if (event.signature !== undefined) this.#lose("signature", "reasoning");
        return [];
      case "reasoning-redacted":
        this.#lose("reasoning", "redacted");
        return [];
      case "tool-call-start":
        this.#startCall(event);
        return [];
      case "tool-call-delta": {
        const call = this.#calls.get(event.index);
        if (call !== undefined && !call.isOver) call.arguments.push(event.arguments);
        return [];
      }
      case "tool-call-end": {
        const call = this.#calls.get(event.index);
        if (call !== undefined) call.isOver = true;
        return this.#whole();
      }
      case "opaque":
        this.#lose("answer-block", event.kind);
        return [];
      case "usage":
        this.#usage = laterUsage(this.#usage, event.usage);
        return [];
      case "finish":
        this.#finish ??= event;
        return [];
      case "done":
        return [];
    }
  }

  /** The calls that nobody ended. */
  close(): Said[] {
    for (const call of this.#waiting) call.isOver = true;
    return this.#whole();
  }

  /** The members that open every line. */
  head(): string {
    this.#model ??= JSON.stringify(this.#start?.model ?? this.#options.model);
    return `"model":${this.#model},"created_at":"${this.#createdAt()}"`;
  }

  /** The members that end the last line. */
  ending(): string {
    const { prompt, cached, output } = countsOf(this.#usage);
    const elapsedNs = this.#options.elapsedNs?.();
    const duration = (name: string, ns: (elapsed: number) => number) =>
      elapsedNs === undefined ? [] : [`"${name}":${Math.max(1, ns(elapsedNs))}`];
    return [
      '"done":true',
      `"done_reason":${JSON.stringify(this.#reason())}`,
      ...duration("total_duration", (elapsed) => elapsed),
      // Whether the model had to be loaded for it, nobody else says.
      ...(elapsedNs === undefined ? [] : ['"load_duration":0']),
      `"prompt_eval_count":${prompt}`,
      ...(cached === undefined ? [] : [`"prompt_eval_cached_count":${cached}`]),
      // Where it came whole, nobody knows when it began to speak: either took at most as long as all of it.
      ...duration("prompt_eval_duration", (elapsed) => this.#firstNs ?? elapsed),
      `"eval_count":${output}`,
      ...duration("eval_duration", (elapsed) => elapsed - (this.#firstNs ?? 0)),
    ].join(",");
  }

  #say(said: Said): Said[] {
    if (said.text === "" && said.thinking === "" && said.calls.length === 0) return [];
    this.#speak();
    return [said];
  }

  #startCall({ index, id, name }: Extract<ChatEvent, { type: "tool-call-start" }>): void {
    this.#speak();
    const call: Call = { id: this.#uniqueId(id, index), name, arguments: [], isOver: false };
    this.#calls.set(index, call);
    this.#waiting.push(call);
  }

  /** Notes when the first word was said. */
  #speak(): void {
    if (this.#options.stream) this.#firstNs ??= this.#options.elapsedNs?.();
  }

  #uniqueId(id: string, index: number): string {
    const wanted = id === "" ? madeId(`${this.#options.id}:${index}`) : id;
    const unique = this.#callIds.has(wanted) ? madeId(`${this.#options.id}:${index}:${id}`) : wanted;
    this.#callIds.add(unique);
    return unique;
  }

  /** The calls that are complete, up to the first that is not. */
  #whole(): Said[] {
    const open = this.#waiting.findIndex((call) => !call.isOver);
    const whole = open < 0 ? this.#waiting : this.#waiting.slice(0, open);
    this.#waiting = this.#waiting.slice(whole.length);
    return whole.map((call) => ({ ...SAYS_NOTHING, calls: [this.#callText(call)] }));
  }

  #callText(call: Call): string {
    const open = JSON.stringify({ id: call.id, function: { index: this.#written, name: call.name } });
    this.#written += 1;
    // The arguments are put in as the text they came as: numbers and key order stay.
    return `${open.slice(0, -2)},"arguments":${this.#argumentsText(call)}}}`;
  }

  #argumentsText({ name, arguments: parts }: Call): string {
    const text = parts.join("").trim();
    if (text === "" || text === "null") return "{}";
    // A line has no line breaks in it.
    if (parsed(text) !== undefined) return text.replace(/[\r\n]+/g, " ");
    this.#losses.push({ field: "tool-arguments", path: `tool_calls ${name.slice(0, 64)}` });
    return JSON.stringify({ [RAW_ARGUMENTS]: text });
  }

  /** As Go writes a time, to the nanosecond. */
  #createdAt(): string {
    const elapsedNs = this.#options.elapsedNs?.() ?? 0;
    const said = this.#start?.createdSeconds ?? Number.POSITIVE_INFINITY;
    const began = said <= SECONDS_MAX ? said : this.#options.createdSeconds;
    const second = began + Math.floor(elapsedNs / NS_PER_SECOND);
    if (this.#clock?.second !== second) {
      this.#clock = { second, text: new Date(second * 1000).toISOString().slice(0, "yyyy-mm-ddThh:mm:ss".length) };
    }
    return `${this.#clock.text}.${String(elapsedNs % NS_PER_SECOND).padStart(9, "0")}Z`;
  }

  /** A plain stop, also where it stopped for calls; for anything else but a cap there is no word. */
  #reason(): string {
    const reason = this.#finish?.reason ?? "stop";
    if (UNSAYABLE.has(reason)) this.#lose("finish_reason", reason);
    return REASON_OF_FINISH[reason];
  }

  #lose(field: string, path: string): void {
    const key = `${field} ${path}`;
    if (this.#lost.has(key)) return;
    this.#lost.add(key);
    this.#losses.push({ field, path });
  }
}

const NS_PER_SECOND = 1_000_000_000;
/** The end of the year 9999. Some servers count milliseconds. */
const SECONDS_MAX = 253_402_300_799;
const UNSAYABLE: ReadonlySet<string> = new Set(["content-filter", "refusal", "paused"]);
