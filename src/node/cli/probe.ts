/** `qkd-node probe`: what answers on a device. */

import { systemClock } from "../../base/clock.ts";
import { describe } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { UsageError } from "../../host/terminal/program.ts";
import { CliError } from "../../ops/cli/client.ts";
import { probe } from "../doctor/probing.ts";
import type { Context } from "./context.ts";

export async function run(context: Context): Promise<number> {
  const [device] = context.positionals;
  if (device === undefined) throw new UsageError("probe DEVICE [--baud N]");
  const baud = context.number("baud", 921_600, 1_200, 50_000_000);
  const driver = (await context.readers()).driverFor(device, baud);
  if (driver === undefined) throw new UsageError(`no driver knows what ${device} is`);
  const { terminal, json } = context;
  try {
    const found = await probe(driver, systemClock, (line) => json || terminal.say(line));
    if (json) terminal.pass(JSON.stringify(found));
    return exit.ok;
  } catch (error) {
    throw new CliError(describe(error), exit.unavailable);
  }
}
