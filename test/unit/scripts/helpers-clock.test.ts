/** Root's helpers in an image and a clock that was set back: what is of the future is not fresh. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";

const helpers = new URL("../../../board/common/rootfs_overlay/usr/lib/qkd-image/", import.meta.url);
const read = (name: string) => readFileSync(fileURLToPath(new URL(name, helpers)), "utf8");

/** A part of a script, from a line to the next one that begins so. */
function part(script: string, from: string, to: string): string {
  const at = script.indexOf(from);
  return script.slice(at, script.indexOf(to, at) + to.length);
}

const hour = 3_600;
/** What the scripts' `date` says, s since 1970: how fast the machine is does not matter. */
const now = 1_800_000_000;

test("the key switch's word and root's allowance are fresh for as long as is said, on both sides of now", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-clock-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = (name: string) => join(folder, name);
  const run = (text: string) =>
    spawnSync("sh", ["-c", `date() { echo ${now}; }\n${text}`], {
      encoding: "utf8",
      env: { PATH: "/usr/bin:/bin" },
    }).stdout.trim();
  const turned = part(read("site"), "turned() {", "\n}\n").replace(
    "/run/qkd-panel/maintenance",
    file("maintenance"),
  );
  const allowance = part(read("update"), "by_root=\n", "\nfi\n");
  const aged = (name: string, seconds: number) => {
    writeFileSync(file(name), "a".repeat(64));
    utimesSync(file(name), now - seconds, now - seconds);
  };
  const isTurned = (seconds: number) => {
    aged("maintenance", seconds);
    return run(`${turned}turned && echo yes`) === "yes";
  };
  const isAllowed = (seconds: number) => {
    aged("allowed", seconds);
    return run(`own=${folder}\n${allowance}echo "$by_root"`) !== "";
  };
  t.deepEqual([0, 3, 4, -3, -4, -hour].map(isTurned), [true, true, false, true, false, false]);
  t.deepEqual([0, hour, 3 * hour, -3 * hour].map(isAllowed), [true, true, false, false]);
});
