import { Fault } from "../src/base/errors.ts";

/** The fault that something ends with; undefined if nothing was wrong. */
export function faultOf(act: () => unknown): Fault | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
}
