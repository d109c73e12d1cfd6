/** All hazards, by the listing they stand in. */
import { empty, large, surrogates } from "./content.ts";
import type { Hazard } from "./hazard.ts";
import { deep, exact } from "./json.ts";
import { nulls, unknown } from "./shapes.ts";
import { reasoning, traffic } from "./traffic.ts";

export const HAZARDS: Readonly<Record<string, readonly Hazard[]>> = {
  empty,
  large,
  surrogates,
  traffic,
  reasoning,
  unknown,
  nulls,
  deep,
  exact,
};
