/** The run of exchanges that one piece of work makes. */
export interface Task {
  /** Stable over the run; made of [A-Za-z0-9._:-], at most 128 characters. */
  readonly id: string;
  /** Tasks of one kind; `undefined` when nobody said. */
  readonly className: string | undefined;
  /** How the id was found, for the ledger. */
  readonly source: "header" | "metadata" | "agent-session" | "prefix";
}
