import { Fault } from "../src/base/errors.ts";

/** The fault that something ends with; undefined if nothing was wrong. It has no stack: campaigns make thousands. */
export function faultOf(act: () => unknown): Fault | undefined {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
