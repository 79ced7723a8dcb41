/** The Key IDs of a "Get key with key IDs" (ETSI GS QKD 014 §5.3, §6.4), as a KME reads them. Pure. */
import { membersOf } from "./members.ts";
import { member } from "./names.ts";
import { badRequest } from "./refusal.ts";

const uuid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** @returns 32 lower-case hexadecimal digits each @throws EtsiRefusal 400 */
export function idsOfBody(body: Buffer, most: number): string[] {
  const members = membersOf(body);
  const list = members[member.keyIds];
  if (!Array.isArray(list) || list.length === 0) {
    throw badRequest(`${member.keyIds} is not an array of objects with ${member.keyId}`);
  }
  if (list.length > most) {
    throw badRequest(`${member.keyIds} has more than ${most}`, [{ max_key_per_request: most }]);
  }
  return unlike(list.map((one) => idOf((one as Record<string, unknown> | null)?.[member.keyId])));
}

/** @returns as {@link idsOfBody} @throws EtsiRefusal 400 */
export function idsOfQuery(query: URLSearchParams): string[] {
  const values = query.getAll(member.keyId);
  if (values.length !== 1) throw badRequest(`one ${member.keyId} is needed`);
  return [idOf(values[0])];
}

function idOf(value: unknown): string {
  if (typeof value !== "string" || !uuid.test(value)) {
    throw badRequest(`${member.keyId} is not a UUID`);
  }
  return value.replaceAll("-", "").toLowerCase();
}

function unlike(ids: string[]): string[] {
  if (new Set(ids).size < ids.length) throw badRequest(`a ${member.keyId} is there twice`);
  return ids;
}

/** A KSA-key ID as the standard writes it. @param id 32 hexadecimal digits */
export function asUuid(id: string): string {
  const part = (from: number, to: number) => id.slice(from, to);
  return `${part(0, 8)}-${part(8, 12)}-${part(12, 16)}-${part(16, 20)}-${part(20, 32)}`;
}
