/** What holds when the client named the model itself: there is nothing to choose. Not in the list, as nobody asks for it. */
import type { Policy } from "./policy.ts";

export const named: Policy = {
  name: "named",
  choose: (_request, _task, candidates) => ({ order: candidates, reason: "named by the client" }),
};
