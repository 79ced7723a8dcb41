/** Ways to read a configuration, with the drivers that the program was built with. */
import { systemClock } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import { hold } from "../../host/disk/hold.ts";
import type { DriverKind } from "../../port/driver-kind.ts";
import type { ModuleDriver } from "../../port/module.ts";
import { type Config, checkConfig, loadConfig, readConfigFile, startConfig } from "./load.ts";

export interface ConfigReaders {
  /** Reads and checks a configuration. @throws ConfigError */
  configure(file: string): Config;
  /** The same at the start of a node, which has its first certificates copied. @throws ConfigError, Fault */
  start(file: string): Config;
  /** The same, and whether its certificates and keys can be used now. @throws ConfigError */
  check(file: string): Config;
  /** The same, whether the files that it names can be read or not. @throws ConfigError */
  readConfig(file: string): Config;
  /** A driver for what a person named to `probe`, without a configuration. */
  driverFor(device: string, baud: number): ModuleDriver | undefined;
}

export function configReaders(kinds: readonly DriverKind[]): ConfigReaders {
  return {
    configure: (file) => loadConfig(file, kinds),
    start: (file) => startConfig(file, kinds),
    check: (file) => checkConfig(file, kinds, systemClock.wall()),
    readConfig: (file) => readConfigFile(file, kinds),
    driverFor(device, baud) {
      for (const kind of kinds) {
        const options = kind.recognise?.(device, baud);
        if (options === undefined) continue;
        return kind.create(options, { clock: systemClock, log: silentLog, hold });
      }
      return undefined;
    },
  };
}
