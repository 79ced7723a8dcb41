/** Are the state's folder and the devices there, and may the node use them? */
import { accessSync, constants, readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { errorCode } from "../../base/errors.ts";
import type { Config } from "../config/load.ts";
import type { ModuleConfig } from "../config/tables.ts";
import { type Finding, fail, ok, skip } from "./finding.ts";

/** Whom the node runs as. */
interface User {
  readonly uid: number;
  readonly name: string;
  /** The groups that `/etc/group` gives it. */
  readonly gids: readonly number[];
}

function lines(file: string): string[][] {
  try {
    const text = readFileSync(file, "utf8");
    return text.split("\n").map((line) => line.split(":"));
  } catch {
    return [];
  }
}

function userOf(uid: number): User {
  const entry = lines("/etc/passwd").find(([, , id]) => Number(id) === uid);
  const name = entry?.[0] ?? `uid ${uid}`;
  const groups = lines("/etc/group")
    .filter(([, , , members = ""]) => members.split(",").includes(name))
    .map(([, , id]) => Number(id));
  return { uid, name, gids: [...(entry === undefined ? [] : [Number(entry[3])]), ...groups] };
}

function groupName(gid: number): string {
  return lines("/etc/group").find(([, , id]) => Number(id) === gid)?.[0] ?? `gid ${gid}`;
}

/** Whether a user may read and write a file, by its mode. */
function mayUse({ mode, uid, gid }: Stats, user: User): boolean {
  if (user.uid === 0) return true;
  const shift = uid === user.uid ? 6 : user.gids.includes(gid) ? 3 : 0;
  return ((mode >> shift) & 0o6) === 0o6;
}

/** The user that the node runs as: the owner of its folder, or the user of this process. */
export function nodeUser(config: Config): User {
  const folder = statSync(config.node.state_dir, { throwIfNoEntry: false });
  return userOf(folder?.uid ?? process.getuid?.() ?? 0);
}

export function checkState({ node }: Config): Finding {
  const name = ["state", "state folder"] as const;
  const folder = node.state_dir;
  try {
    const stats = statSync(folder, { throwIfNoEntry: false });
    if (stats === undefined) return skip(name, `${folder} is not there yet; the node makes it`);
    if (!stats.isDirectory()) {
      return fail(name, `${folder} is no folder`, "move it away; the node makes the folder");
    }
    const mode = (stats.mode & 0o777).toString(8);
    if ((stats.mode & 0o022) !== 0) {
      return fail(name, `${folder}: others may write there (mode ${mode})`, `chmod 700 ${folder}`);
    }
    if ((stats.mode & 0o700) !== 0o700) {
      return fail(name, `${folder}: mode ${mode}`, `chmod 700 ${folder}`);
    }
    accessSync(folder, constants.W_OK | constants.X_OK);
    return ok(name, `${folder}, of ${userOf(stats.uid).name}, mode ${mode}`);
  } catch (error) {
    const code = errorCode(error);
    if (code === "EACCES")
      return skip(name, `${folder} is the node's; ask as root to look into it`);
    const advice = code === "EROFS" ? "mount it for writing" : "see dmesg for errors of the disk";
    return fail(name, `${folder}: ${code}`, advice);
  }
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
