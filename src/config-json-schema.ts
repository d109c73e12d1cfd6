/** Writes the config file's JSON Schema to standard output, for editors (`npm run schema`). */
import { z } from "zod";
import { configFile } from "./config-schema.ts";

const schema = {
  $id: "sluice.schema.json",
  title: "Sluice configuration (sluice.yaml)",
  ...z.toJSONSchema(configFile, { io: "input" }),
};
process.stdout.write(`${JSON.stringify(schema, null, 2)}\n`);
