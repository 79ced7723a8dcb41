/** What every daemon does around its work: the log, the last words of a crash, and what the exit code says. */
import type { Clock } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { createLog, type Log } from "../../base/log.ts";
import type { LogConfig } from "../../host/config/values.ts";
import { crashReport } from "../../host/life/crashes.ts";
import { LogRing } from "../local/log-ring.ts";

export interface DaemonOptions {
  /** The first word of the place that a line of the log names. */
  readonly name: string;
  readonly log: LogConfig;
  readonly clock: Clock;
  /** After a crash was logged, before the process ends. Must not throw. */
  readonly onCrash?: () => void;
  /** The exit code of a fault; default: that of input and output. */
  readonly exitOf?: (fault: Fault) => number;
}

/** The work, until it is told to stop. @returns an exit code @throws Fault `stopped`: it was told to early */
export type Serve = (log: Log, logs: LogRing) => Promise<number>;

/**
 * Does the work with a log on standard error, of which the last lines are kept. An uncaught error is logged
 * without what the program had in hand, and ends the process.
 * @returns an exit code
 */
export async function runDaemon(options: DaemonOptions, serve: Serve): Promise<number> {
  const { name, clock, onCrash, exitOf = () => exit.io } = options;
  const { level, timestamps } = options.log;
  const stamp = timestamps ? () => new Date(clock.wall()).toISOString() : undefined;
  const logs = new LogRing();
  const write = (line: string) => {
    logs.add(line);
    process.stderr.write(`${line}\n`);
  };
  // The reader of the log may end; the keys go on.
  process.stderr.on("error", () => {});
  const log = createLog(write, level, stamp).child(name);
  process.on("uncaughtException", (error) => {
    log.error("crash", { error: crashReport(error) });
    onCrash?.();
    process.exit(exit.software);
  });
  try {
    return await serve(log, logs);
  } catch (error) {
    if (error instanceof Fault && error.code === "stopped") return exit.ok;
    log.error(describe(error));
    return error instanceof Fault ? exitOf(error) : exit.software;
  }
}
