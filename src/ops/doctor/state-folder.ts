/** Is the folder of the state there, and may the daemon use it? */
import { execFile } from "node:child_process";
import {
  accessSync,
  constants,
  lstatSync,
  readFileSync,
  readlinkSync,
  type Stats,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { errorCode } from "../../base/errors.ts";
import { type Finding, fail, ok, skip } from "./finding.ts";

/** Whom a daemon runs as. */
export interface User {
  readonly uid: number;
  readonly name: string;
  /** The groups that `/etc/group` gives it, and those that its unit does. */
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

export function userOf(uid: number): User {
  const entry = lines("/etc/passwd").find(([, , id]) => Number(id) === uid);
  const name = entry?.[0] ?? `uid ${uid}`;
  const groups = lines("/etc/group")
    .filter(([, , , members = ""]) => members.split(",").includes(name))
    .map(([, , id]) => Number(id));
  return { uid, name, gids: [...(entry === undefined ? [] : [Number(entry[3])]), ...groups] };
}

export function groupName(gid: number): string {
  return lines("/etc/group").find(([, , id]) => Number(id) === gid)?.[0] ?? `gid ${gid}`;
}

/** What is known of a daemon beside its folder. */
export interface DaemonFacts {
  /** Its unit, without `.service`. */
  readonly unit: string;
  /** Of its process; undefined: it does not run. */
  readonly pid: number | undefined;
  /** The kernel's `/proc`. */
  readonly proc: string;
}

/** systemd answers within this, ms, or is not asked again. */
const askMs = 2_000;

/** The user that a daemon runs as: the owner of its folder, or the user of this process. */
export async function daemonUser(stateDir: string, facts: DaemonFacts): Promise<User> {
  const folder = statSync(stateDir, { throwIfNoEntry: false });
  const user = userOf(folder?.uid ?? process.getuid?.() ?? 0);
  const more = groupsOfProcess(facts) ?? (await groupsOfUnit(facts.unit));
  return { ...user, gids: [...new Set([...user.gids, ...more])] };
}

/** The groups that a process has, wherever they are from. */
function groupsOfProcess({ pid, proc }: DaemonFacts): number[] | undefined {
  if (pid === undefined) return undefined;
  try {
    const status = readFileSync(join(proc, String(pid), "status"), "utf8");
    const [, groups] = /^Groups:(.*)$/m.exec(status) ?? [];
    return groups?.trim().split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return undefined;
  }
}

/** `SupplementaryGroups=` of a unit; none where there is no systemd. */
async function groupsOfUnit(unit: string): Promise<number[]> {
  const args = ["show", "--property=SupplementaryGroups", "--value", `${unit}.service`];
  const asked = promisify(execFile)("systemctl", args, { timeout: askMs });
  const { stdout } = await asked.catch(() => ({ stdout: "" }));
  const names = stdout.split(/\s+/).filter(Boolean);
  return lines("/etc/group")
    .filter(([name = "", , id = ""]) => names.includes(name) || names.includes(id))
    .map(([, , id]) => Number(id));
}

/** @returns undefined: there is none @throws other system errors */
function found(stat: typeof statSync | typeof lstatSync, path: string): Stats | undefined {
  try {
    return stat(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

/** What keeps a folder that is not there from being made: a link to a disk that is not mounted, a file. */
function inTheWay(folder: string): { readonly what: string; readonly advice: string } | undefined {
  for (let path = folder; path !== dirname(path); path = dirname(path)) {
    if (found(lstatSync, path) === undefined) continue;
    const stats = found(statSync, path);
    if (stats === undefined) {
      const what = `${path} leads to ${readlinkSync(path)}, which is not there`;
      return { what, advice: "mount the disk that it leads to, or set the link right" };
    }
    if (stats.isDirectory()) return undefined;
    return { what: `${path} is no folder`, advice: "move it away, or name another state_dir" };
  }
  return undefined;
}

/** @param daemon as findings name it: `the node` */
export function checkStateFolder(folder: string, daemon: string): Finding {
  const name = ["state", "state folder"] as const;
  try {
    const stats = found(statSync, folder);
    if (stats === undefined) {
      const way = inTheWay(folder);
      if (way === undefined) return skip(name, `${folder} is not there yet; ${daemon} makes it`);
      return fail(name, `${folder} cannot be made: ${way.what}`, way.advice);
    }
    if (!stats.isDirectory()) {
      return fail(name, `${folder} is no folder`, `move it away; ${daemon} makes the folder`);
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
    if (code === "EACCES") return skip(name, `${folder} is not yours; ask as root to look into it`);
    const advice = code === "EROFS" ? "mount it for writing" : "see dmesg for errors of the disk";
    return fail(name, `${folder}: ${code}`, advice);
  }
}
