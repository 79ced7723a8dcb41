/** What the command lines of this folder do alike: mistakes of who typed them, and how they end. */

import { describe, errorCode } from "../src/base/errors.ts";

/** 128 + SIGPIPE, as programs end whose reader is gone: `scripts/… | head`. */
const readerGone = 141;
/** Of sysexits.h. */
const cannotWrite = 74;

/**
 * From now on an output that cannot be written is told in a line, and ends the program; unheard it would be a stack trace.
 * Not for programs that have something to stop first.
 * @param name as messages name the program
 */
export function guardOutput(name: string): void {
  // Nothing can be said about this one.
  process.stderr.on("error", () => {});
  process.stdout.on("error", (error) => {
    if (errorCode(error) === "EPIPE") process.exit(readerGone);
    process.stderr.write(`${name}: the output cannot be written: ${describe(error)}\n`);
    process.exit(cannotWrite);
  });
}

/** Resolves when {@link guardOutput} has heard of what was written: an error is told in an event of its own. */
export function outputHeard(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The command line is wrong. */
export class UsageError extends Error {}

/** @param parse reads a command line @throws UsageError for whatever it finds wrong */
export function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** What the machine refuses, such as room on a disk or the right to write, is for who typed it as well. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "errno" in error;
}

/** With the file's name, which system errors of reading and writing have beside their message at best. */
function messageOf(error: Error): string {
  const path = isSystemError(error) ? error.path : undefined;
  return path === undefined || error.message.includes(path)
    ? error.message
    : `${error.message}, ${path}`;
}

/**
 * Runs a command: what is wrong is told in a line, and is the exit code: 64 for the command line, 1 for the rest.
 * @param name of the file below `scripts`
 * @param main gives what is to be printed, or the exit code
 * @param isTold whether an error is for who typed it; others are defects
 */
export async function runTool(
  name: string,
  main: (args: string[]) => Promise<number | string>,
  isTold: (error: unknown) => boolean,
): Promise<void> {
  guardOutput(name);
  try {
    const done = await main(process.argv.slice(2));
    if (typeof done === "string") process.stdout.write(done);
    else process.exitCode = done;
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`${name}: ${error.message}\nTry: scripts/${name} --help\n`);
      process.exitCode = 64;
    } else if (isTold(error) || isSystemError(error)) {
      process.stderr.write(`${name}: ${messageOf(error as Error)}\n`);
      process.exitCode = 1;
    } else {
      throw error;
    }
  }
}
