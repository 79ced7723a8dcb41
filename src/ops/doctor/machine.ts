/** The machine under a daemon: clock, disk, memory, temperature. */

import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Clock, clockProblem } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import { type Finding, fail, ok, skip, warn } from "./finding.ts";

const run = promisify(execFile);
const day = 86_400_000;
const MiB = 1_048_576;

/** @param file of the configuration: it was not written in the future */
export async function checkClock(clock: Pick<Clock, "wall">, file: string): Promise<Finding> {
  const name = ["clock", "clock"] as const;
  const wall = clock.wall();
  const now = new Date(wall).toISOString().slice(0, 19);
  const advice =
    "timedatectl set-ntp true, and check the battery of the clock: certificates depend on it";
  const problem = clockProblem(wall);
  if (problem !== undefined) return fail(name, `${now} UTC is ${problem}`, advice);
  const written = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (written > wall + day) return fail(name, `${now} UTC is before ${file} was written`, advice);
  const synchronised = await ntp();
  if (synchronised === false) return warn(name, `${now} UTC, not synchronised`, advice);
  return ok(name, `${now} UTC${synchronised === true ? ", synchronised" : ""}`);
}

/** @returns undefined where the system does not tell */
async function ntp(): Promise<boolean | undefined> {
  try {
    const args = ["show", "--property=NTPSynchronized", "--value"];
    const { stdout } = await run("timedatectl", args, { timeout: 2_000 });
    const word = stdout.trim();
    return word === "yes" ? true : word === "no" ? false : undefined;
  } catch {
    return undefined;
  }
}

/** The part that is free below which a daemon can't go on for long. */
const urgent = 0.02;

/** @param stateDir it need not be there yet @param enough the part that is to be free */
export async function checkDisk(stateDir: string, enough: number): Promise<Finding> {
  const name = ["disk", "disk"] as const;
  let folder = stateDir;
  while (folder !== "/" && statSync(folder, { throwIfNoEntry: false }) === undefined) {
    folder = join(folder, "..");
  }
  const { bavail, blocks, bsize, ffree, files } = await statfs(folder);
  const free = blocks === 0 ? 1 : bavail / blocks;
  const detail = `${folder}: ${(free * 100).toFixed(0)} % free (${Math.floor((bavail * bsize) / MiB)} MiB)`;
  const advice =
    "find what fills it: du -xh --max-depth=2 / | sort -h | tail; old logs, old support bundles";
  if (free < urgent) return fail(name, detail, advice);
  if (files > 0 && ffree === 0) return fail(name, `${folder}: no inode is free`, advice);
  const trouble = tryWriting(folder);
  if (trouble === "EROFS") {
    return fail(name, `${folder} can only be read`, "see dmesg: a disk with errors is mounted so");
  }
  if (trouble === "ENOSPC") return fail(name, `${folder}: no space left`, advice);
  if (trouble === "EIO") return fail(name, `${folder}: errors while writing`, "replace the disk");
  if (free < enough) return warn(name, detail, advice);
  return ok(name, detail);
}

/** @returns why a small file could not be made durable; rights are looked at elsewhere */
function tryWriting(folder: string): string | undefined {
  const path = join(folder, `.doctor-${randomBytes(6).toString("hex")}.tmp`);
  try {
    const file = openSync(path, "wx", 0o600);
    try {
      writeSync(file, Buffer.alloc(4_096));
      fsyncSync(file);
    } finally {
      closeSync(file);
      unlinkSync(path);
    }
    return undefined;
  } catch (error) {
    return errorCode(error);
  }
}

/** @param proc the kernel's `/proc` @param daemon what it takes, bytes; undefined: it does not run */
export function checkMemory(
  proc: string,
  daemon: { readonly called: string; readonly rss: number } | undefined,
): Finding {
  const name = ["memory", "memory"] as const;
  try {
    const text = readFileSync(join(proc, "meminfo"), "utf8");
    const kib = (what: string) => Number(new RegExp(`^${what}: +(\\d+) kB`, "m").exec(text)?.[1]);
    const total = kib("MemTotal");
    const available = kib("MemAvailable");
    const own =
      daemon === undefined ? "" : `; ${daemon.called} has ${Math.round(daemon.rss / MiB)} MiB`;
    const detail = `${Math.floor(available / 1_024)} of ${Math.floor(total / 1_024)} MiB available${own}`;
    const advice =
      "find what takes it: ps aux --sort=-rss | head; restart it, and report a daemon that grows";
    if (!(available >= 0 && total > 0)) return skip(name, "not told by this machine");
    if (available < 32 * 1_024 || available / total < 0.03) return fail(name, detail, advice);
    if (available < 64 * 1_024 || available / total < 0.1) return warn(name, detail, advice);
    return ok(name, detail);
  } catch {
    return skip(name, "not told by this machine");
  }
}

/** °C; where a sensor has no limit of its own. */
const hot = { warn: 85, fail: 100 } as const;

/** @param sys the kernel's `/sys` */
export function checkTemperature(sys: string): Finding {
  const name = ["temperature", "temperature"] as const;
  const zones = sensors(join(sys, "class/thermal"));
  const worst = zones.sort((a, b) => a.limit - a.celsius - (b.limit - b.celsius))[0];
  if (worst === undefined) return skip(name, "this machine has no sensor");
  const { type, celsius, limit } = worst;
  const detail = `${type} ${celsius.toFixed(0)} °C, limit ${limit.toFixed(0)} °C`;
  const advice = "check fans, filters and the air in the rack";
  if (celsius >= limit) return fail(name, detail, advice);
  if (celsius >= Math.min(limit - 5, hot.warn)) return warn(name, detail, advice);
  return ok(name, detail);
}

interface Sensor {
  readonly type: string;
  readonly celsius: number;
  readonly limit: number;
}

function sensors(folder: string): Sensor[] {
  const read = (zone: string, file: string) => {
    try {
      return readFileSync(join(folder, zone, file), "utf8").trim();
    } catch {
      return "";
    }
  };
  let zones: string[];
  try {
    zones = readdirSync(folder).filter((name) => name.startsWith("thermal_zone"));
  } catch {
    return [];
  }
  return zones.flatMap((zone) => {
    const celsius = Number(read(zone, "temp") || Number.NaN) / 1_000;
    if (!Number.isFinite(celsius)) return [];
    const critical = [0, 1, 2, 3, 4, 5, 6, 7]
      .filter((i) => read(zone, `trip_point_${i}_type`) === "critical")
      .map((i) => Number(read(zone, `trip_point_${i}_temp`)) / 1_000)
      .filter((limit) => limit > 0);
    return [{ type: read(zone, "type") || zone, celsius, limit: Math.min(hot.fail, ...critical) }];
  });
}
