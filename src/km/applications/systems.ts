/** System IDs of SKIP: what encryptors call the applications that they are, and those at the other ends. Pure. */
import type { Application, ApplicationTable } from "./table.ts";

export function systemIdOf({ systemId, id }: Application): string {
  return systemId ?? id;
}

/** Applications of other KMs with which this one may share keys. */
export function partnersOf(caller: Application, table: ApplicationTable): Application[] {
  return [...table.all].filter(({ id, km }) => km !== caller.km && table.mayShare(caller.id, id));
}

/** @returns undefined also if there is such a system, and the caller may share no keys with it */
export function partnerOf(
  caller: Application,
  systemId: string,
  table: ApplicationTable,
): Application | undefined {
  return partnersOf(caller, table).find((one) => systemIdOf(one) === systemId);
}
