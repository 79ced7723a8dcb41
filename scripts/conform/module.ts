/** `npm run conform:module`: the suites for modules against a device on a port. */
import { readers } from "../../src/bin/drivers.ts";
import { deviceCases, deviceRunnables } from "../../test/conformance/device/cases.ts";
import { type Bench, openBench } from "../../test/conformance/device/control.ts";
import { benchRunnables } from "../../test/conformance/device/suite.ts";
import { Visit } from "../../test/conformance/device/visit.ts";
import { type ModuleOptions, readOptions, usage } from "./module-options.ts";
import { exit, picked, program, say, tell, UsageError } from "./program.ts";

const { driverFor } = readers;

async function run(options: ModuleOptions): Promise<number> {
  const { device, baud, control, waitMs, discard, zeroize } = options;
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
    return await tell(`module at ${device}`, picked(all, options), options);
  } finally {
    bench?.close();
  }
}

await program("conform:module", async () => {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") {
    process.stdout.write(usage);
    return exit.ok;
  }
  if (options !== "list") return run(options);
  for (const { id, title, level = "must" } of deviceCases) {
    say(`${id.padEnd(14)} ${level.padEnd(6)} ${title}`);
  }
  return exit.ok;
});
