/** What may be said on the command line, for people. Apart, so that who only asks for it loads nothing else. */

export const FLAGS_TEXT = `
  [suite.yaml | suite.jsonl | name …]   tasks with what would be right; none: the five that are shipped (classification, extraction, support-triage,
                                long-documents, agent-loop)
  --requests <log.jsonl>        bodies of requests as they were sent to OpenAI or Anthropic; nothing is judged
  --ledger <ledger.sqlite>      tasks of the sizes that a ledger has, of made-up text, as it keeps no prompts; nothing is judged
      [--sample N]              how many of them (50)
  --limit <N>                   only the first N tasks of each
  --targets <a,b,…>             two or more, the first is the base: an alias of sluice.yaml, a target, or name=provider/model[@client]
                                (current, nano, self-hosted: the aliases, or Claude Sonnet 5.5, GPT-5.4 nano and Mistral Small 4)
  --gpu '<target>=$7/hour,prefill=<tokens/s>,decode=<tokens/s>[,utilization=0.5]'
                                a server of one's own, as you measured it, or calibration.json, as bench calibrate did; absent: what sluice.yaml says of the model
  --judge <provider/model>      says whether an answer does, where a check asks for it; of another lineage than all targets
  --repeats <N> --concurrency <N> --seed <N>   of each task (1); of each target at once (4); of all chance (1)
  --cold | --warm               no task finds another's prefix in a cache; or each class is sent once before. Neither: as it comes
  --caching respect | improve | off   the gateway's cache.mode; absent: sluice.yaml's, and improve in place of respect, as tasks have no marks
  --max-usd <dollars>           nothing is begun that could cost more; what there is is reported
  --timeout <seconds>           of one call (120)
  --dry-run                     reads everything, says what it would cost at about, and spends nothing
  --out <folder>                for report.json, report.csv, the ledger and what it is resumed from (.sluice/bench/<time>)
  --resume <folder>             goes on with what was interrupted or killed, as it was asked for then
  --url <http://…>              a gateway that runs, in place of one of its own; its key is SLUICE_BENCH_KEY
  --config <sluice.yaml>        providers, models, prices and aliases (./sluice.yaml, if there is one)
  --sandbox                     the simulator, whatever is configured; without providers it is used anyhow
  --json                        the report's path and sums as one line of JSON last
  Providers and keys come from the environment or sluice.yaml, as for the gateway itself. Exits with 2 where it is asked for what cannot be done,
  with 1 where it is not whole.
`;
