/** A conversation in words that every dialect has, as a hazard says it; `clients.ts` puts it into each dialect's own. */

export interface Text {
  readonly text: string;
}
/** A picture, as base64 of a PNG. */
export interface Picture {
  readonly png: string;
}
export type Content = string | readonly (Text | Picture)[];

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON text, put into the body as it stands. */
  readonly arguments: string;
}
export interface ToolResult {
  readonly id: string;
  readonly name: string;
  readonly content: Content;
}

/** What one side says; results of one turn are for the calls of the turn before. */
export type Turn =
  | { readonly user: Content }
  | { readonly assistant: string; readonly calls?: readonly ToolCall[]; readonly thought?: Thought }
  | { readonly results: readonly ToolResult[] };

/** What a model thought, and the seal under it in the form in which this client was given it. */
export interface Thought {
  readonly text: string;
  readonly seal: string;
}

export interface Tool {
  readonly name: string;
  /** JSON text, put into the body as it stands. */
  readonly schema: string;
}

export interface Talk {
  readonly turns: readonly Turn[];
  readonly tools?: readonly Tool[];
}

export const SCHEMA = '{"type":"object","properties":{"city":{"type":"string"}}}';

export function tool(name: string, schema: string = SCHEMA): Tool {
  return { name, schema };
}

/** JSON text that stands in a value which is written as JSON: `written` puts it there, unread. */
export class Verbatim {
  readonly json: string;
  constructor(json: string) {
    this.json = json;
  }
}

/** A body's text, its verbatim members as they were given: duplicate keys, large numbers, any depth. */
export function written(body: unknown): string {
  const held: string[] = [];
  const text = JSON.stringify(body, (_, value: unknown) => {
    if (!(value instanceof Verbatim)) return value;
    held.push(value.json);
    return `verbatim ${held.length - 1} of the hazards`;
  });
  return text.replaceAll(/"verbatim (\d+) of the hazards"/g, (_, place: string) => held[Number(place)] ?? "");
}
