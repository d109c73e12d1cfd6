/** `--gpu`, in full or as the file of a calibration: `calibration.json`, `calibration.json,utilization=0.5,busy=0.8`. */
import { readFileSync } from "node:fs";
import { readHardware, type Hardware } from "../replay/price-rules.ts";
import { ReplayError } from "../replay/replay-error.ts";
import { readCalibration } from "./calibration.ts";

export interface SaidHardware extends Hardware {
  readonly isCalibrated: boolean;
}

/** @throws ReplayError */
export function hardwareOf(said: string): SaidHardware {
  const [, file, others = ""] = /^([^=$]+\.json)((?:,[a-z]+=[^,]*)*)$/.exec(said.trim()) ?? [];
  if (file === undefined) return { ...readHardware(said), isCalibrated: false };
  const read = readCalibration(textOf(file), file);
  if (typeof read === "string") throw new ReplayError(`--gpu ${read}`);
  const { target, usd_per_hour: usdPerHour, utilization, chosen } = read;
  if (usdPerHour === null)
    throw new ReplayError(
      `--gpu ${file}: nobody said what an hour costs: calibrate with --gpu-hour, or say it in full`,
    );
  const { prefill_tokens_per_second: prefill, decode_tokens_per_second: decode } = chosen;
  const own = others.includes("utilization=") ? "" : `,utilization=${utilization}`;
  const words = `${target}=$${plain(usdPerHour)}/hour,prefill=${plain(prefill)},decode=${plain(decode)}${own}${others}`;
  return { ...readHardware(words), isCalibrated: true };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new ReplayError(`--gpu ${file}: it cannot be read (${(error as NodeJS.ErrnoException).code ?? "error"})`);
  }
}

/** Without an exponent. */
function plain(value: number): string {
  return value.toFixed(9).replace(/\.?0+$/, "");
}
