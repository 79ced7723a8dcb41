/** What came of the acknowledgement of an alarm, for a person. */
import { exit } from "../../base/exit-codes.ts";
import { tidy } from "../../host/terminal/terminal.ts";
import type { Acknowledged } from "../local/caller.ts";
import { CliError } from "./client.ts";

/**
 * @param command whose alarm it is: `qkd-km`
 * @returns a line @throws CliError if it was not acknowledged
 */
export function acknowledgedText(acted: Acknowledged, alarm: string, command: string): string {
  if (acted.status === "done") return `${tidy(alarm)} is acknowledged\n`;
  const { reason = "" } = acted;
  const known: Readonly<Record<string, string>> = {
    unknown_alarm: `there is no such alarm: see ${command} alarms`,
    not_raised: "it is over, or acknowledged already",
  };
  throw new CliError(`not acknowledged: ${known[reason] ?? tidy(reason)}`, exit.failed);
}
