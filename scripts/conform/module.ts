/** `npm run conform:module`: the suites for modules against a device on a port. */

import { describe } from "../../src/base/errors.ts";
import { readers } from "../../src/bin/drivers.ts";
import { deviceCases, deviceRunnables } from "../../test/conformance/device/cases.ts";
import { type Bench, openBench } from "../../test/conformance/device/control.ts";
import { benchRunnables } from "../../test/conformance/device/suite.ts";
import { Visit } from "../../test/conformance/device/visit.ts";
import { Broken, resultText, runAll, summaryText } from "../../test/conformance/run.ts";
import { type ModuleOptions, readOptions, UsageError, usage } from "./module-options.ts";

const { driverFor } = readers;

/** Of sysexits.h, but for 1. */
const exit = { ok: 0, broken: 1, usage: 64, unavailable: 69, internal: 70 } as const;

const say = (text: string) => process.stdout.write(`${text}\n`);
const complain = (text: string) => process.stderr.write(`conform:module: ${text}\n`);

async function run(options: ModuleOptions): Promise<number> {
  const { device, baud, control, waitMs, discard, zeroize, only, strict, json } = options;
  const driver = () => {
    const made = driverFor(device, baud);
    if (made === undefined) throw new UsageError(`--device: no driver knows what ${device} is`);
    return made;
  };
  driver();
  // A control program may have to be there before the module is.
  const bench: Bench | undefined =
    control === undefined ? undefined : await openBench(control, driver);
  try {
    await (await Visit.open(driver())).close();
    const all =
      bench === undefined
        ? deviceRunnables({ driver, waitMs, discard, zeroize })
        : benchRunnables(bench, zeroize);
    const unknown = only.find((id) => !all.some((one) => one.id === id));
    if (unknown !== undefined) throw new UsageError(`--only: there is no case ${unknown}`);
    const cases = all
      .filter(({ id }) => only.length === 0 || only.includes(id))
      .map((one) => (strict ? { ...one, level: "must" as const } : one));
    const report = await runAll(`module at ${device}`, cases, (result) => {
      if (!json) say(resultText(result));
    });
    say(json ? JSON.stringify(report) : `\n${summaryText(report)}`);
    return report.failed > 0 ? exit.broken : exit.ok;
  } finally {
    bench?.close();
  }
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = readOptions(args);
    if (options === "help") process.stdout.write(usage);
    else if (options === "list") {
      for (const { id, title, level = "must" } of deviceCases) {
        say(`${id.padEnd(14)} ${level.padEnd(6)} ${title}`);
      }
    } else return await run(options);
    return exit.ok;
  } catch (error) {
    if (error instanceof UsageError) {
      complain(`${error.message} (npm run conform:module -- --help tells more)`);
      return exit.usage;
    }
    complain(error instanceof Broken ? error.message : describe(error));
    return error instanceof Broken ? exit.unavailable : exit.internal;
  }
}

const code = await main(process.argv.slice(2));
// What a case that was given up still waits for keeps the program no longer.
process.stdout.write("", () => process.exit(code));
