/**
 * The folder of a rig, and a guard beside it. Programs that a rig starts are processes of their own: where the process that
 * started them is killed, the guard ends them and removes the folder, which has their keys.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Its standard input ends with the process that holds the other end, however that ends. What runs then with a
 * configuration of this folder is told to stop, and has 5 s for it.
 */
const guard = `
trap '' HUP INT QUIT TERM
cat >/dev/null
[ -d "$1" ] || exit 0
left() {
  for process in /proc/[0-9]*; do
    tr '\\0' ' ' <"$process/cmdline" 2>/dev/null | grep -qF " run --config $1/" && echo "\${process#/proc/}"
  done
}
kill -TERM $(left "$1") 2>/dev/null
tries=25
while [ -n "$(left "$1")" ] && [ $tries -gt 0 ]; do tries=$((tries - 1)); sleep 0.2; done
kill -KILL $(left "$1") 2>/dev/null
rm -rf "$1"
`;

/**
 * @param opened owns the folder: it is removed in the end
 * @returns its path, in the folder for temporary files
 */
export function makeRigFolder(opened: AsyncDisposableStack): string {
  const folder = mkdtempSync(join(tmpdir(), "qkd-rig-"));
  // In a session of its own: a signal for a whole terminal is not for the guard.
  const child = spawn("/bin/sh", ["-c", guard, "guard", folder], {
    stdio: ["pipe", "ignore", "ignore"],
    cwd: "/",
    detached: true,
  });
  child.stdin.on("error", () => {});
  child.unref();
  const over = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
    // Without a guard the rig works, too.
    child.once("error", () => resolve());
  });
  opened.defer(() => {
    rmSync(folder, { recursive: true, force: true });
    child.ref();
    child.stdin.destroy();
    return over;
  });
  return folder;
}
