/** What may be said on the command line, for people. Apart, so that who only asks for it loads nothing else. */

export const FLAGS_TEXT = `
  <provider/model>              whom to measure: a vLLM, an Ollama or any other server of one's own, as sluice.yaml or the environment has it
  --gpu-hour <dollars>          what an hour of all the hardware that serves it costs; without it no price comes of it
  --utilization <share>         of the paid hours in which it works, which the price of a token is made with (1: it never idles)
  --concurrency <1,2,4,8,16>    parallel calls, one level after the other
  --at <N>                      the level that the price is made of (the one at which a call of these sizes costs least)
  --prompt-tokens <N>           of the prompts that are read (2000)     --output-tokens <N>  of the answers that are written (256)
  --seconds <N>                 for reading and for writing, at each level (10); rounds that have begun are ended
  --timeout <seconds>           of one call (120): who is slower is told of as such
  --max-usd <dollars>           stops cleanly when so much is spent: hours by --gpu-hour, else tokens by the target's price
  --out <file>                  the figures (calibration.json): \`compare --gpu calibration.json\` and \`replay --gpu calibration.json\` read it
  --write [sluice.yaml]         puts the price into that file, under \`models\`, and leaves the rest of it as it is
  --url <http://…>              through a gateway that runs, in place of one of its own; its key is SLUICE_BENCH_KEY
  --config <sluice.yaml>        where the target is configured (./sluice.yaml, if there is one)
  --sandbox                     measures the simulator (which reads 5,000 and writes 50 tokens a second in each call): to see what comes of it
  --json                        the figures as one line of JSON last
  It goes through a gateway in this process, as calls do later. Exits with 2 where nothing could be measured, with 1 where not all of it was.
`;
