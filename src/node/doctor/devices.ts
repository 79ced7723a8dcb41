/** Are the devices there, and may the node use them? */
import { readdirSync, type Stats, statSync } from "node:fs";
import { errorCode } from "../../base/errors.ts";
import { type Finding, fail, ok, skip } from "../../ops/doctor/finding.ts";
import { groupName, type User, userOf } from "../../ops/doctor/state-folder.ts";
import type { ModuleConfig } from "../config/tables.ts";

/** Whether a user may read and write a file, by its mode. */
function mayUse({ mode, uid, gid }: Stats, user: User): boolean {
  if (user.uid === 0) return true;
  const shift = uid === user.uid ? 6 : user.gids.includes(gid) ? 3 : 0;
  return ((mode >> shift) & 0o6) === 0o6;
}

/** Every file that the module's driver opens. */
export function checkDevices(module: ModuleConfig, user: User): Finding[] {
  const id = `device.${module.name}`;
  const title = `device of ${module.name}`;
  const wrong = module.driver.devices.flatMap((path) => checkDevice([id, title], path, user) ?? []);
  if (wrong.length > 0) return wrong.slice(0, 1);
  if (module.driver.devices.length === 0) return [];
  return [ok([id, title], module.driver.devices.join(", "))];
}

function checkDevice(
  name: readonly [string, string],
  path: string,
  user: User,
): Finding | undefined {
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (error) {
    const code = errorCode(error);
    if (code === "EACCES") return skip(name, `${path} cannot be seen by you; ask as root`);
    const others = similar();
    const there =
      others.length === 0 ? "there is no serial device at all" : `there is ${others.join(", ")}`;
    return fail(
      name,
      `there is no ${path}`,
      `check power and cable of the module, and the path in the configuration; ${there}`,
    );
  }
  if (mayUse(stats, user)) return undefined;
  const group = groupName(stats.gid);
  const mode = (stats.mode & 0o777).toString(8).padStart(3, "0");
  const owner = `${userOf(stats.uid).name}:${group}`;
  const byGroup = (stats.mode & 0o060) === 0o060 && stats.gid !== 0;
  const advice = byGroup
    ? `usermod -aG ${group} ${user.name}, or SupplementaryGroups=${group} in the unit`
    : "give its group the right to read and write by a udev rule";
  return fail(name, `${user.name} may not use ${path} (${owner}, mode ${mode})`, advice);
}

/** Serial devices that are there, by the names that survive re-plugging first. */
function similar(): string[] {
  const list = (folder: string, pattern: RegExp) => {
    try {
      const names = readdirSync(folder).filter((name) => pattern.test(name));
      return names.map((name) => `${folder}/${name}`);
    } catch {
      return [];
    }
  };
  const stable = list("/dev/serial/by-id", /./);
  const found = stable.length > 0 ? stable : list("/dev", /^tty(USB|ACM|AMA)\d+$|^xdma\d+_user$/);
  return found.slice(0, 4);
}
