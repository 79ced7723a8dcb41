/** The configuration, and drivers for what it names: with every driver that there is. */
import { driverKinds } from "../drivers/index.ts";
import { type Config, checkConfig, loadConfig, readConfigFile } from "./config/load.ts";
import { systemClock } from "./port/clock.ts";
import { silentLog } from "./port/log.ts";
import type { ModuleDriver } from "./port/module.ts";

/** Reads and checks a configuration. @throws ConfigError */
export function configure(file: string): Config {
  return loadConfig(file, driverKinds);
}

/** The same, and whether its certificates and keys can be used now. @throws ConfigError */
export function check(file: string): Config {
  return checkConfig(file, driverKinds, systemClock.wall());
}

/** The same, whether the files that it names can be read or not. @throws ConfigError */
export function readConfig(file: string): Config {
  return readConfigFile(file, driverKinds);
}

/** A driver for what a person named to `probe`, without a configuration. */
export function driverFor(device: string, baud: number): ModuleDriver | undefined {
  for (const kind of driverKinds) {
    const options = kind.recognise?.(device, baud);
    if (options !== undefined) return kind.create(options, { clock: systemClock, log: silentLog });
  }
  return undefined;
}
