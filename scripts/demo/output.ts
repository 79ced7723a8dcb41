/** What a show prints at its end: its object, or why there is none. */
import { describe, errorCode, Fault } from "../../src/base/errors.ts";

/**
 * One text about anything thrown. Errors of the rig have the last lines that a program logged in their own words, which
 * `describe` leaves out for a product's sake: without them nothing says why a program did not start.
 */
export function reason(error: unknown): string {
  if (!(error instanceof Error) || error instanceof Fault || errorCode(error) !== undefined) {
    return describe(error);
  }
  return error.name === "Error" ? error.message : `${error.name}: ${error.message}`;
}

/** Prints a line on standard output. @returns why it could not; a reader that is gone wants none */
export async function printed(line: string): Promise<Error | undefined> {
  const error = await new Promise<Error | null | undefined>((resolve) => {
    process.stdout.write(`${line}\n`, resolve);
  });
  if (!error || errorCode(error) === "EPIPE") return undefined;
  return new Error(`the output cannot be written: ${describe(error)}`);
}
