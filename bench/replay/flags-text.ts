/** What may be said on the command line, for people. Apart, so that who only asks for it loads nothing else. */

export const FLAGS_TEXT = `
  <ledger.sqlite | export.jsonl[.gz]>   alone: what its tasks did cost, priced again
  --price '<target>=<price>'    other prices; again for more, the last that fits counts. A target is one (openai/gpt-5.4-nano), a provider
                                (openai), a model, or the beginning of a target (openai/*). A price is x4 (times what was paid),
                                latest (today's, of the model table), or input:0.2,output:1.25[,cacheRead:…,cacheWrite5m:…,…] in $ per million
  --prices <file.json>          the same as {"<target>": {"price": {…}}}, as the config's models (also prices with dates, tokenRatio, cache …)
  --all-to <target>             everything goes there
  --policy <name>               cheapest-task or ordered decides for each task at its start, with what the ledger had shown until then;
                                named: where the clients had it
  --targets <a,b,…>             what the policy chooses from; absent: the ledger's own that have a price
  --keep-named                  tasks whose client named the model stay there
  --gpu '<target>=$2.10/hour,prefill=<tokens/s>,decode=<tokens/s>[,busy=0.8][,utilization=1]'
                                a server of one's own, paid by the hour: how busy, how many, and from how many tasks a day it pays. Tokens per
                                second of all its calls together, as you measured them; busy: most of the busiest hour; utilization: of the paid hours,
                                from which a --policy has the price of a token. Alone: --all-to it. Or the file that bench calibrate wrote:
                                calibration.json[,busy=0.8][,utilization=1]
  --class <name>                only tasks of this class; again for more
  --since, --until <time>       only tasks that began within (2026-10-01, 2026-11-01T00:00:00Z); earlier ones still teach
  --config <sluice.yaml>        the providers, models and prices of yours; absent: the model table, and each provider as it is called
  --seed <text>                 of the intervals' draws (1)
  --export <out.jsonl>          writes the ledger down as lines of JSON, and nothing else; it replays like the ledger
  --json                        one line of JSON last
  Exits with 2 where it is asked for what cannot be done, or a file is not what it should be.
`;
