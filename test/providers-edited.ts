/** What a provider makes of a body: the edits of its quirks, applied to the bytes. */
import type { JsonObject } from "../src/chat.ts";
import { applyEdits } from "../src/edit.ts";
import type { ModelRecord } from "../src/model.ts";
import { createModelTable } from "../src/models.ts";
import type { Provider } from "../src/provider.ts";
import { NO_FACTS } from "./made-target.ts";

export interface Edited {
  readonly body: JsonObject;
  /** Words of what was taken away from the caller. */
  readonly losses: readonly string[];
  /** Nothing was changed: the client's very buffer goes out. */
  readonly isUntouched: boolean;
}

const table = createModelTable();

/** @param model Of the table; `undefined` for one that nobody knows. */
export function recordOf(model: string | undefined): ModelRecord | undefined {
  const record = model === undefined ? undefined : table.find(model);
  if (model !== undefined && record === undefined) throw new Error(`${model} is not in the table`);
  return record;
}

export function edited(provider: Provider, dialect: string, body: JsonObject, record: ModelRecord | undefined): Edited {
  const raw = Buffer.from(JSON.stringify(body));
  const edits = provider.quirks?.(dialect, body, record, NO_FACTS) ?? [];
  const bytes = applyEdits(raw, edits);
  return {
    body: JSON.parse(Buffer.from(bytes).toString("utf8")) as JsonObject,
    losses: edits.flatMap((edit) => edit.loss ?? []),
    isUntouched: bytes === raw,
  };
}
