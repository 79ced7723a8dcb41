/** Members of a request's JSON: any order, any more of them, none twice. Pure. */
import { memberTwice } from "../kq1/member-twice.ts";
import { badRequest } from "./refusal.ts";

export type Members = Readonly<Record<string, unknown>>;

/**
 * Reads a request's body. Libraries write an absent member as null, and a request of nothing but defaults as
 * no body at all.
 * @throws EtsiRefusal 400
 */
export function membersOf(body: Buffer): Members {
  let json: string;
  try {
    json = new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    throw badRequest("the body is not UTF-8");
  }
  if (json.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw badRequest("the body is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw badRequest("the body is not a JSON object");
  }
  const twice = memberTwice(json);
  if (twice !== undefined) throw badRequest("a member is there twice", [{ member: twice }]);
  const members: Record<string, unknown> = Object.create(null);
  for (const [name, one] of Object.entries(value)) if (one !== null) members[name] = one;
  return members;
}
