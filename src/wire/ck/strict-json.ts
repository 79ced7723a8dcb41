/**
 * JSON of a peer in which no member is there twice: JSON.parse takes the last one, other readers the first, and
 * both ends would go by different messages.
 */
import { parseObject } from "../kq1/json.ts";
import { memberTwice } from "../kq1/member-twice.ts";

/** Makes the fault about what is wrong. @param field name of a member, if it looks like one */
export type BadJson = (what: string, field?: string) => Error;

/** @throws what `bad` makes, which quotes no value */
export function parseStrict(payload: Buffer, bad: BadJson): Readonly<Record<string, unknown>> {
  const members = parseObject(payload, (what) => bad(what) as never);
  const twice = memberTwice(payload.toString("utf8"));
  if (twice === undefined) return members;
  throw bad("has a member twice", /^[\w-]+$/.test(twice) ? twice : undefined);
}
