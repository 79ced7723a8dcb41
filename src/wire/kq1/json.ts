/** JSON of a peer, which may be anything, and may echo a key. */
import type { Fault } from "../../base/errors.ts";

/** Makes the fault about what is wrong. */
export type BadMessage = (what: string) => Fault;

/** @throws the complaint, which never quotes the payload: the parser's own error would */
export function parseObject(payload: Buffer, bad: BadMessage): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString("utf8"));
  } catch {
    throw bad("is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw bad("is not a JSON object");
  }
  return value as Readonly<Record<string, unknown>>;
}
