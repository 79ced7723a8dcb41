/** What a doctor of another user than the service's cannot look at: root is one, too, for files that are the service's alone. */
import { statSync } from "node:fs";
import { describe, errorCode, Fault } from "../../base/errors.ts";
import { type Finding, skip } from "../../ops/doctor/finding.ts";
import { userOf } from "../../ops/doctor/state-folder.ts";

/** @returns undefined if the error says something else */
export function notOurs(
  name: readonly [id: string, title: string],
  error: unknown,
  stateDir: string,
): Finding | undefined {
  const why = error instanceof Fault ? describe(error) : (errorCode(error) ?? "unknown");
  const isOthers = error instanceof Fault && error.code === "state.owner";
  if (!isOthers && !/EACCES|EPERM/.test(why)) return undefined;
  const owner = statSync(stateDir, { throwIfNoEntry: false })?.uid;
  const user = owner === undefined ? "the service's user" : userOf(owner).name;
  return skip(name, `${stateDir} is another user's: ask as ${user} (sudo -u) to look into it`);
}
