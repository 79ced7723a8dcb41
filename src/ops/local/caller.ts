/** What programs ask of those who call at their local sockets, and of the arguments that come. */
import { LocalError } from "./protocol.ts";
import type { Caller } from "./server.ts";

/** @throws LocalError */
export function mayAct({ role }: Caller): void {
  if (role === "act") return;
  throw new LocalError("not_permitted", "this socket only answers; acting needs the other one");
}

/** Who it is, as an audit names it. */
export async function nameOf({ peer }: Caller): Promise<string> {
  const uid = await peer();
  return uid === undefined ? "local" : `local uid ${uid}`;
}

/** @throws LocalError */
export function countIn(value: unknown, standard: number, most: number): number {
  if (value === undefined) return standard;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= most) {
    return value;
  }
  throw new LocalError("bad_request", `n is a whole number from 1 to ${most}`);
}

/** What became of an acknowledgement. */
export interface Acknowledged {
  readonly status: "done" | "failed";
  readonly reason?: string;
}

/**
 * Acknowledges an alarm for a caller.
 * @param acknowledge gives why not; undefined if it was acknowledged @throws LocalError
 */
export async function acknowledgeFor(
  caller: Caller,
  alarm: unknown,
  acknowledge: (alarm: string, by: string) => string | undefined,
): Promise<Acknowledged> {
  mayAct(caller);
  if (typeof alarm !== "string") throw new LocalError("bad_request", "bad arguments");
  const reason = acknowledge(alarm, await nameOf(caller));
  return { status: reason === undefined ? "done" : "failed", ...(reason && { reason }) };
}
