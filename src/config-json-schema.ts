/** Writes the config file's JSON Schema to standard output, for editors (`npm run -s schema`: without it npm writes lines of its own). */
import { z } from "zod";
import { configFile } from "./config-schema.ts";

const schema = {
  $id: "sluice.schema.json",
  title: "Sluice configuration (sluice.yaml)",
  ...z.toJSONSchema(configFile, { io: "input", override: ({ jsonSchema }) => orReference(jsonSchema) }),
};
process.stdout.write(`${JSON.stringify(schema, null, 2)}\n`);

/** Numbers and truth values may come from the environment, too: `${TOTAL_MS:-900000}`. */
function orReference(schema: z.core.JSONSchema.BaseSchema): void {
  if (schema.type !== "integer" && schema.type !== "number" && schema.type !== "boolean") return;
  const { description: _description, default: _default, ...own } = schema;
  for (const key of Object.keys(own)) delete schema[key];
  schema.anyOf = [own, { type: "string", pattern: "^\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\\}$" }];
}
